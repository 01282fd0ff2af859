import { addressOf, type LiveLayouts, liveOwners, type OwnerId } from "../core/layout.ts";
import { DhtError } from "../core/errors.ts";
import { compareOptionalVersions, type Version } from "../core/hlc.ts";
import { compareHeads, type RecordHead } from "../core/record.ts";
import type { Pace } from "./background.ts";
import { comparableOwners, type Comparing } from "./comparable.ts";
import type { Exchange } from "./exchange.ts";
import { isLayoutMismatch, layoutsChanged } from "./layout_mismatch.ts";
import type { PartitionTrees } from "./partition_trees.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Storage } from "./storage.ts";
import { noteFailure, type Task } from "./tasks.ts";

/** Keys checked with all their owners per message. */
const PURGE_PAGE_KEYS = 500;
/** Times a run begins anew because the ring changed meanwhile. */
const MAX_RESTARTS = 20;
const RESTART_MS = 200;
/** How long a peer may take to hash what it holds: at the first time it reads all of its heads from the disk. */
const TREE_TIMEOUT_MS = 15_000;

/** What balancing and purging need of their node. */
export interface BalanceDeps {
  readonly keeper: RingKeeper;
  readonly peers: Peers;
  readonly storage: Storage;
  readonly exchange: Exchange;
  readonly trees: PartitionTrees;
}

/** What every run reports to, and is ended by. */
type PurgeScope = Pick<BalanceScope, "task" | "signal">;

/** Options of one run. */
export interface BalanceScope {
  readonly task: Task;
  readonly signal: AbortSignal;
  /** Only with this node; with all others where absent. */
  readonly peer?: string;
  readonly comparing: Comparing;
  /** Keeps it to a rate; what a user asks for has none. */
  readonly pace?: Pace;
  /** Awaited before what differs is looked at again and exchanged: what was on its way has arrived then. */
  readonly settle?: () => Promise<void>;
  /** Told of each peer that has to be compared with later, see `isPutOff`; it is a failure where nobody is told. */
  readonly putOff?: () => void;
}

/**
 * Whether a peer could not be compared with yet: it fetches what it missed while it was away, or is asked for much
 * by others. What runs by itself tries again later, and does not call that a failure.
 */
export function isPutOff(error: unknown): boolean {
  return error instanceof DhtError && error.code === "overloaded";
}

/**
 * Compares every partition this node holds with each of its owners, both ways:
 * what they hold newer is fetched where this node is an owner too, what this node holds newer is sent.
 */
export function balance(deps: BalanceDeps, scope: BalanceScope): Promise<void> {
  return underOneLayout(deps, scope, async (live) => {
    for (const peer of live.newest.ids) {
      if (peer === deps.keeper.selfId || (scope.peer !== undefined && addressOf(peer) !== scope.peer)) {
        continue;
      }
      try {
        await compareShared(deps, { peer, live }, scope);
        await pushStrays(deps, { peer, live }, scope);
      } catch (error) {
        if (isLayoutMismatch(error) || scope.signal.aborted) throw error;
        if (scope.putOff !== undefined && isPutOff(error)) scope.putOff();
        else noteFailure(scope.task, error);
      }
    }
  });
}

/** One peer, under one pair of live layouts. */
interface Pair {
  readonly peer: OwnerId;
  readonly live: LiveLayouts;
}

/**
 * Compares the partitions that this node and a peer both own by their hash trees, and exchanges, both ways, those
 * that differ.
 *
 * @returns The partitions that differed.
 * @throws {DhtError} If they could not be compared, or not all the peer holds newer could be fetched; what could not
 * be sent is counted in the task.
 */
export async function compareShared(
  deps: BalanceDeps,
  { peer, live }: Pair,
  { task, signal, comparing, pace, settle }: BalanceScope,
): Promise<readonly number[]> {
  const tree = await deps.trees.with(peer, live, comparing);
  const partitions = await tree.differing(async (level, nodes) => {
    const ask = { owner: deps.keeper.selfId, level, nodes: [...nodes], comparing };
    const options = { lane: "own", timeoutMs: TREE_TIMEOUT_MS, signal } as const;
    return (await deps.peers.ask(peer, live, "tree", ask, options)).hashes;
  });
  await countEqual(deps, { peer, live }, partitions, { task, comparing });
  if (partitions.length === 0) return partitions;
  await settle?.();
  const scope = { peer, live, partitions, signal, task, ...(pace === undefined ? {} : { pace }) };
  await deps.exchange.pull(scope);
  await deps.exchange.push(scope);
  return partitions;
}

/** Counts the records of the partitions that do not differ: they have been compared. */
async function countEqual(
  deps: BalanceDeps,
  { peer, live }: Pair,
  differing: readonly number[],
  { task, comparing }: Pick<BalanceScope, "task" | "comparing">,
): Promise<void> {
  const { keeper } = deps;
  const isComparable = comparableOwners(keeper.state, live, comparing);
  const skipped = new Set(differing);
  for (const [partition, { records }] of await deps.storage.digests()) {
    if (skipped.has(partition)) continue;
    if (isComparable(partition, peer) && isComparable(partition, keeper.selfId)) task.compared += records;
  }
}

