import { type LiveLayouts, type OwnerId, ownsInBase } from "../core/layout.ts";
import { CHUNK_BYTES, chunkCount, headOf, isNewer, type ValueRecord } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Pace } from "./background.ts";
import type { Place } from "./damage.ts";
import type { Peers } from "./peers.ts";
import type { Storage, WriteOutcome } from "./storage.ts";
import type { Yielding } from "./yielding.ts";

/** Chunks of a large value per message. */
export const CHUNKS_PER_MESSAGE = 12;
/** How messages of chunks are sent, and how long moving one may take: a lost one holds up a large value for as long. */
export const BULK = { lane: "own", timeoutMs: 15_000 } as const;
/** Silence after which a large value that is on its way is asked for once more. */
const SILENT_MS = 2_000;

/** Where records are fetched from, under which layouts. */
export interface PullSource {
  readonly peer: OwnerId;
  readonly live: LiveLayouts;
  readonly signal?: AbortSignal;
  /** Awaited before that many bytes are fetched: keeps a background task to its rate. */
  readonly pace?: Pace;
  /** Whether what is fetched takes the place of a record that is damaged here; see `WriteRequest`. */
  readonly mends?: boolean;
}

/** A large value that a source has answered with: its record there. */
export interface BlobAtSource {
  readonly place: Place;
  readonly record: ValueRecord;
  readonly blobId: string;
}

/** Stores a record whose chunks are here under an id of this node's, where it is newer than what is held. */
export type StoreCopy = (copy: ValueRecord) => Promise<WriteOutcome["kind"]>;

/** A large value on its way to this node. */
interface Pull {
  readonly held: Promise<boolean>;
  /** When the last of its chunks arrived, by the monotonic clock; Infinity while its rate has it wait. */
  heardMs: number;
}

interface ChunkSource extends PullSource {
  /** Says that it goes on, or that it waits for its rate. */
  noteProgress(waits: boolean): void;
}

/** What copying large values needs of its node. */
interface BlobPullsDeps {
  readonly storage: Storage;
  readonly peers: Peers;
  readonly random: Random;
  readonly clock: Clock;
  /** Has requests go before what keeps to a rate is stored. */
  readonly bulk: Pick<Yielding, "run">;
}

/** Copies large values from other nodes, chunk by chunk. However many ask for one, it is fetched once. */
export class BlobPulls {
  readonly #storage: Storage;
  readonly #peers: Peers;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #bulk: Pick<Yielding, "run">;
  /** By key and version. */
  readonly #pulls = new Map<string, Pull>();

  constructor(deps: BlobPullsDeps) {
    this.#storage = deps.storage;
    this.#peers = deps.peers;
    this.#random = deps.random;
    this.#clock = deps.clock;
    this.#bulk = deps.bulk;
  }

  /** @returns Whether this node holds it, or a newer one, afterwards. @throws {DhtError} If it cannot be fetched. */
  async take(source: PullSource, blob: BlobAtSource, store: StoreCopy): Promise<boolean> {
    const fromOwner = ownsInBase(source.live, blob.place.partition, source.peer);
    const name = JSON.stringify([blob.place.key, blob.record.version, fromOwner]);
    const nowMs = this.#clock.monotonicMs();
    const known = this.#pulls.get(name);
    // One that has fallen silent may wait for a node that is gone: nobody else is to wait for it.
    if (known !== undefined && nowMs - known.heardMs < SILENT_MS) return await known.held;
    const noteProgress = (waits: boolean): void =>
      void (pull.heardMs = waits ? Infinity : this.#clock.monotonicMs());
    const held = this.#copy({ ...source, noteProgress }, blob, store);
    const pull = { held, heardMs: nowMs };
    this.#pulls.set(name, pull);
    return await held.finally(() => {
      if (this.#pulls.get(name) === pull) this.#pulls.delete(name);
    });
  }

  async #copy(source: ChunkSource, blob: BlobAtSource, store: StoreCopy): Promise<boolean> {
    const { place, record } = blob;
    const [held] = await this.#storage.heads([place]);
    if (!isNewer(headOf(record), held)) return true;
    // An id of its own: this copy shares its chunks with no other upload to this node.
    const id = this.#random.hex(16);
    await this.#storage.blobs.openUpload(id);
    try {
      await this.#copyChunks(source, blob, id);
      const outcome = await store({ ...record, body: { kind: "blob", id } });
      if (outcome !== "stored") await this.#storage.blobs.abortUpload(id);
      return outcome !== "collected";
    } catch (error) {
      await this.#storage.blobs.abortUpload(id).catch(() => {});
      throw error;
    }
  }

  /** Fetches one message of chunks while the one before is being stored. */
  async #copyChunks(
    source: ChunkSource,
    { place, record, blobId }: BlobAtSource,
    toId: string,
  ): Promise<void> {
    const chunkTotal = chunkCount(record.valueBytes);
    let storing: Promise<void> = Promise.resolve();
    for (let first = 0; first < chunkTotal; first += CHUNKS_PER_MESSAGE) {
      source.signal?.throwIfAborted();
      const count = Math.min(CHUNKS_PER_MESSAGE, chunkTotal - first);
      if (source.pace !== undefined) await waitFor(source, source.pace, count * CHUNK_BYTES);
      const ask = { blobId, first, count, place };
      const { chunks } = await this.#peers.ask(source.peer, undefined, "readChunks", ask, BULK);
      source.noteProgress(false);
      await storing;
      const store = () => this.#storage.blobs.writeChunks(toId, first, chunks);
      storing = source.pace === undefined ? store() : this.#bulk.run(store);
      // Whoever throws before this is awaited must not leave it unhandled.
      storing.catch(() => {});
    }
    await storing;
  }
}

/** Others must not take a value for fallen silent that only waits for its rate. */
async function waitFor(source: ChunkSource, pace: Pace, bytes: number): Promise<void> {
  source.noteProgress(true);
  await pace(bytes);
  source.noteProgress(false);
}
