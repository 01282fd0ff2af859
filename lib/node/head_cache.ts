import type { RecordHead } from "../core/record.ts";
import { ByteCache } from "./byte_cache.ts";

const HEAD_BYTES = 21;
const COUNTER_AT = 8;
const LENGTH_AT = 12;
const WRITER_AT = 16;
const TYPE_AT = 18;
const KIND_AT = 20;
const KINDS = ["value", "tombstone", "expired"] as const;
const MAX_UINT32 = 0xffff_ffff;
/** Writers and content types that are told apart; with the next one all is forgotten. */
const MAX_TEXTS = 0xffff;

/**
 * Heads of the records that are held, by key: enough to decide a write, which then need not read the database.
 *
 * Values in chunks and those that expire are left out, as they are few, and more would have to be known of them.
 */
export class HeadCache {
  readonly #heads: ByteCache;
  readonly #texts: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #packed = new Uint8Array(HEAD_BYTES);
  readonly #view = new DataView(this.#packed.buffer);

  /** See `ByteCache`. */
  constructor(maxBytes: number, seed: number) {
    this.#heads = new ByteCache(maxBytes, seed);
  }

  get(key: string): RecordHead | undefined {
    const packed = this.#heads.get(key);
    if (packed === undefined) return undefined;
    this.#packed.set(packed);
    const view = this.#view;
    const version = {
      wallMs: view.getFloat64(0),
      counter: view.getUint32(COUNTER_AT),
      writer: this.#texts[view.getUint16(WRITER_AT)]!,
    };
    return {
      version,
      kind: KINDS[view.getUint8(KIND_AT)]!,
      valueBytes: view.getUint32(LENGTH_AT),
      contentType: this.#texts[view.getUint16(TYPE_AT)]!,
      chunked: false,
      expiresMs: undefined,
    };
  }

  /** Keeps what is held of a key now, or forgets the key. */
  set(key: string, head: RecordHead | undefined): void {
    if (head !== undefined && this.#pack(head)) this.#heads.set(key, this.#packed);
    else this.#heads.delete(key);
  }

  clear(): void {
    this.#heads.clear();
    this.#texts.length = 0;
    this.#numbers.clear();
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#heads.bytes;
  }

  /** Whether a head is one that is kept. */
  #pack({ version, kind, valueBytes, contentType, chunked, expiresMs }: RecordHead): boolean {
    if (chunked || expiresMs !== undefined || version.counter > MAX_UINT32) return false;
    const view = this.#view;
    const writer = this.#numberOf(version.writer);
    const type = this.#numberOf(contentType);
    // The first may have been forgotten with all others to make room for the second.
    if (this.#texts[writer] !== version.writer) return false;
    view.setFloat64(0, version.wallMs);
    view.setUint32(COUNTER_AT, version.counter);
    view.setUint32(LENGTH_AT, valueBytes);
    view.setUint16(WRITER_AT, writer);
    view.setUint16(TYPE_AT, type);
    view.setUint8(KIND_AT, KINDS.indexOf(kind));
    return true;
  }

  #numberOf(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    if (this.#texts.length === MAX_TEXTS) this.clear();
    this.#texts.push(text);
    this.#numbers.set(text, this.#texts.length - 1);
    return this.#texts.length - 1;
  }
}
