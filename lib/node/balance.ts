import { DhtError } from "../core/errors.ts";
import { addressOf, type LiveLayouts, liveOwners, type OwnerId } from "../core/layout.ts";
import { compareHeads } from "../core/record.ts";
import { type Exchange, isLayoutMismatch, type Pace } from "./exchange.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Storage } from "./storage.ts";
import { noteFailure, type Task } from "./tasks.ts";

/** Keys checked with all their owners per message. */
const PURGE_PAGE_KEYS = 500;
/** Times a run begins anew because the ring changed meanwhile. */
const MAX_RESTARTS = 20;
const RESTART_MS = 200;

/** What balancing and purging need of their node. */
export interface BalanceDeps {
  readonly keeper: RingKeeper;
  readonly peers: Peers;
  readonly storage: Storage;
  readonly exchange: Exchange;
}

/** Options of one run. */
export interface BalanceScope {
  readonly task: Task;
  readonly signal: AbortSignal;
  /** Only with this node; with all others where absent. */
  readonly peer?: string;
  /** Keeps it to a rate; what a user asks for has none. */
  readonly pace?: Pace;
}

/**
 * Compares every partition this node holds with each of its owners, both ways:
 * what they hold newer is fetched where this node is an owner too, what this node holds newer is sent.
 */
export function balance(deps: BalanceDeps, scope: BalanceScope): Promise<void> {
  return underOneLayout(deps, scope, async (live) => {
    const held = await deps.storage.digests();
    for (const peer of live.newest.ids) {
      if (peer === deps.keeper.selfId || (scope.peer !== undefined && addressOf(peer) !== scope.peer)) {
        continue;
      }
      const theirs = ownedBy(deps.keeper.state.partitions, live, peer);
      const shared = theirs.filter((partition) => live.newest.owners(partition).includes(deps.keeper.selfId));
      const strays = theirs.filter((partition) => held.has(partition) && !shared.includes(partition));
      await exchangeWith(deps, live, peer, { shared, strays }, scope);
    }
  });
}

/**
 * Drops what this node holds of partitions that are not its own in any live
 * layout; and of that only what every owner of the key holds at that version or a newer one.
 */
export function purge(deps: BalanceDeps, scope: BalanceScope): Promise<void> {
  return underOneLayout(deps, scope, async (live) => {
    for (const partition of (await deps.storage.digests()).keys()) {
      const owners = liveOwners(live, partition);
      if (!owners.includes(deps.keeper.selfId)) await purgePartition(deps, live, partition, owners, scope);
    }
  });
}

async function exchangeWith(
  deps: BalanceDeps,
  live: LiveLayouts,
  peer: OwnerId,
  partitions: { readonly shared: readonly number[]; readonly strays: readonly number[] },
  { task, signal, pace }: BalanceScope,
): Promise<void> {
  const rate = pace === undefined ? {} : { pace };
  const both = [...partitions.shared, ...partitions.strays];
  if (both.length === 0) return;
  try {
    if (partitions.shared.length > 0) {
      await deps.exchange.pull({ peer, live, partitions: partitions.shared, signal, task, ...rate });
    }
    await deps.exchange.push({ peer, live, partitions: both, signal, task, ...rate });
  } catch (error) {
    if (isLayoutMismatch(error) || signal.aborted) throw error;
    noteFailure(task, error);
  }
}

async function purgePartition(
  deps: BalanceDeps,
  live: LiveLayouts,
  partition: number,
  owners: readonly OwnerId[],
  { task, signal }: BalanceScope,
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
      const held = await Promise.all(
        owners.map((owner) =>
          deps.peers.ask(owner, live, "heads", { items, strict: undefined }, { lane: "own" })
        ),
      );
      for (const [i, { key, head }] of page.entries.entries()) {
        // Once this node may be an owner, and says that it holds its share, nothing may be dropped any more.
        if (deps.keeper.live !== live) throw layoutsChanged();
        const safe = held.every(({ heads }) => heads[i] !== undefined && compareHeads(heads[i], head) >= 0);
        if (!safe) {
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

function layoutsChanged(): DhtError {
  return new DhtError("layout_mismatch", "Cannot go on: the layouts changed meanwhile");
}

/** Runs `work` under one pair of live layouts from beginning to end, anew if they change. */
async function underOneLayout(
  deps: BalanceDeps,
  scope: BalanceScope,
  work: (live: LiveLayouts) => Promise<void>,
): Promise<void> {
  for (let restart = 0;; restart++) {
    try {
      return await work(deps.keeper.live);
    } catch (error) {
      if (!isLayoutMismatch(error) || restart === MAX_RESTARTS) throw error;
      await deps.peers.pause(RESTART_MS, scope.signal);
    }
  }
}

function ownedBy(partitions: number, live: LiveLayouts, owner: OwnerId): number[] {
  const owned: number[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    if (live.newest.owners(partition).includes(owner)) owned.push(partition);
  }
  return owned;
}
