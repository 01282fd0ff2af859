import type { WhereIsAnswer } from "../../lib/api.ts";
import { formatVersion } from "../../lib/core/hlc.ts";
import type { Outcome } from "../sim/history.ts";
import { isStrong, type Witness } from "./clients.ts";
import type { Fleet, FleetNode } from "./fleet.ts";
import type { LargeTraffic } from "./large_traffic.ts";
import { readLarge } from "./large_value.ts";
import { failureOf, get, outcomeOfError, parseVersion } from "./requests.ts";

/** How long a balance may take, and what was cut off may still change what owners hold. */
const BALANCE_MS = 180_000;
const AGREE_MS = 120_000;
/** How long one value may take. */
const READ_MS = 120_000;
const READERS = 8;
/** Name of the client that reads everything at the end. */
export const AUDITOR = "auditor";

/** What the end of a run is looked at with. */
export interface AuditDeps {
  readonly fleet: Fleet;
  readonly witness: Witness;
  readonly large: LargeTraffic;
  readonly signal: AbortSignal;
}

/**
 * Balances the ring, reads every key from every node as clients do, and the own copies of its owners, and compares
 * byte for byte. The reads become a part of the history.
 *
 * @returns A sentence for each key whose owners do not hold the same.
 * @throws {NotInTimeError} If the ring cannot be balanced.
 */
export async function audit(deps: AuditDeps): Promise<Map<string, string>> {
  const { fleet, witness, signal } = deps;
  await fleet.until("a balance ends well", async () => {
    const task = await fleet.client(fleet.members[0]!).balance({ signal });
    return task.failed === 0 ? undefined : `${task.failed} failed: ${task.error}`;
  }, BALANCE_MS);
  const differing = new Map<string, string>();
  const keys = [...witness.history.byKey().keys()];
  await Promise.all(Array.from({ length: READERS }, async () => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
      const difference = await auditKey(deps, key);
      if (difference !== undefined) differing.set(key, difference);
    }
  }));
  return differing;
}

/** Compares the copies of a key until they agree: a write that was cut off may still be on its way. */
async function auditKey(deps: AuditDeps, key: string): Promise<string | undefined> {
  try {
    await deps.fleet.until(`all agree on ${key}`, () => compare(deps, key), AGREE_MS);
    return undefined;
  } catch (error) {
    deps.signal.throwIfAborted();
    return String(error);
  }
}

/** What two disagree on; undefined where nobody does. */
async function compare(deps: AuditDeps, key: string): Promise<string | undefined> {
  const { fleet } = deps;
  const [first] = fleet.members;
  const { nodes }: WhereIsAnswer = JSON.parse(
    (await first!.process.request(`/whereis/${encodeURIComponent(key)}`)).text,
  );
  const owners = fleet.members.filter(({ address }) => nodes.includes(address));
  if (owners.length < 3) return `only ${owners.length} nodes own it: ${nodes.join(", ")}`;
  const copies: [string, string][] = [];
  for (const node of owners) copies.push([`${node.address} alone`, await textOf(deps, node, key, "local")]);
  for (const node of fleet.members) copies.push([node.address, await textOf(deps, node, key, "quorum")]);
  const other = copies.find(([, text]) => text !== copies[0]![1]);
  if (other === undefined) return undefined;
  return `${copies[0]![0]} holds ${copies[0]![1]}, where ${other[0]} holds ${other[1]}`;
}

async function textOf(
  deps: AuditDeps,
  node: FleetNode,
  key: string,
  consistency: "local" | "quorum",
): Promise<string> {
  const { history } = deps.witness;
  const call = { client: AUDITOR, kind: "get", key, coordinator: node.address } as const;
  // An owner's own copy is no answer that a client was promised anything about.
  const operation = consistency === "quorum" ? history.begin(call) : undefined;
  const asked = consistency === "quorum" && isStrong(key) ? "strong" : consistency;
  const outcome = await read(deps, node, key, `?consistency=${asked}`).catch(outcomeOfError);
  if (operation !== undefined) history.end(operation, outcome);
  if (outcome.kind !== "read") {
    throw new Error(`${node.address} could not be read: ${JSON.stringify(outcome)}`);
  }
  return outcome.version === undefined
    ? "nothing"
    : `${outcome.value} of version ${formatVersion(outcome.version)}`;
}

async function read(deps: AuditDeps, node: FleetNode, key: string, query: string): Promise<Outcome> {
  const { large, witness } = deps;
  const note = (torn: string | undefined) => {
    if (torn !== undefined) witness.torn.push(`${torn}, from ${node.address} at the end`);
  };
  if (!large.keys.has(key)) {
    const { outcome, torn } = await get(node.address, key, query);
    note(torn);
    return outcome;
  }
  const found = await readLarge(node.address, key, { query, signal: AbortSignal.timeout(READ_MS) });
  if (found instanceof Response) {
    const failure = await failureOf(found);
    return found.status === 404 ? { kind: "read" } : failure;
  }
  const torn = large.tornText(key, found);
  note(torn);
  return {
    kind: "read",
    value: torn === undefined ? found.id : "broken",
    version: parseVersion(found.version),
  };
}
