import { DhtError } from "../core/errors.ts";
import { hash128 } from "../core/hash.ts";
import { CHUNK_BYTES, chunkCount } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import { ChunkRanges } from "./chunk_ranges.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import type { CommitBatch } from "./commit_batch.ts";
import { chunkKey, countOf, decodeEntry, encodeEntry, textOf, uploadKey } from "./entries.ts";
import type { GarbageBlobs } from "./garbage.ts";

/** Uploads that may be open at a time. */
export const MAX_UPLOADS = 256;

/** Chunks in one call: what fits into one commit. */
export const MAX_CHUNKS_PER_CALL = 12;

/** An upload that has had no call for so long is closed. */
const UPLOAD_IDLE_MS = 10 * 60_000;

/** Bytes of the checksum before those of each chunk. */
export const CHECKSUM_BYTES = 16;

const MAX_CHUNK_INDEX = 2 ** 32;

/** Which chunks of an upload are on the disk. Replaced as a whole, never changed. */
interface Session {
  readonly chunks: ChunkRanges;
  /** The one chunk that is shorter than a full one, which only the last of a value may be. */
  readonly tail: { readonly index: number; readonly bytes: number } | undefined;
  /** Monotonic time of the last call. */
  readonly usedMs: number;
}

/**
 * Sessions of the uploads whose chunks no record names yet.
 *
 * A session says which chunks there are, in the same commit that stores them; the commit of the record that
 * names them ends it. So chunks always belong to a session, to a record or to the garbage.
 */
export class Uploads {
  readonly #clock: Clock;
  readonly #sessions = new Map<string, Session>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  static async load(store: ClaimedStore, clock: Clock): Promise<Uploads> {
    const loaded = new Uploads(clock);
    for await (const { key, value } of store.list({ prefix: ["upload"] })) {
      loaded.#sessions.set(textOf(key[1]), decodeSession(value, clock.monotonicMs()));
    }
    return loaded;
  }

  get size(): number {
    return this.#sessions.size;
  }

  has(id: string): boolean {
    return this.#sessions.has(id);
  }

  /**
   * Opens a session, unless it is open.
   *
   * @param used Whether a chunk of that id is stored.
   */
  open(batch: CommitBatch, id: string, options: { used: boolean; garbage: GarbageBlobs }): void {
    if (this.#sessions.has(id)) return;
    // A late copy of the message that opened it. Opening it again would let a record's chunks be collected.
    if (options.used || options.garbage.has(id)) throw incomplete("open", id, "it has ended");
    if (this.#sessions.size >= MAX_UPLOADS) {
      throw new DhtError("overloaded", `Cannot open upload: ${MAX_UPLOADS} are open on this node`, {
        openUploads: MAX_UPLOADS,
      });
    }
    this.#save(batch, id, { chunks: ChunkRanges.none, tail: undefined, usedMs: this.#clock.monotonicMs() });
  }

  /** Stores consecutive chunks. */
  write(batch: CommitBatch, id: string, first: number, chunks: readonly Uint8Array[]): void {
    const session = this.#sessions.get(id);
    if (session === undefined) throw incomplete("store chunks of", id, "it is not open");
    const ranges = session.chunks.add(first, first + chunks.length);
    if (ranges === undefined) {
      throw new DhtError(
        "bad_message",
        `Cannot store chunks of upload "${id}": they are too far out of order`,
      );
    }
    const tail = tailOf(id, session.tail, first, chunks);
    chunks.forEach((chunk, i) => batch.set(chunkKey(id, first + i), withChecksum(chunk)));
    this.#save(batch, id, { chunks: ranges, tail, usedMs: this.#clock.monotonicMs() });
  }

  /** Ends a session whose chunks a record names from now on. */
  complete(batch: CommitBatch, id: string, valueBytes: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) throw incomplete("store value of", id, "it is not open");
    const count = chunkCount(valueBytes);
    const lastBytes = valueBytes - (count - 1) * CHUNK_BYTES;
    const tailFits = session.tail === undefined
      ? lastBytes === CHUNK_BYTES
      : session.tail.index === count - 1 && session.tail.bytes === lastBytes;
    if (!session.chunks.isExactly(count) || !tailFits) {
      throw incomplete("store value of", id, "not all of its chunks are here");
    }
    this.#end(batch, id, session);
  }

  /** Ends a session and gives up its chunks. One that is not open is left alone. */
  abort(batch: CommitBatch, id: string, garbage: GarbageBlobs): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#end(batch, id, session);
    if (session.chunks.end > 0) garbage.addUpload(batch, id, session.chunks.end);
  }

  isIdle(id: string): boolean {
    const session = this.#sessions.get(id);
    return session !== undefined && this.#clock.monotonicMs() - session.usedMs >= UPLOAD_IDLE_MS;
  }

  /** Ids of the sessions that have been idle for too long. */
  idle(): string[] {
    return [...this.#sessions.keys()].filter((id) => this.isIdle(id));
  }

  #save(batch: CommitBatch, id: string, session: Session): void {
    const before = this.#sessions.get(id);
    batch.set(uploadKey(id), encodeSession(session));
    batch.apply(
      () => this.#sessions.set(id, session),
      () => before === undefined ? this.#sessions.delete(id) : this.#sessions.set(id, before),
    );
  }

  #end(batch: CommitBatch, id: string, session: Session): void {
    batch.delete(uploadKey(id));
    batch.apply(() => this.#sessions.delete(id), () => this.#sessions.set(id, session));
  }
}

