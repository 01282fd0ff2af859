import type { StoredRecord } from "../core/record.ts";
import { ByteCache } from "./byte_cache.ts";
import { decodeTrustedEntry } from "./record_entry.ts";

/** Records that were read, by key, as their entries' bytes: in a bounded number of these. */
export class RecordCache {
  readonly #entries: ByteCache;

  /** See `ByteCache`. */
  constructor(maxBytes: number, seed: number) {
    this.#entries = new ByteCache(maxBytes, seed);
  }

  get(key: string): StoredRecord | undefined {
    const encoded = this.#entries.get(key);
    // The record's bytes are views of what they are decoded from, and are read long after this.
    return encoded && decodeTrustedEntry(encoded.slice());
  }

  /** @param encoded The value of the record's entry, which is intact. */
  set(key: string, encoded: Uint8Array): void {
    this.#entries.set(key, encoded);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#entries.bytes;
  }
}
