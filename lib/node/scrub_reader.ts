import { createHash } from "node:crypto";
import { chunkCount, type StoredRecord } from "../core/record.ts";
import type { StoreEntry } from "../ports/store.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import type { DamageList, Place } from "./damage.ts";
import { countOf, decodeRecordEntry, isDamage, recordKey, textOf } from "./entries.ts";
import type { RecordTables } from "./record_tables.ts";

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
  /** The last record of the page, to be given as `after` for the next one; absent on the last page. */
  readonly next?: Place;
}

/** What is verified, and where what is bad is noted. */
export interface ScrubSources {
  readonly store: ClaimedStore;
  readonly tables: RecordTables;
  readonly damage: DamageList;
}

/** Reads records from the disk, past all that memory knows of them, and verifies them. */
export class ScrubReader {
  readonly #sources: ScrubSources;

  constructor(sources: ScrubSources) {
    this.#sources = sources;
  }

  /** Verifies the heads and the inline bytes of the records that come after one, by partition and key. */
  async page(after: Place | undefined, limit: number): Promise<ScrubPage> {
    const range = {
      prefix: ["record"],
      ...(after === undefined ? {} : { after: recordKey(after.partition, after.key) }),
    };
    const blobs: ScrubBlob[] = [];
    let [bytes, records] = [0, 0];
    let last: Place | undefined;
    for await (const entry of this.#sources.store.list(range, { limit })) {
      records++;
      bytes += entry.value.length;
      last = placeOf(entry);
      const record = await this.#verified(last, entry.value);
      if (record?.kind === "value" && record.body.kind === "blob") {
        blobs.push({ place: last, blobId: record.body.id, chunks: chunkCount(record.valueBytes) });
      }
    }
    return { bytes, records, blobs, ...(records === limit && last !== undefined ? { next: last } : {}) };
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
    const digest = createHash("sha256").update(record.body.bytes).digest();
    return digest.every((byte, i) => byte === record.sha256[i]) ? record : undefined;
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

function placeOf({ key }: StoreEntry): Place {
  return { partition: countOf(key[1]), key: textOf(key[2]) };
}
