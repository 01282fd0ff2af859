import { formatVersion } from "../../lib/core/hlc.ts";
import { partitionOf } from "../../lib/core/partition.ts";
import type { StoredRecord } from "../../lib/core/record.ts";
import { chunkCount } from "../../lib/core/record.ts";
import { concatChunks } from "../../lib/node/byte_reader.ts";
import type { TaskView } from "../../lib/node/service.ts";
import type { Storage } from "../../lib/node/storage.ts";
import type { Host } from "./host.ts";
import { FAIR } from "./network.ts";
import { readPayload } from "./payload.ts";
import { checkBalanced } from "./placement_check.ts";
import { nodeAt, runningAt, sentence, type Simulation } from "./simulation.ts";
import type { Workload } from "./workload.ts";

/** Virtual time in which a ring must have settled once all faults have ended. */
const SETTLE_MS = 120_000;
/**
 * Virtual time after which no request that nobody waits for any more can still change anything: a large value whose
 * owners fall silent is given up step by step, and written to those that are left.
 */
const QUIET_MS = 50_000;
/** Further ahead of the right time than any clock before, and any value's end by it. */
const LATER_MS = 3 * 3_600_000;
/** Virtual time one task may take. */
const TASK_MS = 60_000;
/** Virtual time that a round of collecting tombstones may take. */
const ROUND_MS = 2_000;
/** Runs of balance before every owner must hold the same: one that began before the last fault ended may fail. */
const BALANCES = 3;

/** Ends all faults, starts what is down, and waits until the ring has settled. */
export async function heal(sim: Simulation): Promise<void> {
  Object.assign(sim.network.weather, FAIR);
  sim.network.healAll();
  sim.hosts.forEach((host) => host.resume());
  for (const host of sim.hosts) {
    if (host.gone || host.running?.keeper.inRing === true) continue;
    // One that still joins may do so through a node that has left meanwhile.
    host.crash();
    host.boot(sim.ready.map(({ address }) => address));
  }
  const settled = () => sim.isSettled(sim.hosts.filter((host) => !host.gone).length);
  await sim.until("the ring has settled after all faults ended", settled, SETTLE_MS);
  // Who was taken for dead is spoken to again once the next round of gossip has met it.
  const reachable = () =>
    sim.ready.every((host) => nodeAt(host).ring().nodes.every((node) => node.reachable));
  await sim.until("all nodes reach one another after all faults ended", reachable, SETTLE_MS);
}

/**
 * Compares, after healing and a balance, what every owner of every key holds, byte for byte; purges, and
 * compares again. The clients must have ended; each key is read once more by one of them.
 *
 * @returns A sentence for each violation.
 */
export async function checkConvergence(sim: Simulation, workload: Workload): Promise<string[]> {
  const violations: string[] = [];
  try {
    await heal(sim);
    setAllClocks(sim);
    await sim.sleep(QUIET_MS);
    await runTask(sim, sim.ready[0]!, "balance", BALANCES);
    violations.push(...checkBalanced(runningAt(sim.ready[0]!).keeper.live.newest));
    await checkTombstones(sim, violations);
    const before = await compareOwners(sim, workload.keys, violations);
    checkExpired(workload, before, violations);
    await readAll(workload, before, violations);
    await checkListing(sim, before, violations);
    for (const host of sim.ready) await runTask(sim, host, "purge", 1);
    const after = await compareOwners(sim, workload.keys, violations);
    for (const key of workload.keys) {
      if (before.get(key)?.text !== after.get(key)?.text) {
        violations.push(`purge changed what owners hold of key ${key}`);
      }
    }
    await checkNoStrays(sim, violations);
  } catch (error) {
    violations.push(sentence(error));
  }
  return violations;
}

/** All clocks show the same from now on: a time by which every value that was to expire has done so. */
function setAllClocks(sim: Simulation): void {
  for (const { wall } of sim.hosts) Object.assign(wall, { offsetMs: LATER_MS, drift: 0 });
  sim.trace.note("all clocks are set");
}

/** No copy of a value outlives its time. */
function checkExpired(
  workload: Workload,
  held: ReadonlyMap<string, HeldByAll>,
  violations: string[],
): void {
  const expiring = workload.history.operations.filter(({ expires }) => expires === true);
  const values = new Set(expiring.map(({ value }) => value));
  for (const [key, { value }] of held) {
    if (value !== undefined && values.has(value)) {
      violations.push(`key ${key} still has ${value}, which was to expire`);
    }
  }
}

/** Balances or purges, and waits for it; again if something failed, up to `tries` times. */
export async function runTask(
  sim: Simulation,
  host: Host,
  kind: "balance" | "purge",
  tries = 1,
): Promise<TaskView> {
  for (let attempt = 1;; attempt++) {
    const { id } = await host.request((node) => kind === "balance" ? node.balance() : node.purge());
    const deadlineMs = sim.nowMs + TASK_MS;
    let task = await host.request((node) => node.task(id));
    while (!task.done) {
      if (sim.nowMs > deadlineMs) {
        throw new Error(`${kind} at ${host.address} takes more than ${TASK_MS} virtual ms`);
      }
      await sim.sleep(50);
      task = await host.request((node) => node.task(id));
    }
    if (task.failed === 0) return task;
    if (attempt === tries) throw new Error(`${kind} at ${host.address} failed: ${task.error}`);
  }
}

