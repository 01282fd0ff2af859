import { DhtError } from "../core/errors.ts";
import { compareOptionalVersions } from "../core/hlc.ts";
import { addressOf, type LiveLayouts, type OwnerId, ownsInBase } from "../core/layout.ts";
import {
  compareHeads,
  headOf,
  isNewer,
  type RecordHead,
  type StoredRecord,
  type ValueRecord,
} from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Answer } from "../wire.ts";
import type { Pace } from "./background.ts";
import { BlobPulls, BULK, type PullSource } from "./blob_pulls.ts";
import type { Place } from "./damage.ts";
import { inParallel } from "./in_parallel.ts";
import { layoutsChanged } from "./layout_mismatch.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { PullTicket, Storage, WriteOutcome } from "./storage.ts";
import { noteFailure, type Task } from "./tasks.ts";

/** Keys compared per message. */
const PAGE_KEYS = 500;
/** Partitions worked on at the same time: in most of them little differs, and the time goes in waiting for the peer. */
const PARALLEL_PARTITIONS = 32;
/** Records of one on their way at the same time. */
const PARALLEL_RECORDS = 16;
/** How long scanning or digesting may take: at the first time it reads all heads from the disk. */
const LOOK_TIMEOUT_MS = 15_000;
/** Times a record is asked for anew because tombstones were collected meanwhile, or it was replaced. */
const PULL_ATTEMPTS = 5;
/** Large values that are fetched once all small records are here; more of them are fetched as they come. */
const MAX_DEFERRED = 10_000;
/** Bytes of a record beside its key and its value, roughly. */
const RECORD_BYTES = 100;
/** Slowest rate at which a large value is still waited for. */
const SLOWEST_BYTES_PER_MS = 1_000;

/** One side of an exchange with one peer, under one pair of live layouts. */
export interface ExchangeScope {
  readonly peer: OwnerId;
  readonly live: LiveLayouts;
  readonly partitions: readonly number[];
  readonly signal: AbortSignal;
  readonly task: Task;
  /** Awaited before that many bytes are fetched or sent: keeps a background task to its rate. */
  readonly pace?: Pace;
  /** Called once all the peer holds newer of a partition is here. */
  readonly pulled?: (partition: number) => void;
}

interface Entry {
  readonly key: string;
  readonly head: RecordHead;
}

/** Whom one key is fetched from for a task. */
type FetchScope = PullSource & Pick<ExchangeScope, "task">;

/**
 * Compares this node's partitions with another owner's and moves what is newer.
 *
 * Versions travel as they are: whoever holds the greater one wins, on both sides.
 */
export class Exchange {
  readonly #storage: Storage;
  readonly #peers: Peers;
  readonly #blobs: BlobPulls;
  readonly #keeper: RingKeeper;
  constructor(deps: { storage: Storage; peers: Peers; random: Random; clock: Clock; keeper: RingKeeper }) {
    this.#storage = deps.storage;
    this.#peers = deps.peers;
    this.#blobs = new BlobPulls(deps);
    this.#keeper = deps.keeper;
  }

