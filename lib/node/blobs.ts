import type { ClaimedStore } from "./claimed_store.ts";
import type { DamageList, Place } from "./damage.ts";
import { chunkKey, isDamage } from "./entries.ts";
import type { Change } from "./group_commit.ts";
import type { RecordReader } from "./record_reader.ts";
import type { ScrubReader } from "./scrub_reader.ts";
import { assertChunkRange, assertChunks, assertUploadId, CHECKSUM_BYTES, verifiedChunk } from "./uploads.ts";
import type { Books } from "./write_change.ts";

// A session's entry, its key, and that of the garbage it may become.
const SESSION_COST = { bytes: 4_000, keyBytes: 200, mutations: 2 };
const CHUNK_KEY_BYTES = 90;

/** What the chunks of a storage need of the rest of it. */
export interface BlobsDeps {
  readonly store: Pick<ClaimedStore, "list">;
  readonly reader: Pick<RecordReader, "read">;
  readonly scrubber: Pick<ScrubReader, "chunksOf">;
  readonly damage: Pick<DamageList, "add">;
  readonly books: () => Pick<Books, "uploads" | "garbage">;
  /** Throws once the storage is closed, or the database no longer owned. */
  assertServing(): void;
  /** Queues a change; what keeps it from being made rejects. */
  submit<T>(make: () => Change<T>): Promise<T>;
}

/**
 * Large values in chunks: written under the id of an upload, until a record that names the id takes them over.
 * Throws as `Storage` does.
 */
export class Blobs {
  readonly #deps: BlobsDeps;

  constructor(deps: BlobsDeps) {
    this.#deps = deps;
  }

  /**
   * Opens an upload: chunks may be written until a record takes them over or it is aborted. Opening again is
   * harmless. The id must never have been used before on any node: 1 to 64 letters, digits, dots or dashes.
   *
   * @throws {DhtError} "overloaded" where too many are open; "upload_incomplete" where that upload has ended.
   */
  async openUpload(id: string): Promise<void> {
    assertUploadId(id);
    await this.#deps.submit(() => ({
      cost: SESSION_COST,
      probe: chunkKey(id, 0),
      decide: (batch, { probed }) => {
        const { uploads, garbage } = this.#deps.books();
        uploads.open(batch, id, { used: probed, garbage });
      },
    }));
  }

  /**
   * Stores consecutive chunks, at most 12; all of a value but its last have `CHUNK_BYTES`. Storing the same
   * again is harmless.
   *
   * @throws {DhtError} "upload_incomplete" where the upload is not open.
   */
  async writeChunks(id: string, firstIndex: number, chunks: readonly Uint8Array[]): Promise<void> {
    assertChunks(firstIndex, chunks);
    const keyBytes = SESSION_COST.keyBytes + chunks.length * CHUNK_KEY_BYTES;
    const bytes = chunks.reduce((sum, chunk) => sum + CHECKSUM_BYTES + chunk.length, SESSION_COST.bytes);
    await this.#deps.submit(() => ({
      cost: { keyBytes, bytes: bytes + keyBytes, mutations: SESSION_COST.mutations + chunks.length },
      decide: (batch) => this.#deps.books().uploads.write(batch, id, firstIndex, chunks),
    }));
  }

  /** Ends an upload that no record has taken over; otherwise does nothing. */
  abortUpload(id: string): Promise<void> {
    return this.#deps.submit(() => ({
      cost: SESSION_COST,
      decide: (batch) => {
        const { uploads, garbage } = this.#deps.books();
        uploads.abort(batch, id, garbage);
      },
    }));
  }

  /** Ends the uploads that have had no call for ten minutes. */
  async closeIdleUploads(): Promise<void> {
    await Promise.all(this.#deps.books().uploads.idle().map((id) => this.#closeIdle(id)));
  }

  /**
   * Consecutive chunks of a blob, at most 12, verified.
   *
   * @param place Whose value they are of, as far as the caller knows: if so, damage is that record's.
   * @throws {DhtError} "corrupt_value" where one is damaged or not (or no longer) here.
   */
  async readChunks(blobId: string, firstIndex: number, count: number, place?: Place): Promise<Uint8Array[]> {
    this.#deps.assertServing();
    assertChunkRange(firstIndex, count);
    this.#deps.books().garbage.touch(blobId);
    const found = await this.#chunksAt(blobId, firstIndex, count);
    try {
      return Array.from(
        { length: count },
        (_, i) => verifiedChunk(found.get(firstIndex + i), blobId, firstIndex + i),
      );
    } catch (error) {
      if (place !== undefined && isDamage(error)) await this.#noteDamaged(place, blobId);
      throw error;
    }
  }

  /**
   * Has chunks freed that no record names: those of one that was damaged beyond telling which they were. Returns
   * whether they were not being freed before. The caller has made sure that no record names them.
   */
  async freeStray(blobId: string): Promise<boolean> {
    const chunks = await this.#deps.scrubber.chunksOf(blobId);
    return await this.#deps.submit(() => ({
      cost: SESSION_COST,
      decide: (batch) => {
        const { uploads, garbage } = this.#deps.books();
        if (chunks === 0 || uploads.has(blobId) || garbage.has(blobId)) return false;
        garbage.addUpload(batch, blobId, chunks);
        return true;
      },
    }));
  }

  /** By index. They lie side by side: one walk over them costs the database a third of what looking up each does. */
  async #chunksAt(blobId: string, first: number, count: number): Promise<Map<unknown, Uint8Array>> {
    const range = {
      prefix: chunkKey(blobId, first).slice(0, -1),
      ...(first > 0 && { after: chunkKey(blobId, first - 1) }),
      before: chunkKey(blobId, first + count),
    };
    const found = new Map<unknown, Uint8Array>();
    for await (const { key, value } of this.#deps.store.list(range, { limit: count })) {
      found.set(key.at(-1), value);
    }
    return found;
  }

  #closeIdle(id: string): Promise<void> {
    return this.#deps.submit(() => ({
      cost: SESSION_COST,
      decide: (batch) => {
        const { uploads, garbage } = this.#deps.books();
        if (uploads.isIdle(id)) uploads.abort(batch, id, garbage);
      },
    }));
  }

  async #noteDamaged(place: Place, blobId: string): Promise<void> {
    const record = await this.#deps.reader.read(place.partition, place.key).catch(() => undefined);
    // Another version since then has chunks of its own, and those of this one may be gone.
    if (record?.kind === "value" && record.body.kind === "blob" && record.body.id === blobId) {
      this.#deps.damage.add(place);
    }
  }
}
