import type { PlanAnswer } from "../../../lib/api.ts";
import { DEFAULT_RATES } from "../../../lib/core/rates.ts";
import { pause } from "../../e2e/support/eventually.ts";
import { freePort } from "../../e2e/support/free_port.ts";
import type { TestNode } from "../../e2e/support/test_node.ts";
import { samplesOf } from "../figures.ts";
import { fill } from "../loader.ts";
import { drawKeys, readBackSentence } from "../readback.ts";
import { atLeast, atMost, measure } from "../report.ts";
import { keyName } from "../requests.ts";
import { loadSeconds, manyKeys, requireWrk, type Row, type RowContext, type RowResult } from "../row.ts";
import { OurRing } from "../sides.ts";
import { type Load, type LoadResult, runWrk, wrkCommand } from "../wrk.ts";

const MIB = 1024 * 1024;
const FILES_AT_ONCE = 2;
/** How long the change may take; the load goes on for as long. */
const JOINED_MS = 1_800_000;
const QUICK_JOINED_MS = 40_000;
const LOOK_MS = 250;
/** Tasks that bring records to another node; each byte is counted by the one that asked for it, or gave it. */
const MOVING: readonly string[] = ["transfer", "hints", "anti-entropy"];

/** What a join costs those who use the ring meanwhile. */
export const REBALANCE_ROW: Row = {
  name: "rebalance",
  work:
    "a fourth node joins 1,000,000 keys and 2 GiB in files of 64 MiB (--quick: 100,000 and 128 MiB) under the mixed load of 64 " +
    "connections",
  run: runRebalance,
};

async function runRebalance(context: RowContext): Promise<RowResult> {
  requireWrk(context);
  const { arena, quick, rounds, print } = context;
  const ring = await OurRing.start(arena);
  const keys = manyKeys(context);
  const { perSecond } = await fill(ring, keys);
  print(`${keys} keys loaded at ${Math.round(perSecond)}/s`);
  await putFiles(ring, quick ? { files: 4, bytes: 32 * MIB } : { files: 32, bytes: 64 * MIB });
  const load = (round: number): Load => ({
    api: "mydht",
    work: "mixed",
    keys: 20_000,
    salt: `r${round}`,
    connections: 64,
    seconds: loadSeconds(context),
    ports: ring.ports,
  });
  const rest: LoadResult[] = [];
  for (let round = 0; round < Math.max(2, rounds); round++) rest.push(await runWrk(arena, load(round)));
  const { ideal, moved, seconds, during, isSynced } = await join(
    context,
    ring,
    () => runWrk(arena, load(99)),
  );
  const rates = (results: readonly LoadResult[]) => results.map((one) => one.perSecond);
  const tails = (results: readonly LoadResult[]) => results.map(({ p99Ms }) => p99Ms);
  return {
    measures: [
      measure({
        what: "bytes moved",
        unit: "MiB",
        ours: samplesOf([moved / MIB]),
        theirs: samplesOf([ideal / MIB], "ideal"),
        target: (ratio) => atMost(isSynced ? ratio : Infinity, 1.1, "1.1 x"),
      }),
      measure({
        what: "mixed operations while it joins",
        unit: "/s",
        ours: samplesOf(rates(during)),
        theirs: samplesOf(rates(rest), "at rest"),
        target: (ratio) => atLeast(ratio, 0.6, "0.6 x"),
      }),
      measure({
        what: "their p99",
        unit: "ms",
        ours: samplesOf(tails(during)),
        theirs: samplesOf(tails(rest), "at rest"),
        target: (ratio) => atMost(ratio, 3, "3 x"),
      }),
      measure({ what: "start of the fourth to all synced", unit: "s", ours: samplesOf([seconds]) }),
    ],
    commands: [wrkCommand(load(0))],
    notes: [
      ...isSynced
        ? []
        : [`NOT done: the change was still going on after ${Math.round(seconds)} s of this load.`],
      `Moved at ${(moved / 1e6 / seconds).toFixed(1)} MB/s; the throttle is ${
        DEFAULT_RATES.transfer / MIB
      } MiB/s at each node that fetches.`,
      "Ideal is what GET /plan said before; moved is what transfer, hints and anti-entropy count meanwhile.",
      await readBackSentence(ring, drawKeys(keys, keyName)),
    ],
  };
}

async function join(context: RowContext, ring: OurRing, loadOnce: () => Promise<LoadResult>) {
  const { arena, quick, print } = context;
  const port = freePort();
  const plan: PlanAnswer = JSON.parse(
    (await ring.nodes[0]!.request(`/plan?change=join&node=localhost:${port}`)).text,
  );
  const before = await movedBytes(ring.nodes);
  const beganMs = performance.now();
  const nodes = [...ring.nodes, await ring.add(arena, port)];
  const watch = new Watch(nodes, quick ? QUICK_JOINED_MS : JOINED_MS);
  const during: LoadResult[] = [];
  while (!watch.isOver || during.length === 0) {
    during.push(await loadOnce());
    print(`while it joins: ${Math.round(during.at(-1)!.perSecond)}/s`);
  }
  const isSynced = await watch.synced;
  const seconds = (watch.overMs - beganMs) / 1000;
  const moved = await movedBytes(nodes) - before;
  return { ideal: plan.total.bytes, moved, seconds, during, isSynced };
}

async function movedBytes(nodes: readonly TestNode[]): Promise<number> {
  const statuses = await Promise.all(nodes.map((node) => node.status()));
  return statuses.flatMap(({ background }) => background).filter(({ name }) => MOVING.includes(name))
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Looks at nodes until all of them see the same ring of all of them, with nothing left to fetch; or for too long. */
class Watch {
  /** Whether that is so. */
  readonly synced: Promise<boolean>;
  isOver = false;
  /** When it ended, once it has. */
  overMs = 0;

  constructor(nodes: readonly TestNode[], limitMs: number) {
    this.synced = this.#look(nodes, performance.now() + limitMs);
  }

  async #look(nodes: readonly TestNode[], deadlineMs: number): Promise<boolean> {
    let isSynced = false;
    while (!isSynced && performance.now() < deadlineMs) {
      await pause(LOOK_MS);
      const rings = await Promise.all(nodes.map((node) => node.ring().catch(() => undefined)));
      isSynced = rings.every((ring) => ring?.nodes.length === nodes.length && !ring.changing);
    }
    this.isOver = true;
    this.overMs = performance.now();
    return isSynced;
  }
}

async function putFiles(
  ring: OurRing,
  { files, bytes }: { readonly files: number; readonly bytes: number },
): Promise<void> {
  let next = 0;
  const put = async (): Promise<void> => {
    while (next < files) {
      const key = `files/${next++}`;
      const response = await fetch(`http://127.0.0.1:${ring.ports[0]}/keys/${key}`, {
        method: "PUT",
        body: noise(bytes),
      });
      if (!response.ok) {
        throw new Error(`A file was answered by ${response.status}: ${await response.text()}`);
      }
      await response.body?.cancel();
    }
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, put));
}

function noise(bytes: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(bytes);
  // More is not given at a time.
  for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(all.subarray(at, at + 65_536));
  return all;
}
