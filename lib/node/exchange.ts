import { DhtError } from "../core/errors.ts";
import { compareOptionalVersions } from "../core/hlc.ts";
import type { LiveLayouts, OwnerId } from "../core/layout.ts";
import {
  CHUNK_BYTES,
  chunkCount,
  compareHeads,
  headOf,
  type RecordHead,
  type StoredRecord,
  type ValueRecord,
} from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Peers } from "./peers.ts";
import type { Storage } from "./storage.ts";
import { noteFailure, type Task } from "./tasks.ts";

/** Keys compared per message. */
const PAGE_KEYS = 500;
/** Records on their way at the same time. */
const PARALLEL_RECORDS = 32;
/** Chunks of a large value per message. */
export const CHUNKS_PER_MESSAGE = 12;
/** How long scanning, digesting or moving one message of chunks may take. */
const BULK_TIMEOUT_MS = 30_000;
/** Silence after which a large value that is on its way is asked for once more. */
const PULL_SILENT_MS = 2_000;
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

/** Waits until that many bytes may be used. */
export type Pace = (bytes: number) => Promise<void>;

interface Entry {
  readonly key: string;
  readonly head: RecordHead;
}

/** A large value on its way to this node. */
interface Pull {
  readonly held: Promise<boolean>;
  /** When the last of its chunks arrived, by the monotonic clock; Infinity while its rate has it wait. */
  heardMs: number;
}

interface PullSource {
  readonly peer: OwnerId;
  readonly signal?: AbortSignal;
  readonly pace?: Pace;
  /** Says that it goes on, or that it waits for its rate. */
  noteProgress(waits: boolean): void;
}

/**
 * Compares this node's partitions with another owner's and moves what is newer.
 *
 * Versions travel as they are: whoever holds the greater one wins, on both sides.
 */
export class Exchange {
  readonly #storage: Storage;
  readonly #peers: Peers;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #self: OwnerId;
  /** Large values on their way to this node, by key and version: however many ask for one, it is fetched once. */
  readonly #pulls = new Map<string, Pull>();

  constructor(deps: { storage: Storage; peers: Peers; random: Random; clock: Clock; self: OwnerId }) {
    this.#storage = deps.storage;
    this.#peers = deps.peers;
    this.#random = deps.random;
    this.#clock = deps.clock;
    this.#self = deps.self;
  }

