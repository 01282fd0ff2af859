import { compareOptionalVersions, type Version } from "../core/hlc.ts";
import { type LiveLayouts, type OwnerId, ownsInBase } from "../core/layout.ts";
import { readQuorum } from "../core/quorum.ts";
import { compareHeads, type RecordHead } from "../core/record.ts";
import type { Pace } from "./background.ts";
import type { Exchange } from "./exchange.ts";
import { isLayoutMismatch, layoutsChanged } from "./layout_mismatch.ts";
import { LOOK } from "./partition_compare.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Storage } from "./storage.ts";
import type { Task } from "./tasks.ts";

/** Keys looked at per message. */
const PAGE_KEYS = 500;
/** What asking an owner about one key costs, beside the key; roughly. */
const KEY_BYTES = 100;

/** What setting leftovers aside needs of its node. */
export interface LeftoverDeps {
  readonly keeper: RingKeeper;
  readonly storage: Storage;
  readonly peers: Peers;
  readonly exchange: Exchange;
}

/** One change of layout. */
export interface LeftoverScope {
  readonly live: LiveLayouts;
  /** Owners of the base that may be asked, those that answer first. */
  readonly sources: readonly OwnerId[];
  /** Counts what was dropped and fetched. */
  readonly task: Task;
  readonly signal: AbortSignal;
  readonly pace: Pace;
}

interface Suspect {
  readonly key: string;
  readonly head: RecordHead;
}

/**
 * Drops what a node held of partitions it is about to own from a time when it owned them before, where that was
 * deleted meanwhile and the deletion collected.
 *
 * To be called once all has been pulled, and the owners' floors with it: such a record is not above the floor, and
 * no owner of the base holds it or anything newer. A write that is just coming in may look the same: so as many of
 * those owners as a read asks are first made to refuse what is not above the floor. One that gets its
 * acknowledgements had reached one of them before, and is seen there.
 *
 * @throws {Error} Where too few of those owners answer.
 */
export async function setAsideLeftovers(deps: LeftoverDeps, scope: LeftoverScope): Promise<void> {
  const { keeper, storage } = deps;
  const gained: number[] = [];
  for (const partition of (await storage.digests()).keys()) {
    const isGained = scope.live.newest.owners(partition).includes(keeper.selfId) &&
      !ownsInBase(scope.live, partition, keeper.selfId);
    if (isGained && storage.tombstones.floor(partition) !== undefined) gained.push(partition);
  }
  for (const partition of await unequal(deps, scope, gained)) await clear(deps, scope, partition);
}

/** Partitions of which no owner of the base holds just the same: one that does has no leftovers, so there are none. */
async function unequal(
  { storage, peers }: LeftoverDeps,
  { live, sources }: LeftoverScope,
  gained: readonly number[],
): Promise<Set<number>> {
  const left = new Set(gained);
  const ours = await storage.digests();
  for (const source of sources) {
    const partitions = [...left].filter((partition) => ownsInBase(live, partition, source));
    if (partitions.length === 0) continue;
    try {
      const { digests } = await peers.ask(source, live, "digests", { partitions }, LOOK);
      for (const { partition, hash } of digests) {
        if (ours.get(partition)?.hash === hash) left.delete(partition);
      }
    } catch (error) {
      if (isLayoutMismatch(error)) throw error;
    }
  }
  return left;
}

async function clear(deps: LeftoverDeps, scope: LeftoverScope, partition: number): Promise<void> {
  const floor = deps.storage.tombstones.floor(partition)!;
  let after: string | undefined;
  do {
    scope.signal.throwIfAborted();
    const page = await deps.storage.scan(partition, {
      limit: PAGE_KEYS,
      ...(after === undefined ? {} : { after }),
    });
    const suspects = page.entries.filter(({ head }) =>
      head.kind === "value" && compareOptionalVersions(head.version, floor) <= 0
    );
    if (suspects.length > 0) await judgeAll(deps, scope, { partition, floor, suspects });
    after = page.next;
  } while (after !== undefined);
}

async function judgeAll(
  deps: LeftoverDeps,
  scope: LeftoverScope,
  { partition, floor, suspects }: {
    readonly partition: number;
    readonly floor: Version;
    readonly suspects: readonly Suspect[];
  },
): Promise<void> {
  const { keeper } = deps;
  const { live, task, signal } = scope;
  const witnesses = await askWitnesses(deps, scope, partition, floor, suspects.map(({ key }) => key));
  for (const [i, { key, head }] of suspects.entries()) {
    const held = witnesses.map(({ source, heads }) => ({ source, head: heads[i] }));
    // Under later layouts the witnesses may be too few to keep a write of just this from being acknowledged.
    if (keeper.live !== live) throw layoutsChanged();
    // One that holds less, as the deletion of an earlier value, which it had kept itself, knows no more of it.
    const isKnown = held.some((at) => at.head !== undefined && compareHeads(at.head, head) >= 0);
    if (!isKnown && await deps.storage.drop(partition, key, head.version)) task.dropped++;
    for (const at of held) {
      if (at.head === undefined || (isKnown && compareHeads(at.head, head) <= 0)) continue;
      await deps.exchange.fetch({ peer: at.source, live, task, signal }, { partition, key });
    }
  }
}

interface Witness {
  readonly source: OwnerId;
  readonly heads: readonly (RecordHead | undefined)[];
}

/** What as many owners of the base as a read asks hold of some keys, once nothing up to the floor can come to them any more. */
async function askWitnesses(
  { peers }: LeftoverDeps,
  { live, sources, pace }: LeftoverScope,
  partition: number,
  floor: Version,
  keys: readonly string[],
): Promise<Witness[]> {
  const required = readQuorum(live.base.n);
  const items = keys.map((key) => ({ partition, key }));
  const witnesses: Witness[] = [];
  let failure: unknown;
  for (const source of sources.filter((owner) => ownsInBase(live, partition, owner))) {
    if (witnesses.length === required) break;
    await pace(keys.reduce((sum, key) => sum + KEY_BYTES + key.length, 0));
    try {
      await peers.ask(source, live, "raiseFloor", { partition, floor }, LOOK);
      // Strictly: a damaged record may be the one that was deleted, or the value that was not.
      const { heads } = await peers.ask(source, live, "heads", { items, strict: true }, LOOK);
      witnesses.push({ source, heads });
    } catch (error) {
      if (isLayoutMismatch(error)) throw error;
      failure = error;
    }
  }
  if (witnesses.length === required) return witnesses;
  throw failure ?? new Error("Too few previous owners can be reached");
}
