/** Words that one fingerprint may have: more than 64 KiB of bytes. */
const MAX_WORDS = 20_000;

const FIRST = 0x239b961b;
const SECOND = 0xab0e9789;
const THIRD = 0x38b34ae5;
const FOURTH = 0xa1e38b93;

/**
 * A 128-bit hash of words, texts and bytes, after MurmurHash3 (x86, 128 bits), for what a node hashes for itself
 * with every write: a short input takes a fraction of what a call of `hash128` does.
 *
 * Finds damage and differences. It is not cryptographic: whoever chooses the input can make two inputs collide.
 */
export class Fingerprint {
  readonly #words = new Int32Array(MAX_WORDS);
  #count = 0;

  /** Begins anew. */
  start(): this {
    this.#count = 0;
    return this;
  }

  /** Takes in 32 bits. */
  word(value: number): this {
    this.#reserve(1);
    this.#words[this.#count++] = value;
    return this;
  }

  /** Takes in a whole number from 0 to 2^53 - 1. */
  count(value: number): this {
    return this.word(value).word(value / 0x1_0000_0000);
  }

  /** Takes in a text and its length. */
  text(text: string): this {
    const { length } = text;
    this.#reserve(length / 2 + 2);
    const words = this.#words;
    let at = this.#count;
    words[at++] = length;
    let i = 1;
    for (; i < length; i += 2) words[at++] = text.charCodeAt(i - 1) | text.charCodeAt(i) << 16;
    if (i === length) words[at++] = text.charCodeAt(i - 1);
    this.#count = at;
    return this;
  }

  /** Takes in the first `length` bytes and their number. */
  bytes(bytes: Uint8Array, length: number): this {
    this.#reserve(length / 4 + 2);
    const words = this.#words;
    let at = this.#count;
    words[at++] = length;
    const whole = length & ~3;
    for (let i = 0; i < whole; i += 4) {
      words[at++] = bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24;
    }
    if (whole < length) {
      let last = 0;
      for (let i = whole; i < length; i++) last |= bytes[i]! << 8 * (i - whole);
      words[at++] = last;
    }
    this.#count = at;
    return this;
  }

  /** Adds the hash of what was taken in, by exclusive or, to the four words of `sum`. */
  addTo(sum: Int32Array): void {
    const words = this.#words;
    const length = this.#count;
    const end = (length + 3) & ~3;
    for (let i = length; i < end; i++) words[i] = 0;
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let i = 0; i < end; i += 4) {
      a = spread(a ^ scrambled(words[i]!, FIRST, 15, SECOND), 19, b, 0x561ccd1b);
      b = spread(b ^ scrambled(words[i + 1]!, SECOND, 16, THIRD), 17, c, 0x0bcaa747);
      c = spread(c ^ scrambled(words[i + 2]!, THIRD, 17, FOURTH), 15, d, 0x96cd1c35);
      d = spread(d ^ scrambled(words[i + 3]!, FOURTH, 18, FIRST), 13, a, 0x32ac3b17);
    }
    b ^= length;
    a = a + b + c + d ^ length | 0;
    a = mixed(a);
    b = mixed(b + a);
    c = mixed(c + a);
    d = mixed(d + a);
    a = a + b + c + d | 0;
    sum[0]! ^= a;
    sum[1]! ^= b + a;
    sum[2]! ^= c + a;
    sum[3]! ^= d + a;
  }

  #reserve(words: number): void {
    if (this.#count + words > MAX_WORDS) throw new RangeError("Cannot hash: the input is too long");
  }
}

function scrambled(word: number, before: number, bits: number, after: number): number {
  const product = Math.imul(word, before);
  return Math.imul(product << bits | product >>> 32 - bits, after);
}

function spread(lane: number, bits: number, next: number, constant: number): number {
  return Math.imul((lane << bits | lane >>> 32 - bits) + next, 5) + constant | 0;
}

function mixed(lane: number): number {
  lane = Math.imul(lane ^ lane >>> 16, 0x85ebca6b);
  lane = Math.imul(lane ^ lane >>> 13, 0xc2b2ae35);
  return lane ^ lane >>> 16;
}
