import type { StoredRecord } from "../core/record.ts";

// What the objects around a record take in memory, roughly.
const RECORD_MEMORY_BYTES = 500;

/** Records by key, the least recently used ones dropped when they pass a number of bytes. */
export class RecordCache {
  readonly #maxBytes: number;
  readonly #records = new Map<string, { record: StoredRecord; bytes: number }>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(key: string): StoredRecord | undefined {
    const cached = this.#records.get(key);
    if (cached === undefined) return undefined;
    this.#records.delete(key);
    this.#records.set(key, cached);
    return cached.record;
  }

  /** @param encodedBytes Length of the buffer that the record's bytes are views of. */
  set(key: string, record: StoredRecord, encodedBytes: number): void {
    this.delete(key);
    const bytes = encodedBytes + 2 * key.length + RECORD_MEMORY_BYTES;
    this.#records.set(key, { record, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#records.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const cached = this.#records.get(key);
    if (cached === undefined) return;
    this.#records.delete(key);
    this.#bytes -= cached.bytes;
  }

  clear(): void {
    this.#records.clear();
    this.#bytes = 0;
  }

  /** Bytes of memory, roughly. */
  get bytes(): number {
    return this.#bytes;
  }
}