  /**
   * Fetches everything the peer holds newer than this node, of partitions of which it holds its share: of those it
   * is only about to own it may have leftovers of what was deleted and forgotten.
   *
   * Small records of all partitions come first, so that they do not wait for a large value.
   *
   * @returns Once all of it is held here. @throws {DhtError} If any of it could not be, or the peer has a damaged
   * record there.
   */
  async pull(scope: ExchangeScope): Promise<void> {
    const partitions = scope.partitions.filter((partition) => ownsInBase(scope.live, partition, scope.peer));
    const differing = new Set(await this.#differing({ ...scope, partitions }));
    const large: Place[] = [];
    const unfinished = new Set<number>();
    let damage: DhtError | undefined;
    await inParallel(partitions, PARALLEL_PARTITIONS, async (partition) => {
      const end = differing.has(partition) ? await this.#pullPartition(scope, partition, large) : "done";
      // Others hold what it is: it would be missed by whoever relied on this pull.
      if (end === "damaged") damage ??= damagedThere(scope.peer, partition);
      else if (end === "deferred") unfinished.add(partition);
      else scope.pulled?.(partition);
    });
    for (const place of large) await this.fetch(scope, place);
    for (const partition of unfinished) scope.pulled?.(partition);
    if (damage !== undefined) throw damage;
  }

  /** Sends everything this node holds newer than the peer. Single failures are counted, and the rest goes on. */
  async push(scope: ExchangeScope): Promise<void> {
    const differing = await this.#differing(scope);
    await inParallel(differing, PARALLEL_PARTITIONS, (partition) => this.#pushPartition(scope, partition));
  }

  /**
   * Fetches one record from a node that holds it; a large one chunk by chunk.
   *
   * @param record What is wanted: that version or a newer one.
   * @returns Whether this node holds it afterwards. Not so where the source holds it no more; nor where this node's
   * floor covers it and the source is no owner in the base: it may have been deleted.
   */
  async pullRecord(source: PullSource, place: Place, record: ValueRecord): Promise<boolean> {
    const [held] = await this.#storage.heads([place]);
    if (!isNewer(headOf(record), held)) return true;
    const floor = this.#storage.tombstones.floor(place.partition);
    const isCovered = compareOptionalVersions(record.version, floor) <= 0;
    if (isCovered && !ownsInBase(source.live, place.partition, source.peer)) return false;
    const ticket = this.#storage.tombstones.pullTicket(place.partition);
    const { record: theirs } = await this.#peers.ask(source.peer, source.live, "read", place);
    if (theirs === undefined || compareHeads(headOf(theirs), headOf(record)) < 0) return false;
    return await this.#take(source, place, theirs, ticket);
  }

  /** Fetches what the peer holds of a key now, if anything. */
  async fetch(scope: FetchScope, place: Place): Promise<void> {
    for (let attempt = 0; attempt < PULL_ATTEMPTS; attempt++) {
      const ticket = this.#storage.tombstones.pullTicket(place.partition);
      const { record } = await this.#peers.ask(scope.peer, scope.live, "read", place);
      // Gone from there since it was seen: purged, so its owners hold it, or a deletion that was collected.
      if (record === undefined) return;
      if (await this.#take(scope, place, record, ticket)) {
        scope.task.fetched++;
        return;
      }
    }
    throw new DhtError("overloaded", `Cannot fetch key "${place.key}": it changes all the time`);
  }

  /** Stores a record that the source has answered with; whether this node holds it, or a newer one, afterwards. */
  async #take(source: PullSource, place: Place, record: StoredRecord, ticket: PullTicket): Promise<boolean> {
    if (record.kind === "value" && record.body.kind === "blob") {
      const blob = { place, record, blobId: record.body.id };
      return await this.#blobs.take(source, blob, (copy) => this.#store(source, place, copy, ticket));
    }
    await source.pace?.(inlineBytes(place, record));
    return await this.#store(source, place, record, ticket) !== "collected";
  }

  /**
   * Merges what the source has answered with. If tombstones were collected meanwhile, it may be what one of them has
   * deleted: the source is asked whether it holds that version still.
   */
  async #store(
    { peer, live, mends }: PullSource,
    place: Place,
    record: StoredRecord,
    first: PullTicket,
  ): Promise<WriteOutcome["kind"]> {
    const fromOwner = ownsInBase(live, place.partition, peer);
    let ticket = first;
    for (let attempt = 0; attempt < PULL_ATTEMPTS; attempt++) {
      // Under later layouts it may not have been an owner, or tombstones were collected without this node.
      if (this.#keeper.live !== live) throw layoutsChanged();
      const write = { ...place, record, mode: "merge", ...(mends === true ? { mends } : {}) } as const;
      const { kind } = await this.#storage.write(fromOwner ? { ...write, pulled: ticket } : write);
      if (kind !== "collected" || !fromOwner) return kind;
      ticket = this.#storage.tombstones.pullTicket(place.partition);
      const { heads } = await this.#peers.ask(peer, live, "heads", { items: [place], strict: true });
      if (heads[0] === undefined || compareHeads(heads[0], headOf(record)) !== 0) return kind;
    }
    return "collected";
  }

  /** Partitions of the scope in which the two sides do not hold the same. */
  async #differing(scope: ExchangeScope): Promise<number[]> {
    const partitions = [...scope.partitions];
    const ask = { partitions };
    const { digests, floors } = await this.#peers.ask(scope.peer, scope.live, "digests", ask, LOOK);
    await this.#adoptFloors(scope.live, floors);
    const theirs = new Map(digests.map((digest) => [digest.partition, digest]));
    const ours = await this.#storage.digests();
    const areEqual = (partition: number): boolean => {
      const [own, other] = [ours.get(partition), theirs.get(partition)];
      return own?.hash === other?.hash && (other?.damaged ?? 0) === 0;
    };
    for (const partition of partitions) {
      if (areEqual(partition)) scope.task.compared += ours.get(partition)?.records ?? 0;
    }
    return partitions.filter((partition) => !areEqual(partition));
  }