/** Two rounds after all owners hold the same they have forgotten what was deleted. */
async function checkTombstones(sim: Simulation, violations: string[]): Promise<void> {
  const deadlineMs = sim.nowMs + 2 * sim.tombstoneMs + ROUND_MS;
  let left = await tombstones(sim);
  while (left.length > 0 && sim.nowMs < deadlineMs) {
    await sim.sleep(100);
    left = await tombstones(sim);
  }
  violations.push(...left);
}

/** A sentence for each partition of which an owner has tombstones. */
export async function tombstones(sim: Simulation): Promise<string[]> {
  const found: string[] = [];
  for (const host of sim.ready) {
    const { storage, keeper } = runningAt(host);
    for (const [partition, { records, values }] of await storage.digests()) {
      if (records === values || !keeper.live.newest.owners(partition).includes(keeper.selfId)) continue;
      found.push(`${host.address} still holds ${records - values} tombstones of partition ${partition}`);
    }
  }
  return found;
}

/** What all owners of a key hold. */
interface HeldByAll {
  /** Version, kind and bytes, as one text; undefined where they hold nothing. */
  readonly text: string | undefined;
  readonly version: string | undefined;
  /** Id of the value. */
  readonly value: string | undefined;
}

async function compareOwners(
  sim: Simulation,
  keys: readonly string[],
  violations: string[],
): Promise<Map<string, HeldByAll>> {
  const all = new Map<string, HeldByAll>();
  const { keeper } = runningAt(sim.ready[0]!);
  for (const key of keys) {
    const partition = partitionOf(key, keeper.state.partitions);
    const owners = sim.ready.filter((host) =>
      keeper.live.newest.owners(partition).includes(runningAt(host).keeper.selfId)
    );
    const held = await Promise.all(owners.map((host) => heldBy(runningAt(host).storage, partition, key)));
    held.forEach((copy, i) => {
      if (copy.text === held[0]!.text) return;
      const [first, other] = [owners[0]!.address, owners[i]!.address];
      violations.push(
        `owners of key ${key} differ: ${first} holds ${held[0]!.version}, ${other} ${copy.version}`,
      );
    });
    if (held.length === 0) violations.push(`key ${key} has no owner that runs`);
    else all.set(key, held[0]!);
  }
  return all;
}

async function heldBy(storage: Storage, partition: number, key: string): Promise<HeldByAll> {
  const record = await storage.read(partition, key);
  if (record === undefined) return { text: undefined, version: undefined, value: undefined };
  const version = formatVersion(record.version);
  if (record.kind === "tombstone") return { text: `${version} deleted`, version, value: undefined };
  const bytes = await bytesOf(storage, record);
  const value = readPayload(bytes) ?? "broken";
  return { text: `${version} ${record.valueBytes} ${value}`, version, value };
}

async function bytesOf(
  storage: Storage,
  record: Extract<StoredRecord, { kind: "value" }>,
): Promise<Uint8Array> {
  if (record.body.kind === "inline") return record.body.bytes;
  const chunks: Uint8Array[] = [];
  for (let i = 0; i < chunkCount(record.valueBytes); i++) {
    chunks.push(...await storage.blobs.readChunks(record.body.id, i, 1));
  }
  return concatChunks(chunks);
}

/** Reads every key once more as a client does: its history then includes what the ring has come to. */
async function readAll(
  workload: Workload,
  held: ReadonlyMap<string, HeldByAll>,
  violations: string[],
): Promise<void> {
  for (const key of workload.keys) {
    const read = await workload.get("auditor", key);
    const seen = read?.outcome.kind === "read" ? read.outcome.value : "nothing";
    if (seen !== held.get(key)?.value) {
      violations.push(`key ${key} was read as ${seen}, where its owners hold ${held.get(key)?.value}`);
    }
  }
}

/** A listing shows exactly the keys that have a value. */
async function checkListing(
  sim: Simulation,
  held: ReadonlyMap<string, HeldByAll>,
  violations: string[],
): Promise<void> {
  const page = await nodeAt(sim.ready.at(-1)!).list({ prefix: "", limit: 1_000 });
  const listed = page.keys.map(({ key, version }) => `${key} ${formatVersion(version)}`).sort();
  const expected = [...held].flatMap(([key, { value, version }]) =>
    value === undefined ? [] : `${key} ${version}`
  );
  if (listed.join() !== expected.sort().join()) {
    violations.push(`the listing shows ${listed.join(", ")} instead of ${expected.join(", ")}`);
  }
}

/** After a purge a node holds nothing that is not its own. */
async function checkNoStrays(sim: Simulation, violations: string[]): Promise<void> {
  for (const host of sim.ready) {
    const { storage, keeper } = runningAt(host);
    for (const partition of (await storage.digests()).keys()) {
      if (!keeper.live.newest.owners(partition).includes(keeper.selfId)) {
        violations.push(`${host.address} still holds records of partition ${partition} after a purge`);
      }
    }
  }
}
