import { DhtError } from "./errors.ts";
import type { RecordHead } from "./record.ts";

/** Format of the entries this program makes, and the only one it reads. */
const FORMAT = 1;

const FORMAT_AT = 0;
const FLAGS_AT = 1;
const PARTITION_AT = 2;
const WALL_AT = 6;
const COUNTER_AT = 14;
const VALUE_BYTES_AT = 22;
const EXPIRES_AT = 30;
const WRITER_LENGTH_AT = 38;
const TYPE_LENGTH_AT = 40;
const TEXTS_AT = 42;
const CHECKSUM_BYTES = 4;

const KINDS = ["value", "expired", "tombstone"] as const;
const KIND_MASK = 3;
const CHUNKED = 4;
const EXPIRES = 8;

// A writer has 256 UTF-16 units at most and a content type 1,024, each of which takes at most three bytes.
const ENTRY_MAX_BYTES = TEXTS_AT + 3 * (256 + 1_024) + CHECKSUM_BYTES;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const scratch = new Uint8Array(ENTRY_MAX_BYTES);
const scratchView = new DataView(scratch.buffer);

/** What a node's ordered key index says of a key. */
export interface IndexEntry {
  readonly partition: number;
  readonly head: RecordHead;
}

/**
 * The bytes of an index entry, on disk and between nodes: fields at fixed places, the texts behind them, a checksum
 * of all these and the key last. Equal entries have equal bytes, so that owners are compared without decoding.
 *
 * @throws {RangeError} Where a text passes the bounds of a record.
 */
export function packIndexEntry(key: string, { partition, head }: IndexEntry): Uint8Array {
  const { version, kind, valueBytes, contentType, chunked, expiresMs } = head;
  const flags = KINDS.indexOf(kind) | (chunked ? CHUNKED : 0) | (expiresMs === undefined ? 0 : EXPIRES);
  scratch[FORMAT_AT] = FORMAT;
  scratch[FLAGS_AT] = flags;
  scratchView.setUint32(PARTITION_AT, partition);
  scratchView.setFloat64(WALL_AT, version.wallMs);
  scratchView.setFloat64(COUNTER_AT, version.counter);
  scratchView.setFloat64(VALUE_BYTES_AT, valueBytes);
  scratchView.setFloat64(EXPIRES_AT, expiresMs ?? 0);
  const writerBytes = putText(version.writer, TEXTS_AT);
  const typeBytes = putText(contentType, TEXTS_AT + writerBytes);
  scratchView.setUint16(WRITER_LENGTH_AT, writerBytes);
  scratchView.setUint16(TYPE_LENGTH_AT, typeBytes);
  const end = TEXTS_AT + writerBytes + typeBytes;
  scratchView.setUint32(end, checksum(key, scratch, end));
  return scratch.slice(0, end + CHECKSUM_BYTES);
}

/** Whether an entry is one that `packIndexEntry` made for that key. */
export function isIntactEntry(key: string, packed: Uint8Array): boolean {
  const end = packed.length - CHECKSUM_BYTES;
  if (end < TEXTS_AT || packed[FORMAT_AT] !== FORMAT) return false;
  const sum = checksum(key, packed, end);
  for (let i = 0; i < CHECKSUM_BYTES; i++) {
    if (packed[end + i] !== (sum >>> (24 - 8 * i) & 0xff)) return false;
  }
  return true;
}

/** The partition of an entry that is at least as long as the shortest. */
export function partitionOfEntry(packed: Uint8Array): number {
  const at = PARTITION_AT;
  return packed[at]! * 0x1000000 + (packed[at + 1]! << 16 | packed[at + 2]! << 8 | packed[at + 3]!);
}

/** Reads an entry. @throws {DhtError} "bad_message" where it is none. */
export function unpackIndexEntry(packed: Uint8Array): IndexEntry {
  if (packed.length < TEXTS_AT + CHECKSUM_BYTES || packed[FORMAT_AT] !== FORMAT) throw malformed();
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  const flags = packed[FLAGS_AT]!;
  const kind = KINDS[flags & KIND_MASK];
  const typeAt = TEXTS_AT + view.getUint16(WRITER_LENGTH_AT);
  const end = typeAt + view.getUint16(TYPE_LENGTH_AT);
  if (kind === undefined || end + CHECKSUM_BYTES !== packed.length) throw malformed();
  const writer = writers.read(packed, TEXTS_AT, typeAt);
  const head = {
    version: { wallMs: countAt(view, WALL_AT), counter: countAt(view, COUNTER_AT), writer },
    kind,
    valueBytes: countAt(view, VALUE_BYTES_AT),
    contentType: contentTypes.read(packed, typeAt, end),
    chunked: (flags & CHUNKED) !== 0,
    expiresMs: (flags & EXPIRES) === 0 ? undefined : countAt(view, EXPIRES_AT),
  };
  return { partition: view.getUint32(PARTITION_AT), head };
}

/** Texts that mostly are the one before: decoding costs more than comparing. */
class RepeatedText {
  #bytes = new Uint8Array(0);
  #text = "";

  read(from: Uint8Array, start: number, end: number): string {
    if (!this.#isSame(from, start, end)) {
      this.#bytes = from.slice(start, end);
      this.#text = decoder.decode(this.#bytes);
    }
    return this.#text;
  }

  #isSame(from: Uint8Array, start: number, end: number): boolean {
    if (end - start !== this.#bytes.length) return false;
    for (let i = start; i < end; i++) if (from[i] !== this.#bytes[i - start]) return false;
    return true;
  }
}

const writers = new RepeatedText();
const contentTypes = new RepeatedText();

function putText(text: string, at: number): number {
  const { read, written } = encoder.encodeInto(text, scratch.subarray(at, ENTRY_MAX_BYTES - CHECKSUM_BYTES));
  if (read < text.length) throw new RangeError(`A text of an index entry is too long: ${text.length} units`);
  return written;
}

function countAt(view: DataView, at: number): number {
  const count = view.getFloat64(at);
  if (!Number.isSafeInteger(count) || count < 0) throw malformed();
  return count;
}

/** FNV-1a, 32 bits: against what a failing disk does, not against anybody. */
function checksum(key: string, packed: Uint8Array, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  for (let i = 0; i < end; i++) hash = Math.imul(hash ^ packed[i]!, 0x01000193);
  return hash >>> 0;
}

function malformed(): DhtError {
  return new DhtError("bad_message", "Cannot read message: expected an entry of the key index");
}