  /**
   * @param large Takes large values that are still to be fetched, unless there are too many.
   * @returns "damaged" where the peer has a damaged record there, "deferred" where a large value is left.
   */
  async #pullPartition(
    scope: ExchangeScope,
    partition: number,
    large: Place[],
  ): Promise<"done" | "deferred" | "damaged"> {
    let damaged = false;
    let deferred = false;
    let after: string | undefined;
    do {
      scope.signal.throwIfAborted();
      const ask = { partition, after, limit: PAGE_KEYS };
      const page = await this.#peers.ask(scope.peer, scope.live, "scan", ask, LOOK);
      const ours = await this.#storage.heads(page.entries.map(({ key }) => ({ partition, key })));
      const newer = page.entries.filter((entry, i) => isNewer(entry.head, ours[i]));
      scope.task.compared += page.entries.length;
      await inParallel(newer, PARALLEL_RECORDS, async ({ key, head }) => {
        if (head.chunked && large.length < MAX_DEFERRED) {
          deferred = true;
          large.push({ partition, key });
        } else await this.fetch(scope, { partition, key });
      });
      damaged ||= page.damaged;
      after = page.next;
    } while (after !== undefined);
    return damaged ? "damaged" : deferred ? "deferred" : "done";
  }

  async #pushPartition(scope: ExchangeScope, partition: number): Promise<void> {
    let after: string | undefined;
    do {
      scope.signal.throwIfAborted();
      const page = await this.#storage.scan(partition, {
        limit: PAGE_KEYS,
        ...(after === undefined ? {} : { after }),
      });
      const items = page.entries.map(({ key }) => ({ partition, key }));
      const ask = { items, strict: undefined };
      const { heads, floors } = await this.#peers.ask(scope.peer, scope.live, "heads", ask, LOOK);
      // What others than owners hold up to the floor is not taken anyway.
      const bar = ownsInBase(scope.live, partition, this.#keeper.selfId) ? undefined : floors[0]?.floor;
      const newer = page.entries.filter(({ head }, i) =>
        isNewer(head, heads[i]) && compareOptionalVersions(head.version, bar) > 0
      );
      scope.task.compared += page.entries.length;
      await inParallel(newer, PARALLEL_RECORDS, (entry) => this.#send(scope, partition, entry));
      after = page.next;
    } while (after !== undefined);
  }

  async #send(scope: ExchangeScope, partition: number, entry: Entry): Promise<void> {
    try {
      const record = await this.#storage.read(partition, entry.key);
      if (record === undefined) return;
      if (await this.give(scope, { partition, key: entry.key }, record)) scope.task.sent++;
    } catch (error) {
      scope.signal.throwIfAborted();
      noteFailure(scope.task, error);
    }
  }

  /**
   * Brings one record to an owner: small ones are sent, large ones it fetches from `source`; as it does with those
   * that its floor covers, where the source is an owner that must know whether they were deleted.
   *
   * @param to.source Who holds the record; this node unless told otherwise.
   * @returns Whether the owner holds it, or a newer one, now. Not so where it may have been deleted.
   */
  async give(
    to: Pick<ExchangeScope, "peer" | "live" | "pace"> & { readonly source?: OwnerId },
    place: Place,
    record: StoredRecord,
  ): Promise<boolean> {
    const source = to.source ?? this.#keeper.selfId;
    if (record.kind === "value" && record.body.kind === "blob") {
      await to.pace?.(record.valueBytes);
      return await this.#haveFetched(to, source, place, record);
    }
    await to.pace?.(inlineBytes(place, record));
    const { kind } = await this.#peers.ask(to.peer, to.live, "write", { ...place, record, mode: "merge" });
    if (kind !== "collected") return true;
    if (record.kind !== "value" || !ownsInBase(to.live, place.partition, source)) return false;
    return await this.#haveFetched(to, source, place, record);
  }

  async #haveFetched(
    to: Pick<ExchangeScope, "peer" | "live">,
    source: OwnerId,
    place: Place,
    record: ValueRecord,
  ): Promise<boolean> {
    const timeoutMs = BULK.timeoutMs + record.valueBytes / SLOWEST_BYTES_PER_MS;
    const ask = { ...place, record, source };
    const { held } = await this.#peers.ask(to.peer, to.live, "pullRecord", ask, { lane: "own", timeoutMs });
    return held;
  }

  /** A node that is about to own a partition must refuse what its owners would. */
  async #adoptFloors(live: LiveLayouts, floors: Answer<"digests">["floors"]): Promise<void> {
    const higher = floors.filter(({ partition, floor }) =>
      !ownsInBase(live, partition, this.#keeper.selfId) &&
      compareOptionalVersions(floor, this.#storage.tombstones.floor(partition)) > 0
    );
    await Promise.all(
      higher.map(({ partition, floor }) => this.#storage.tombstones.raiseFloor(partition, floor)),
    );
  }
}

/** What sending a record costs, roughly, where its bytes are in it. */
function inlineBytes(place: { readonly key: string }, record: StoredRecord): number {
  return RECORD_BYTES + place.key.length + (record.kind === "value" ? record.valueBytes : 0);
}

const LOOK = { lane: "own", timeoutMs: LOOK_TIMEOUT_MS } as const;
function damagedThere(peer: OwnerId, partition: number): DhtError {
  const node = addressOf(peer);
  return new DhtError(
    "corrupt_value",
    `Cannot pull partition ${partition} from ${node}: a record there is damaged`,
    {
      node,
    },
  );
}