/** Throws `RangeError` where chunks cannot be those of an upload. */
export function assertChunks(first: number, chunks: readonly Uint8Array[]): void {
  assertChunkRange(first, chunks.length);
  for (const chunk of chunks) {
    if (chunk.length === 0 || chunk.length > CHUNK_BYTES) {
      throw new RangeError(`Cannot use a chunk of ${chunk.length} bytes: it must have 1 to ${CHUNK_BYTES}`);
    }
  }
}

/** Throws `RangeError` where a call asks for too many chunks, or for chunks no value has. */
export function assertChunkRange(first: number, count: number): void {
  const inRange = Number.isSafeInteger(first) && first >= 0 && first + count <= MAX_CHUNK_INDEX;
  if (!inRange || !Number.isSafeInteger(count) || count < 1 || count > MAX_CHUNKS_PER_CALL) {
    throw new RangeError(
      `Cannot use ${count} chunks from ${first}: at most ${MAX_CHUNKS_PER_CALL} in a call`,
    );
  }
}

/** Throws `RangeError` where a text cannot be the id of an upload. */
export function assertUploadId(id: string): void {
  if (!/^[0-9A-Za-z_.-]{1,64}$/.test(id)) {
    throw new RangeError(`Cannot use "${id}" as id of an upload: 1 to 64 letters, digits, dots or dashes`);
  }
}

/**
 * The bytes of a chunk's entry, verified.
 *
 * @throws {DhtError} "corrupt_value" where it is damaged or not there.
 */
export function verifiedChunk(value: Uint8Array | undefined, blobId: string, index: number): Uint8Array {
  const bytes = value?.subarray(CHECKSUM_BYTES);
  if (value === undefined || bytes === undefined || !startsWith(value, hash128(bytes))) {
    const state = value === undefined ? "is not here" : "does not match its checksum";
    throw new DhtError("corrupt_value", `Cannot read chunk ${index} of blob "${blobId}": it ${state}`);
  }
  return bytes;
}

function withChecksum(chunk: Uint8Array): Uint8Array {
  const value = new Uint8Array(CHECKSUM_BYTES + chunk.length);
  value.set(hash128(chunk));
  value.set(chunk, CHECKSUM_BYTES);
  return value;
}

function startsWith(value: Uint8Array, start: Uint8Array): boolean {
  return start.every((byte, i) => value[i] === byte);
}

function tailOf(
  id: string,
  before: Session["tail"],
  first: number,
  chunks: readonly Uint8Array[],
): Session["tail"] {
  let tail = before;
  for (const [i, chunk] of chunks.entries()) {
    const index = first + i;
    if (tail?.index === index) tail = undefined;
    if (chunk.length === CHUNK_BYTES) continue;
    if (tail !== undefined) {
      throw new DhtError("bad_message", `Cannot store chunks of upload "${id}": only its last may be short`);
    }
    tail = { index, bytes: chunk.length };
  }
  return tail;
}

function encodeSession({ chunks, tail }: Session): Uint8Array {
  return encodeEntry([chunks.bounds, tail?.index ?? null, tail?.bytes ?? null]);
}

function decodeSession(value: Uint8Array, usedMs: number): Session {
  const [bounds, tailIndex, tailBytes] = decodeEntry(value);
  if (!Array.isArray(bounds)) {
    throw new DhtError("corrupt_value", "Cannot read an upload's session: it is damaged");
  }
  const chunks = ChunkRanges.of(bounds.map(countOf));
  const tail = tailIndex === null ? undefined : { index: countOf(tailIndex), bytes: countOf(tailBytes) };
  return { chunks, tail, usedMs };
}

function incomplete(action: string, id: string, state: string): DhtError {
  return new DhtError("upload_incomplete", `Cannot ${action} upload "${id}": ${state}`, { upload: id });
}