/** Sends a peer what this node holds of partitions that the peer owns and this node does not. */
async function pushStrays(
  deps: BalanceDeps,
  { peer, live }: Pair,
  { task, signal, comparing, pace }: BalanceScope,
): Promise<void> {
  const { keeper, storage } = deps;
  const digests = await storage.digests();
  const isComparable = comparableOwners(keeper.state, live, comparing);
  const partitions = [...digests.keys()].filter((partition) =>
    isComparable(partition, peer) && !live.newest.owners(partition).includes(keeper.selfId)
  );
  if (partitions.length === 0) return;
  await deps.exchange.push({ peer, live, partitions, signal, task, ...(pace === undefined ? {} : { pace }) });
}

/**
 * Drops what this node holds of partitions that are not its own in any live
 * layout; and of that only what every owner of the key holds at that version or a newer one, or has seen deleted.
 */
export function purge(deps: BalanceDeps, scope: PurgeScope): Promise<void> {
  return underOneLayout(deps, scope, async (live) => {
    for (const partition of (await deps.storage.digests()).keys()) {
      const owners = liveOwners(live, partition);
      if (!owners.includes(deps.keeper.selfId)) await purgePartition(deps, live, partition, owners, scope);
    }
  });
}

async function purgePartition(
  deps: BalanceDeps,
  live: LiveLayouts,
  partition: number,
  owners: readonly OwnerId[],
  { task, signal }: PurgeScope,
): Promise<void> {
  let after: string | undefined;
  do {
    signal.throwIfAborted();
    const page = await deps.storage.scan(partition, {
      limit: PURGE_PAGE_KEYS,
      ...(after === undefined ? {} : { after }),
    });
    const items = page.entries.map(({ key }) => ({ partition, key }));
    try {
      const held = await Promise.all(owners.map((owner) => knownAt(deps, live, owner, items)));
      for (const [i, { key, head }] of page.entries.entries()) {
        // Once this node may be an owner, and says that it holds its share, nothing may be dropped any more.
        if (deps.keeper.live !== live) throw layoutsChanged();
        if (!isNeedless(head, held.map((known) => known[i]!))) {
          noteFailure(
            task,
            `Kept key "${key}": not all of its owners hold it yet; run balance, then purge again`,
          );
        } else if (await deps.storage.drop(partition, key, head.version)) task.dropped++;
      }
      task.compared += page.entries.length;
    } catch (error) {
      if (isLayoutMismatch(error)) throw error;
      noteFailure(task, error);
    }
    after = page.next;
  } while (after !== undefined);
}

/** What an owner knows of a key. */
interface AtOwner {
  readonly head: RecordHead | undefined;
  readonly floor: Version | undefined;
}

/**
 * What an owner knows of keys of one partition. One whose bytes are damaged there is neither held nor deleted.
 *
 * @throws {DhtError} "corrupt_value" where even the head of a record is damaged there: it may be just what is asked about.
 */
async function knownAt(
  { peers }: BalanceDeps,
  live: LiveLayouts,
  owner: OwnerId,
  items: readonly { readonly partition: number; readonly key: string }[],
): Promise<AtOwner[]> {
  const ask = (strict: true | undefined) =>
    peers.ask(owner, live, "heads", { items: [...items], strict }, { lane: "own" });
  const accepted = await ask(true);
  // After that one: what it has found damaged is left out here.
  const { heads, floors } = await ask(undefined);
  const floor = floors[0]?.floor;
  return heads.map((head, i) => ({
    head,
    floor: head === undefined && accepted.heads[i] !== undefined ? undefined : floor,
  }));
}

/**
 * Whether no owner can need a record: all hold it or a newer one. A floor counts as newer, since what its tombstone
 * has deleted they hold no more; but not where an owner holds that very value, which the others have missed.
 */
function isNeedless(head: RecordHead, owners: readonly AtOwner[]): boolean {
  const holds = (owner: AtOwner) => owner.head !== undefined && compareHeads(owner.head, head) >= 0;
  if (owners.every(holds)) return true;
  if (
    owners.some((owner) => holds(owner) && compareHeads(owner.head!, head) === 0 && head.kind === "value")
  ) {
    return false;
  }
  return owners.every((owner) => holds(owner) || compareOptionalVersions(owner.floor, head.version) >= 0);
}

/** Runs `work` under one pair of live layouts from beginning to end, anew if they change. */
async function underOneLayout(
  deps: BalanceDeps,
  { signal }: PurgeScope,
  work: (live: LiveLayouts) => Promise<void>,
): Promise<void> {
  for (let restart = 0;; restart++) {
    try {
      return await work(deps.keeper.live);
    } catch (error) {
      if (!isLayoutMismatch(error) || restart === MAX_RESTARTS) throw error;
      await deps.peers.pause(RESTART_MS, signal);
    }
  }
}
