import { encodeKey, hashBytes, keyBytes } from "./key_hash.ts";

/** Bytes that are allocated at a time, at most, and given up together. */
const SEGMENT_BYTES = 256 * 1024;
/** Segments that a cache has at least, once it is full. */
const MIN_SEGMENTS = 4;
/** Entries whose keys hash to the same place in the index. */
const WAYS = 8;
/** Before each entry: lengths of its key and of its bytes, 16 bits each, the lower ones first, and flags. */
const HEADER_BYTES = 5;
const FLAGS_AT = 4;
const MAX_ENTRY_BYTES = 0xffff;
/** Of a flag: the entry is in the index. */
const LIVE = 1;
/** Of a flag: it was asked for since its segment was last cleared. */
const USED = 2;
/** Bytes of the index for one entry: its hash, and where it is. */
const SLOT_BYTES = 8;

/** Bytes of memory that one side of the cache takes. */
interface Segment {
  readonly bytes: Uint8Array;
  used: number;
}

/**
 * Short byte strings by key in a bounded number of bytes, outside of the heap: no object for each, which takes
 * several times the room and time of the garbage collector.
 *
 * Entries are appended to segments. When there is no room for another segment, the oldest is cleared but for
 * what was asked for since it was last: that stays, up to half of it. The index is set-associative: an entry whose
 * place is taken by eight others drives one of them out. Nothing is promised to be kept.
 */
export class ByteCache {
  readonly #maxBytes: number;
  readonly #segmentBytes: number;
  readonly #seed: number;
  readonly #segments: Segment[] = [];
  /** The one that is being filled. */
  #current = 0;
  /** Where each entry begins, of all segments laid end to end, and one more: 0 is none. */
  #places = new Int32Array(WAYS);
  #hashes = new Int32Array(WAYS);
  #count = 0;
  // Of the entry that was found last.
  #slot = 0;
  #segment: Segment = { bytes: keyBytes, used: 0 };
  #at = 0;

  /**
   * @param maxBytes Memory for all, its index included.
   * @param seed Whoever chooses keys does not know where they hash to if this is random: 32 bits.
   */
  constructor(maxBytes: number, seed: number) {
    this.#maxBytes = maxBytes;
    this.#segmentBytes = Math.min(SEGMENT_BYTES, Math.floor(maxBytes / MIN_SEGMENTS));
    this.#seed = seed | 0;
  }