  /**
   * Fetches everything the peer holds newer than this node.
   *
   * @returns Once all of it is held here. @throws {DhtError} If any of it could not be.
   */
  async pull(scope: ExchangeScope): Promise<void> {
    const differing = new Set(await this.#differing(scope));
    for (const partition of scope.partitions) {
      if (differing.has(partition)) await this.#pullPartition(scope, partition);
      scope.pulled?.(partition);
    }
  }

  /** Sends everything this node holds newer than the peer. Single failures are counted, and the rest goes on. */
  async push(scope: ExchangeScope): Promise<void> {
    for (const partition of await this.#differing(scope)) await this.#pushPartition(scope, partition);
  }

  /**
   * Fetches one chunked record from the owner that holds it, chunk by chunk.
   *
   * @returns Whether this node holds that version, or a newer one, afterwards.
   */
  async pullBlob(
    source: Pick<PullSource, "peer" | "signal" | "pace">,
    place: { readonly partition: number; readonly key: string },
    record: ValueRecord,
  ): Promise<boolean> {
    if (record.body.kind !== "blob") {
      throw new TypeError("pullBlob() takes records whose bytes are in chunks");
    }
    const name = JSON.stringify([place.key, record.version]);
    const nowMs = this.#clock.monotonicMs();
    const known = this.#pulls.get(name);
    // One that has fallen silent may wait for a node that is gone: nobody else is to wait for it.
    if (known !== undefined && nowMs - known.heardMs < PULL_SILENT_MS) return await known.held;
    const noteProgress = (waits: boolean): void =>
      void (pull.heardMs = waits ? Infinity : this.#clock.monotonicMs());
    const held = this.#pullOnce({ ...source, noteProgress }, place, record, record.body.id);
    const pull = { held, heardMs: nowMs };
    this.#pulls.set(name, pull);
    return await held.finally(() => {
      if (this.#pulls.get(name) === pull) this.#pulls.delete(name);
    });
  }

  async #pullOnce(
    source: PullSource,
    place: { readonly partition: number; readonly key: string },
    record: ValueRecord,
    blobId: string,
  ): Promise<boolean> {
    const [held] = await this.#storage.heads([place]);
    if (!isNewer(headOf(record), held)) return true;
    // An id of its own: this copy shares its chunks with no other upload to this node.
    const id = this.#random.hex(16);
    await this.#storage.openUpload(id);
    try {
      await this.#copyChunks(source, { from: blobId, to: id, chunks: chunkCount(record.valueBytes) });
      const outcome = await this.#storage.write({
        ...place,
        record: { ...record, body: { kind: "blob", id } },
        mode: "merge",
      });
      if (outcome.kind !== "stored") await this.#storage.abortUpload(id);
      return true;
    } catch (error) {
      await this.#storage.abortUpload(id).catch(() => {});
      throw error;
    }
  }

  /** Fetches one message of chunks while the one before is being stored. */
  async #copyChunks(
    source: PullSource,
    blob: { readonly from: string; readonly to: string; readonly chunks: number },
  ): Promise<void> {
    let storing: Promise<void> = Promise.resolve();
    for (let first = 0; first < blob.chunks; first += CHUNKS_PER_MESSAGE) {
      source.signal?.throwIfAborted();
      const count = Math.min(CHUNKS_PER_MESSAGE, blob.chunks - first);
      if (source.pace !== undefined) await waitFor(source, source.pace, count * CHUNK_BYTES);
      const ask = { blobId: blob.from, first, count };
      const { chunks } = await this.#peers.ask(source.peer, undefined, "readChunks", ask, BULK);
      source.noteProgress(false);
      await storing;
      storing = this.#storage.writeChunks(blob.to, first, chunks);
      // Whoever throws before this is awaited must not leave it unhandled.
      storing.catch(() => {});
    }
    await storing;
  }

