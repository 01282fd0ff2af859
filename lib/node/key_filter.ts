import { encodeKey, hashBytes, keyBytes, mixed } from "./key_hash.ts";

/** Bits of one key. */
const PROBES = 4;

/**
 * A Bloom filter of keys: knows of most keys that are not in it that they are not, in a fixed number of bytes.
 *
 * With a million keys in 4 MiB it is wrong about one other key in 6,000, with four million about one in 50, and
 * with many more it knows nothing of any.
 */
export class KeyFilter {
  readonly #words: Int32Array;
  readonly #seed: number;

  /** @param maxBytes The largest power of two up to this is used; below 4 bytes, none. @param seed 32 random bits. */
  constructor(maxBytes: number, seed: number) {
    this.#words = new Int32Array(maxBytes < 4 ? 0 : 2 ** Math.floor(Math.log2(maxBytes / 4)));
    this.#seed = seed | 0;
  }

  add(key: string): void {
    if (this.#words.length === 0) return;
    let bit = hashBytes(keyBytes, 0, encodeKey(key), this.#seed);
    const step = mixed(~bit) | 1;
    for (let i = 0; i < PROBES; i++, bit += step) this.#words[this.#wordOf(bit)]! |= 1 << (bit & 31);
  }

  /** False if the key was surely never added. */
  mayHave(key: string): boolean {
    if (this.#words.length === 0) return true;
    let bit = hashBytes(keyBytes, 0, encodeKey(key), this.#seed);
    const step = mixed(~bit) | 1;
    for (let i = 0; i < PROBES; i++, bit += step) {
      if ((this.#words[this.#wordOf(bit)]! & 1 << (bit & 31)) === 0) return false;
    }
    return true;
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#words.byteLength;
  }

  #wordOf(bit: number): number {
    return (bit >>> 5) & (this.#words.length - 1);
  }
}
