import type { Clock } from "../ports/clock.ts";
import { CHUNK_BYTES } from "../core/record.ts";
import { type Mutation, type StoreKey, storeKeyBytes } from "../ports/store.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import { COMMIT_ROOM, type CommitBatch } from "./commit_batch.ts";
import { chunkKey, countOf, decodeEntry, encodeEntry, garbageKey, textOf } from "./entries.ts";

/** How long the chunks of a superseded value stay for those who are reading it. */
const GARBAGE_UNREAD_MS = 60_000;

/** Chunks freed in one step, so that a step is short. */
const CHUNKS_PER_STEP = 4_000;

/** What one step has freed. */
export interface Freed {
  /** Values and uploads of which nothing is left. */
  readonly values: number;
  /** Of all chunks; where a last one was shorter than the others, a little more than there were. */
  readonly bytes: number;
}

interface Garbage {
  readonly chunks: number;
  /** Length of the value that all of the chunks make; absent where some may be missing. */
  readonly valueBytes: number | undefined;
  /** Monotonic time since which nobody has read it. */
  unreadSinceMs: number;
  /** Chunks before this one are freed. */
  freed: number;
  /**
   * "pending" while the commit that makes it garbage may still fail; "freeing"
   * once chunks may be missing, from where there is no way back.
   */
  state: "pending" | "kept" | "freeing";
}

/**
 * Blobs that no record names any more, and whose chunks are to be freed.
 *
 * The entry of a blob is written by the commit that takes its last name away,
 * and deleted by the one that deletes its last chunk; so a crash leaks none.
 */
export class GarbageBlobs {
  readonly #clock: Clock;
  readonly #blobs = new Map<string, Garbage>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  static async load(store: ClaimedStore, clock: Clock): Promise<GarbageBlobs> {
    const loaded = new GarbageBlobs(clock);
    for await (const { key, value } of store.list({ prefix: ["garbage"] })) {
      const [chunks] = decodeEntry(value);
      loaded.#blobs.set(textOf(key[1]), {
        chunks: countOf(chunks),
        valueBytes: undefined,
        unreadSinceMs: clock.monotonicMs(),
        freed: 0,
        state: "kept",
      });
    }
    return loaded;
  }

  get size(): number {
    return this.#blobs.size;
  }

  has(blobId: string): boolean {
    return this.#blobs.has(blobId);
  }

  /** Makes a blob garbage with this commit: the chunks of a value. */
  addValue(batch: CommitBatch, blobId: string, blob: { chunks: number; valueBytes: number }): void {
    this.#add(batch, blobId, { ...blob, unreadSinceMs: this.#clock.monotonicMs() });
  }

  /** Makes the chunks of an upload garbage with this commit. Nobody can be reading those. */
  addUpload(batch: CommitBatch, blobId: string, chunks: number): void {
    this.#add(batch, blobId, { chunks, valueBytes: undefined, unreadSinceMs: -Infinity });
  }

  #add(
    batch: CommitBatch,
    blobId: string,
    blob: { chunks: number; valueBytes: number | undefined; unreadSinceMs: number },
  ): void {
    const garbage: Garbage = { ...blob, freed: 0, state: "pending" };
    batch.set(garbageKey(blobId), encodeEntry([blob.chunks, this.#clock.nowMs()]));
    batch.apply(() => this.#blobs.set(blobId, garbage), () => this.#blobs.delete(blobId));
    batch.onCommitted(() => garbage.state = "kept");
  }

  /**
   * Gives a blob back to a record with this commit: that of a write which was
   * superseded and comes again with a greater version. False where it is not whole.
   */
  revive(batch: CommitBatch, blobId: string, valueBytes: number): boolean {
    const garbage = this.#blobs.get(blobId);
    if (garbage === undefined || garbage.state === "freeing") return false;
    if (garbage.valueBytes !== valueBytes) return false;
    batch.delete(garbageKey(blobId));
    batch.apply(() => this.#blobs.delete(blobId), () => this.#blobs.set(blobId, garbage));
    return true;
  }

  /** Notes that a blob is being read. */
  touch(blobId: string): void {
    const garbage = this.#blobs.get(blobId);
    if (garbage !== undefined) garbage.unreadSinceMs = this.#clock.monotonicMs();
  }

  /** Frees some of the chunks that are due. Not to be called again before it is done. */
  async collect(store: ClaimedStore): Promise<Freed> {
    let left = CHUNKS_PER_STEP;
    let values = 0;
    for (const [blobId, garbage] of this.#due()) {
      if (left <= 0) break;
      // While the one before was freed, a write may have revived this one, or somebody begun to read it.
      if (this.#blobs.get(blobId) !== garbage || !this.#isDue(garbage)) continue;
      garbage.state = "freeing";
      const before = garbage.freed;
      await this.#free(store, blobId, garbage, left);
      left -= garbage.freed - before;
      if (garbage.freed === garbage.chunks) values++;
    }
    return { values, bytes: (CHUNKS_PER_STEP - left) * CHUNK_BYTES };
  }

  #due(): [string, Garbage][] {
    const due: [string, Garbage][] = [];
    for (const blob of this.#blobs) {
      if (this.#isDue(blob[1])) due.push(blob);
      if (due.length === CHUNKS_PER_STEP) break;
    }
    return due;
  }

  #isDue(garbage: Garbage): boolean {
    if (garbage.state !== "kept") return garbage.state === "freeing";
    return this.#clock.monotonicMs() - garbage.unreadSinceMs >= GARBAGE_UNREAD_MS;
  }

  async #free(store: ClaimedStore, blobId: string, garbage: Garbage, atMost: number): Promise<void> {
    const end = Math.min(garbage.chunks, garbage.freed + atMost);
    const perCommit = chunksPerCommit(blobId);
    while (garbage.freed < end) {
      const until = Math.min(end, garbage.freed + perCommit);
      await store.commit(freeing(blobId, garbage, until));
      garbage.freed = until;
    }
    if (garbage.freed === garbage.chunks) this.#blobs.delete(blobId);
  }
}

/** Deletes chunks up to `until`, and what says that they are garbage with the last of them. */
function freeing(blobId: string, garbage: Garbage, until: number): Mutation[] {
  const keys: StoreKey[] = [];
  for (let i = garbage.freed; i < until; i++) keys.push(chunkKey(blobId, i));
  if (until === garbage.chunks) keys.push(garbageKey(blobId));
  return keys.map((key) => ({ kind: "delete", key }));
}

function chunksPerCommit(blobId: string): number {
  const byKeys = Math.floor(COMMIT_ROOM.keyBytes / storeKeyBytes(chunkKey(blobId, 0)));
  return Math.min(byKeys, COMMIT_ROOM.mutations) - 1;
}
