import { chunkCount, type StoredRecord } from "../core/record.ts";
import type { StoreEntry } from "../ports/store.ts";
import { sha256 } from "../sha256.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import type { DamageList, Place } from "./damage.ts";
import { chunkKey, countOf, isDamage, recordKey, textOf } from "./entries.ts";
import { decodeRecordEntry } from "./record_entry.ts";
import type { RecordTables } from "./record_tables.ts";
import type { Books } from "./write_change.ts";

/** Blobs looked for at a time: more of them than that are not looked for. */
const MAX_BLOBS = 100_000;
/** No chunk has this number. */
const BEHIND_ALL_CHUNKS = 2 ** 40;

/** A value in chunks, which are still to be verified. */
export interface ScrubBlob {
  readonly place: Place;
  readonly blobId: string;
  readonly chunks: number;
}

/** A page of records whose entries were verified. */
export interface ScrubPage {
  /** Bytes read from the disk. */
  readonly bytes: number;
  readonly records: number;
  readonly blobs: readonly ScrubBlob[];
  /** Blobs that records of the page name, also those that are newer than what is on the disk, and not verified. */
  readonly named: readonly string[];
  /** The last record of the page, to be given as `after` for the next one; absent on the last page. */
  readonly next?: Place;
}

/** What is verified, and where what is bad is noted. */
export interface ScrubSources {
  readonly store: ClaimedStore;
  readonly tables: RecordTables;
  readonly damage: DamageList;
  readonly books: () => Pick<Books, "uploads" | "garbage">;
}

/** Reads records from the disk, past all that memory knows of them, and verifies them. */
export class ScrubReader {
  readonly #sources: ScrubSources;

  constructor(sources: ScrubSources) {
    this.#sources = sources;
  }

  /**
   * Ids of blobs of which there are chunks, and that are neither being written nor freed: so a record, of those that
   * are on the disk or in memory now, names each of them. `undefined` where they are too many.
   *
   * @param pace Awaited before each is looked for, which reads one chunk.
   */
  async namedBlobs(pace: () => Promise<void>): Promise<Set<string> | undefined> {
    const { store, books } = this.#sources;
    const found = new Set<string>();
    let last: string | undefined;
    do {
      const range = {
        prefix: ["chunk"],
        ...(last === undefined ? {} : { after: chunkKey(last, BEHIND_ALL_CHUNKS) }),
      };
      last = undefined;
      await pace();
      for await (const { key } of store.list(range, { limit: 1 })) last = textOf(key[1]);
      const { uploads, garbage } = books();
      if (last !== undefined && !uploads.has(last) && !garbage.has(last)) found.add(last);
    } while (last !== undefined && found.size < MAX_BLOBS);
    return last === undefined ? found : undefined;
  }

  /** Number of chunks from the first to the last of a blob. */
  async chunksOf(blobId: string): Promise<number> {
    const { store } = this.#sources;
    for await (const { key } of store.list({ prefix: ["chunk", blobId] }, { limit: 1, reverse: true })) {
      return countOf(key[2]) + 1;
    }
    return 0;
  }

  /** Verifies the heads and the inline bytes of the records that come after one, by partition and key. */
  async page(after: Place | undefined, limit: number): Promise<ScrubPage> {
    const range = {
      prefix: ["record"],
      ...(after === undefined ? {} : { after: recordKey(after.partition, after.key) }),
    };
    const blobs: ScrubBlob[] = [];
    const named: string[] = [];
    let [bytes, records] = [0, 0];
    let last: Place | undefined;
    for await (const entry of this.#sources.store.list(range, { limit })) {
      records++;
      bytes += entry.value.length;
      last = placeOf(entry);
      const newer = this.#sources.tables.entry(last.key)?.held?.blobId;
      if (newer !== undefined) named.push(newer);
      const record = await this.#verified(last, entry.value);
      if (record?.kind === "value" && record.body.kind === "blob") {
        named.push(record.body.id);
        blobs.push({ place: last, blobId: record.body.id, chunks: chunkCount(record.valueBytes) });
      }
    }
    return {
      bytes,
      records,
      blobs,
      named,
      ...(records === limit && last !== undefined ? { next: last } : {}),
    };
  }

  /** The record, if it is good; `undefined` where it was not, or memory holds a newer one that will take its place. */
  async #verified(place: Place, value: Uint8Array): Promise<StoredRecord | undefined> {
    const { store, tables, damage } = this.#sources;
    if (tables.entry(place.key) !== undefined) return undefined;
    const record = goodRecord(value);
    if (record !== undefined) return record;
    // It may have been replaced since the page was read.
    const [entry] = await store.getMany([recordKey(place.partition, place.key)]);
    if (entry === undefined || tables.entry(place.key) !== undefined) return undefined;
    const again = goodRecord(entry.value);
    if (again === undefined) damage.add(place);
    return again;
  }
}

/** The record of an entry, unless it or its inline bytes are damaged. */
function goodRecord(value: Uint8Array): StoredRecord | undefined {
  try {
    const record = decodeRecordEntry(value);
    if (record.kind === "tombstone" || record.body.kind === "blob") return record;
    const digest = sha256(record.body.bytes);
    return digest.every((byte, i) => byte === record.sha256[i]) ? record : undefined;
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

function placeOf({ key }: StoreEntry): Place {
  return { partition: countOf(key[1]), key: textOf(key[2]) };
}