  /** The bytes of a key: a view, valid until the cache is changed. */
  get(key: string): Uint8Array | undefined {
    const length = encodeKey(key);
    if (!this.#find(length, hashBytes(keyBytes, 0, length, this.#seed))) return undefined;
    const { bytes } = this.#segment;
    const at = this.#at;
    bytes[at + FLAGS_AT]! |= USED;
    const start = at + HEADER_BYTES + length;
    return bytes.subarray(start, start + uint16(bytes, at + 2));
  }

  /** Keeps a copy of the bytes, unless they are too many. */
  set(key: string, value: Uint8Array): void {
    const length = encodeKey(key);
    const hash = hashBytes(keyBytes, 0, length, this.#seed);
    if (this.#find(length, hash)) {
      const { bytes } = this.#segment;
      if (uint16(bytes, this.#at + 2) === value.length) {
        bytes.set(value, this.#at + HEADER_BYTES + length);
        bytes[this.#at + FLAGS_AT]! |= USED;
        return;
      }
      this.#drop(this.#slot);
    }
    const size = HEADER_BYTES + length + value.length;
    if (value.length > MAX_ENTRY_BYTES || size > this.#segmentBytes / 2) return;
    this.#append(length, hash, value, size);
  }

  delete(key: string): void {
    const length = encodeKey(key);
    if (this.#find(length, hashBytes(keyBytes, 0, length, this.#seed))) this.#drop(this.#slot);
  }

  clear(): void {
    this.#segments.length = 0;
    this.#current = 0;
    this.#places = new Int32Array(WAYS);
    this.#hashes = new Int32Array(WAYS);
    this.#count = 0;
  }

  /** Number of entries. */
  get size(): number {
    return this.#count;
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#segments.length * this.#segmentBytes + this.#places.length * SLOT_BYTES;
  }

  /** Looks for the key in `keyBytes`. */
  #find(length: number, hash: number): boolean {
    const first = this.#firstSlot(hash);
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#hashes[slot] !== hash || this.#places[slot] === 0) continue;
      const place = this.#places[slot]! - 1;
      const segment = this.#segments[Math.floor(place / this.#segmentBytes)]!;
      const at = place % this.#segmentBytes;
      if (!isKeyAt(segment.bytes, at, length)) continue;
      this.#slot = slot;
      this.#segment = segment;
      this.#at = at;
      return true;
    }
    return false;
  }

  #append(length: number, hash: number, value: Uint8Array, size: number): void {
    const at = this.#reserve(size);
    const segment = this.#segments[this.#current]!;
    const { bytes } = segment;
    putUint16(bytes, at, length);
    putUint16(bytes, at + 2, value.length);
    bytes[at + FLAGS_AT] = LIVE;
    for (let i = 0; i < length; i++) bytes[at + HEADER_BYTES + i] = keyBytes[i]!;
    bytes.set(value, at + HEADER_BYTES + length);
    segment.used = at + size;
    this.#insert(hash, 1 + this.#current * this.#segmentBytes + at);
  }

  /** Makes room in the current segment; returns where it begins. */
  #reserve(size: number): number {
    const current = this.#segments[this.#current];
    if (current !== undefined && current.used + size <= this.#segmentBytes) return current.used;
    if (this.bytes + this.#segmentBytes <= this.#maxBytes || this.#segments.length === 0) {
      this.#current = this.#segments.length;
      this.#segments.push({ bytes: new Uint8Array(this.#segmentBytes), used: 0 });
      return 0;
    }
    this.#current = (this.#current + 1) % this.#segments.length;
    this.#clearOut(this.#segments[this.#current]!, this.#current * this.#segmentBytes);
    return this.#segments[this.#current]!.used;
  }

  /** Moves what is worth it to the front of a segment, and drops the rest. */
  #clearOut(segment: Segment, base: number): void {
    const { bytes } = segment;
    let kept = 0;
    for (let at = 0; at < segment.used;) {
      const length = uint16(bytes, at);
      const size = HEADER_BYTES + length + uint16(bytes, at + 2);
      const flags = bytes[at + FLAGS_AT]!;
      if ((flags & LIVE) !== 0) {
        const slot = this.#slotOf(hashBytes(bytes, at + HEADER_BYTES, length, this.#seed), 1 + base + at);
        if ((flags & USED) !== 0 && kept + size <= this.#segmentBytes / 2) {
          bytes.copyWithin(kept, at, at + size);
          bytes[kept + FLAGS_AT] = LIVE;
          this.#places[slot] = 1 + base + kept;
          kept += size;
        } else {
          this.#places[slot] = 0;
          this.#count--;
        }
      }
      at += size;
    }
    segment.used = kept;
  }

  #insert(hash: number, place: number): void {
    const first = this.#firstSlot(hash);
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#places[slot] !== 0) continue;
      this.#put(slot, hash, place);
      return;
    }
    if (this.#mayGrow()) {
      this.#grow();
      this.#insert(hash, place);
    } else {
      const slot = first + (place % WAYS);
      this.#drop(slot);
      this.#put(slot, hash, place);
    }
  }

  #put(slot: number, hash: number, place: number): void {
    this.#places[slot] = place;
    this.#hashes[slot] = hash;
    this.#count++;
  }

  #drop(slot: number): void {
    const place = this.#places[slot]! - 1;
    const { bytes } = this.#segments[Math.floor(place / this.#segmentBytes)]!;
    bytes[place % this.#segmentBytes + FLAGS_AT]! &= ~LIVE;
    this.#places[slot] = 0;
    this.#count--;
  }

  // Keys that were chosen to collide would have it grow without end.
  #mayGrow(): boolean {
    const slots = this.#places.length;
    return this.#count >= slots / 4 && this.bytes + slots * SLOT_BYTES <= this.#maxBytes;
  }

  /** Doubles the index. */
  #grow(): void {
    const [places, hashes] = [this.#places, this.#hashes];
    this.#places = new Int32Array(2 * places.length);
    this.#hashes = new Int32Array(2 * hashes.length);
    this.#count = 0;
    // Of two places that were one, neither gets more entries than that had.
    for (let slot = 0; slot < places.length; slot++) {
      if (places[slot] !== 0) this.#insert(hashes[slot]!, places[slot]!);
    }
  }

  /** The slot of an entry that is in the index. */
  #slotOf(hash: number, place: number): number {
    let slot = this.#firstSlot(hash);
    while (this.#places[slot] !== place) slot++;
    return slot;
  }

  #firstSlot(hash: number): number {
    return (hash & (this.#places.length / WAYS - 1)) * WAYS;
  }
}

function isKeyAt(bytes: Uint8Array, at: number, length: number): boolean {
  if (uint16(bytes, at) !== length) return false;
  const start = at + HEADER_BYTES;
  for (let i = 0; i < length; i++) {
    if (bytes[start + i] !== keyBytes[i]) return false;
  }
  return true;
}

function uint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | bytes[at + 1]! << 8;
}

function putUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = value >>> 8;
}
