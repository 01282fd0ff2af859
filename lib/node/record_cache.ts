import type { StoredRecord } from "../core/record.ts";

// What the objects around a record take in memory, roughly.
const RECORD_MEMORY_BYTES = 500;

/** A record, and whether it was asked for since it was last spared. */
interface Cached {
  readonly record: StoredRecord;
  readonly bytes: number;
  used: boolean;
}

/**
 * Records by key, the oldest dropped when they pass a number of bytes, but for those that were asked for since: they
 * get another turn. A read so changes no order, which would cost more than finding the record.
 */
export class RecordCache {
  readonly #maxBytes: number;
  readonly #records = new Map<string, Cached>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(key: string): StoredRecord | undefined {
    const cached = this.#records.get(key);
    if (cached === undefined) return undefined;
    cached.used = true;
    return cached.record;
  }

  /** @param encodedBytes Length of the buffer that the record's bytes are views of. */
  set(key: string, record: StoredRecord, encodedBytes: number): void {
    this.delete(key);
    const bytes = encodedBytes + 2 * key.length + RECORD_MEMORY_BYTES;
    this.#records.set(key, { record, bytes, used: false });
    this.#bytes += bytes;
    // A turn sees those it spares again at its end, and then drops them.
    for (const [oldest, cached] of this.#records) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#records.delete(oldest);
      if (cached.used) this.#records.set(oldest, { ...cached, used: false });
      else this.#bytes -= cached.bytes;
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
