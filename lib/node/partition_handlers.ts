import { DhtError } from "../core/errors.ts";
import type { Version } from "../core/hlc.ts";
import { addressOf } from "../core/layout.ts";
import type { Answer, Ask, Handlers } from "../wire.ts";
import type { Clock } from "../ports/clock.ts";
import type { PartitionTrees } from "./partition_trees.ts";
import { COUNTING_MS, promptly } from "./promptly.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Storage } from "./storage.ts";
import type { Yielding } from "./yielding.ts";

/** What one answer has of heads at most: of so many partitions, so many of each. */
const ANSWER_RANGES = 32;
const ANSWER_HEADS = 500;
/**
 * What one answer has at most of records, and of bytes of them, roughly. More records in one piece cost both sides less,
 * but each lets all requests wait for as long as it takes.
 */
export const ANSWER_RECORDS = 200;
export const ANSWER_BYTES = 512 * 1024;

/** What answers about partitions need of a node. */
export interface PartitionHandlerDeps {
  readonly storage: Storage;
  readonly keeper: RingKeeper;
  readonly trees: PartitionTrees;
  readonly clock: Clock;
}

/** What a node answers about whole partitions: what is in them, and which deletions it may forget. */
export function partitionHandlers(deps: PartitionHandlerDeps, yielding: Yielding) {
  const { storage } = deps;
  return {
    scan: ({ ranges }) => yielding.run(() => scanHeads(storage, ranges)),
    scanRecords: async ({ ranges }) => {
      const bounds = { limit: ANSWER_RECORDS, bytes: ANSWER_BYTES };
      const pages = await yielding.run(() => storage.scanRecords(ranges, bounds));
      return { pages: pages.map(({ entries, next, damaged }) => ({ entries, next, damaged })) };
    },
    digests: async ({ partitions }) => ({
      digests: await digestsOf(storage, partitions),
      floors: floorsOf(storage, partitions),
    }),
    tree: (ask) => treeHashes(deps, ask),
    counts: ({ down }) => countPrimary(deps, new Set(down)),
    raiseFloor: async ({ partition, floor }) => {
      await storage.tombstones.raiseFloor(partition, floor);
      return {};
    },
    confirmTombstones: async ({ partition, tombstones }) => ({
      confirmed: await storage.tombstones.confirm(partition, tombstones),
    }),
    collectTombstones: async ({ partition, tombstones }) => ({
      removed: await storage.tombstones.collect(partition, tombstones),
    }),
  } satisfies Partial<Handlers>;
}

async function scanHeads(storage: Storage, ranges: Ask<"scan">["ranges"]): Promise<Answer<"scan">> {
  const scans = ranges.slice(0, ANSWER_RANGES).map(({ partition, after }) =>
    storage.scan(partition, { limit: ANSWER_HEADS, ...(after === undefined ? {} : { after }) })
  );
  const pages = await Promise.all(scans);
  return { pages: pages.map(({ entries, next, damaged }) => ({ entries, next, damaged })) };
}

/** The floors of partitions, of all where none are named. */
export function floorsOf(
  storage: Storage,
  partitions: Iterable<number> | undefined,
): Answer<"digests">["floors"] {
  const found: { partition: number; floor: Version }[] = [];
  for (const partition of partitions ?? storage.tombstones.flooredPartitions()) {
    const floor = storage.tombstones.floor(partition);
    if (floor !== undefined) found.push({ partition, floor });
  }
  return found;
}

async function digestsOf(
  storage: Storage,
  partitions: readonly number[] | undefined,
): Promise<Answer<"digests">["digests"]> {
  const digests = await storage.digests(partitions);
  return Array.from(digests, ([partition, digest]) => ({ partition, ...digest }));
}

async function treeHashes(deps: PartitionHandlerDeps, ask: Ask<"tree">): Promise<Answer<"tree">> {
  if (ask.comparing === "by itself" && deps.trees.isBehind) {
    const node = deps.keeper.self.address;
    throw new DhtError("overloaded", `Cannot compare with ${node} yet: it fetches what it missed`, { node });
  }
  const tree = await deps.trees.with(ask.owner, deps.keeper.live, ask.comparing);
  try {
    return { hashes: tree.hashes(ask.level, ask.nodes) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new DhtError("bad_message", error.message);
  }
}

/** Each partition is counted by the first of its owners that is up, so that a ring's keys are counted once. */
async function countPrimary(
  deps: PartitionHandlerDeps,
  down: ReadonlySet<string>,
): Promise<Answer<"counts">> {
  const { live, state, selfId } = deps.keeper;
  const digests = await promptly(deps.clock, COUNTING_MS, deps.storage.digests());
  const counts = { partitions: 0, values: 0, valueBytes: 0 };
  // Nothing is counted yet, and the asker sees that partitions are missing from the sum.
  if (digests === undefined) return counts;
  for (let partition = 0; partition < state.partitions; partition++) {
    // The base's owners have all the data; the newest's may still be pulling it.
    const first = live.base.owners(partition).find((owner) => !down.has(addressOf(owner)));
    if (first !== selfId) continue;
    const digest = digests.get(partition);
    counts.partitions++;
    counts.values += digest?.values ?? 0;
    counts.valueBytes += digest?.valueBytes ?? 0;
  }
  return counts;
}