  /** Partitions of the scope in which the two sides do not hold the same. */
  async #differing(scope: ExchangeScope): Promise<number[]> {
    const partitions = [...scope.partitions];
    const { digests } = await this.#peers.ask(scope.peer, scope.live, "digests", { partitions }, BULK);
    const theirs = new Map(digests.map((digest) => [digest.partition, digest.hash]));
    const ours = await this.#storage.digests();
    for (const [partition, digest] of ours) {
      if (theirs.get(partition) === digest.hash) scope.task.compared += digest.records;
    }
    return partitions.filter((partition) => theirs.get(partition) !== ours.get(partition)?.hash);
  }

  async #pullPartition(scope: ExchangeScope, partition: number): Promise<void> {
    let after: string | undefined;
    do {
      scope.signal.throwIfAborted();
      const ask = { partition, after, limit: PAGE_KEYS };
      const page = await this.#peers.ask(scope.peer, scope.live, "scan", ask, BULK);
      if (page.floor !== undefined) await this.#raiseFloor(partition, page.floor);
      const ours = await this.#storage.heads(page.entries.map(({ key }) => ({ partition, key })));
      const newer = page.entries.filter((entry, i) => isNewer(entry.head, ours[i]));
      scope.task.compared += page.entries.length;
      await inParallel(newer, PARALLEL_RECORDS, (entry) => this.#fetch(scope, partition, entry.key));
      after = page.next;
    } while (after !== undefined);
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
      const { heads } = await this.#peers.ask(
        scope.peer,
        scope.live,
        "heads",
        { items, strict: undefined },
        BULK,
      );
      const newer = page.entries.filter((entry, i) => isNewer(entry.head, heads[i]));
      scope.task.compared += page.entries.length;
      await inParallel(newer, PARALLEL_RECORDS, (entry) => this.#send(scope, partition, entry));
      after = page.next;
    } while (after !== undefined);
  }

  async #fetch(scope: ExchangeScope, partition: number, key: string): Promise<void> {
    const { record } = await this.#peers.ask(scope.peer, scope.live, "read", { partition, key });
    // Gone from there since the scan: purged, so its owners hold it.
    if (record === undefined) return;
    await this.#take(scope, { partition, key }, record);
    scope.task.fetched++;
  }

  async #take(
    scope: ExchangeScope,
    place: { readonly partition: number; readonly key: string },
    record: StoredRecord,
  ): Promise<void> {
    if (record.kind === "value" && record.body.kind === "blob") {
      await this.pullBlob(scope, place, record);
      return;
    }
    await scope.pace?.(inlineBytes(place, record));
    await this.#storage.write({ ...place, record, mode: "merge" });
  }

  async #send(scope: ExchangeScope, partition: number, entry: Entry): Promise<void> {
    try {
      const record = await this.#storage.read(partition, entry.key);
      if (record === undefined) return;
      await this.give(scope, { partition, key: entry.key }, record);
      scope.task.sent++;
    } catch (error) {
      scope.signal.throwIfAborted();
      noteFailure(scope.task, error);
    }
  }

  /**
   * Brings one record to an owner: small ones are sent, large ones it fetches from `source`.
   *
   * @param to.source Who holds the record; this node unless told otherwise.
   */
  async give(
    to: Pick<ExchangeScope, "peer" | "live" | "pace"> & { readonly source?: OwnerId },
    place: { readonly partition: number; readonly key: string },
    record: StoredRecord,
  ): Promise<void> {
    if (record.kind === "value" && record.body.kind === "blob") {
      await to.pace?.(record.valueBytes);
      const timeoutMs = BULK_TIMEOUT_MS + record.valueBytes / SLOWEST_BYTES_PER_MS;
      const ask = { ...place, record, source: to.source ?? this.#self };
      await this.#peers.ask(to.peer, to.live, "pullRecord", ask, { lane: "own", timeoutMs });
    } else {
      await to.pace?.(inlineBytes(place, record));
      await this.#peers.ask(to.peer, to.live, "write", { ...place, record, mode: "merge" });
    }
  }

  async #raiseFloor(partition: number, floor: NonNullable<ReturnType<Storage["floor"]>>): Promise<void> {
    if (compareOptionalVersions(floor, this.#storage.floor(partition)) > 0) {
      await this.#storage.raiseFloor(partition, floor);
    }
  }
}

/** Others must not take a value for fallen silent that only waits for its rate. */
async function waitFor(source: PullSource, pace: Pace, bytes: number): Promise<void> {
  source.noteProgress(true);
  await pace(bytes);
  source.noteProgress(false);
}

/** What sending a record costs, roughly, where its bytes are in it. */
function inlineBytes(place: { readonly key: string }, record: StoredRecord): number {
  return RECORD_BYTES + place.key.length + (record.kind === "value" ? record.valueBytes : 0);
}

const BULK = { lane: "own", timeoutMs: BULK_TIMEOUT_MS } as const;

/** Runs `work` for all items, at most `width` at a time; throws the first failure once all have ended. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failure: { readonly error: unknown } | undefined;
  const worker = async () => {
    while (next < items.length && failure === undefined) {
      const item = items[next++]!;
      await work(item).catch((error) => failure ??= { error });
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  if (failure !== undefined) throw failure.error;
}

/** Whether what a peer asked for was refused because the ring has moved on: the work begins anew. */
export function isLayoutMismatch(error: unknown): boolean {
  return error instanceof DhtError && error.code === "layout_mismatch";
}

function isNewer(head: RecordHead, than: RecordHead | undefined): boolean {
  return than === undefined || compareHeads(head, than) > 0;
}
