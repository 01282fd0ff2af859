import { eventually, pause } from "../../e2e/support/eventually.ts";
import type { TestNode } from "../../e2e/support/test_node.ts";
import { samplesOf } from "../figures.ts";
import { fill } from "../loader.ts";
import { drawKeys, readBackSentence } from "../readback.ts";
import { atMost, measure } from "../report.ts";
import { VALUE_BYTES } from "../requests.ts";
import { requireWrk, type Row, type RowContext, type RowResult } from "../row.ts";
import { OurRing } from "../sides.ts";
import { type Load, type LoadResult, runWrk, wrkCommand } from "../wrk.ts";

const KEYS_BEFORE = 20_000;
const KEY_BYTES = "nrepair-0-00000000".length;
const HEALED_MS = 900_000;
const MIB = 1024 * 1024;

/** What it takes to bring back a node that was away. */
export const REPAIR_ROW: Row = {
  name: "repair",
  work:
    "one of three nodes killed by `kill -9` while new keys are put over 64 connections for 60 s (--quick: 5), then started again",
  run: runRepair,
};

async function runRepair(context: RowContext): Promise<RowResult> {
  requireWrk(context);
  const { arena, quick, print } = context;
  const ring = await OurRing.start(arena);
  await fill(ring, KEYS_BEFORE);
  const [loaded, , away] = ring.nodes as [TestNode, TestNode, TestNode];
  const load: Load = {
    api: "mydht",
    work: "new",
    keys: 1,
    salt: "repair",
    connections: 64,
    seconds: quick ? 5 : 60,
    ports: [loaded.port],
  };
  await away.kill();
  const result = await runWrk(arena, load);
  // Hints that others are to keep are on their way for a moment.
  await pause(1_000);
  const before = await peerBytes(ring.nodes.filter((node) => node !== away));
  await arena.restartNode(away);
  const beganMs = performance.now();
  await away.ready();
  await eventually("the node holds all it missed", () => isHealed(ring.nodes), HEALED_MS);
  const seconds = (performance.now() - beganMs) / 1000;
  print(`healed after ${seconds.toFixed(1)} s`);
  // All that follows is compared meanwhile.
  await pause(2_000);
  const moved = await peerBytes(ring.nodes) - before;
  const missed = result.good * (KEY_BYTES + VALUE_BYTES);
  return {
    measures: [
      measure({ what: "start to healed", unit: "s", ours: samplesOf([seconds]) }),
      measure({
        what: "bytes to repair it",
        unit: "MiB",
        ours: samplesOf([moved / MIB]),
        theirs: samplesOf([missed / MIB], "of keys and values it missed"),
        target: (ratio) => atMost(ratio, 1.2, "1.2 x"),
      }),
    ],
    commands: [wrkCommand(load)],
    notes: [
      `${result.good} puts at ${
        Math.round(result.perSecond)
      }/s while it was away, ${result.refused} refused.`,
      "Bytes are all that the nodes sent each other from its start on, messages and answers, gossip included.",
      await readBackSentence(ring, madeKeys(result)),
    ],
  };
}

function madeKeys({ made, threads }: LoadResult): string[] {
  const surely = Math.max(0, made - 256) * threads;
  return drawKeys(
    surely,
    (i) => `nrepair-${i % threads}-${String(Math.floor(i / threads)).padStart(8, "0")}`,
  );
}

/** Whether all nodes hold equally many keys, as each of them owns every key, and no hint is kept any more. */
async function isHealed(nodes: readonly TestNode[]): Promise<boolean> {
  const all = await Promise.all(nodes.map(async (node) => ({
    keys: (await node.status()).localKeys,
    hints: Number(/^mydht_hints_kept (\d+)/m.exec((await node.request("/metrics")).text)?.[1] ?? NaN),
  })));
  return all.every(({ keys, hints }) => keys === all[0]!.keys && hints === 0);
}

/** Bytes of all messages that these nodes have sent each other since they started, and of the answers. */
async function peerBytes(nodes: readonly TestNode[]): Promise<number> {
  const all = await Promise.all(nodes.map(async (node) => (await node.request("/metrics")).text));
  return all.reduce((sum, text) => sum + Number(/^mydht_peer_bytes_total (\d+)/m.exec(text)?.[1] ?? NaN), 0);
}
