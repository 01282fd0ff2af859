import { DhtError } from "./errors.ts";

const LENGTH_BYTES = 2;
const FIRST_BYTES = 64 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
let scratch = new Uint8Array(FIRST_BYTES);

/** A key and the bytes of its index entry. */
export interface PackedKey {
  readonly key: string;
  readonly packed: Uint8Array;
}

/** Keys and their entries as one string of bytes: the length of each in two bytes, and it. In the order given. */
export function packKeyPage(entries: readonly PackedKey[]): Uint8Array {
  let at = 0;
  for (const { key, packed } of entries) {
    const most = 2 * LENGTH_BYTES + 3 * key.length + packed.length;
    if (at + most > scratch.length) scratch = grown(scratch, at + most);
    const keyBytes = encoder.encodeInto(key, scratch.subarray(at + LENGTH_BYTES)).written;
    at = putLength(at, keyBytes) + keyBytes;
    at = putLength(at, packed.length);
    scratch.set(packed, at);
    at += packed.length;
  }
  return scratch.slice(0, at);
}

/** Goes through the keys of a page in their order, decoding only what is asked for. */
export class KeyPageCursor {
  readonly #page: Uint8Array;
  #keyAt = 0;
  #keyEnd = 0;
  #end = 0;

  /** Stands at the first key. @throws {DhtError} "bad_message", as `next` does, where the page is malformed. */
  constructor(page: Uint8Array) {
    this.#page = page;
    this.next();
  }

  /** Whether it is behind the last key: there is nothing to read then. */
  get isDone(): boolean {
    return this.#keyAt > this.#page.length;
  }

  /** Steps to the next key. */
  next(): void {
    if (this.#end === this.#page.length) {
      this.#keyAt = this.#page.length + 1;
      return;
    }
    this.#keyAt = this.#end + LENGTH_BYTES;
    this.#keyEnd = this.#keyAt + this.#lengthAt(this.#end);
    this.#end = this.#keyEnd + LENGTH_BYTES + this.#lengthAt(this.#keyEnd);
    if (this.#end > this.#page.length) throw malformed();
  }

  get key(): string {
    return decoder.decode(this.#page.subarray(this.#keyAt, this.#keyEnd));
  }

  /** The bytes of its index entry; a view. */
  get packed(): Uint8Array {
    return this.#page.subarray(this.#keyEnd + LENGTH_BYTES, this.#end);
  }

  /** Order of the two cursors' keys: negative if this one's comes first. The order of bytes is that of keys. */
  compareKey(other: KeyPageCursor): number {
    return compareSpans(
      { bytes: this.#page, from: this.#keyAt, to: this.#keyEnd },
      { bytes: other.#page, from: other.#keyAt, to: other.#keyEnd },
    );
  }

  /** Whether both stand at entries of the same bytes. */
  hasSameEntry(other: KeyPageCursor): boolean {
    return compareSpans(
      { bytes: this.#page, from: this.#keyEnd, to: this.#end },
      { bytes: other.#page, from: other.#keyEnd, to: other.#end },
    ) === 0;
  }

  #lengthAt(at: number): number {
    // Past the end either is undefined, and the sum then no length.
    const length = this.#page[at]! * 256 + this.#page[at + 1]!;
    if (Number.isNaN(length)) throw malformed();
    return length;
  }
}

interface Span {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
}

function compareSpans(a: Span, b: Span): number {
  const length = Math.min(a.to - a.from, b.to - b.from);
  for (let i = 0; i < length; i++) {
    const difference = a.bytes[a.from + i]! - b.bytes[b.from + i]!;
    if (difference !== 0) return difference;
  }
  return (a.to - a.from) - (b.to - b.from);
}

function putLength(at: number, length: number): number {
  scratch[at] = length >>> 8;
  scratch[at + 1] = length & 0xff;
  return at + LENGTH_BYTES;
}

function grown(buffer: Uint8Array, atLeast: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(atLeast, 2 * buffer.length));
  larger.set(buffer);
  return larger;
}

function malformed(): DhtError {
  return new DhtError("bad_message", "Cannot read message: expected a page of keys");
}
