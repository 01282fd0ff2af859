/**
 * What the entries of a node's database look like: their keys, and their values as versioned MessagePack.
 *
 * Every value but a chunk's is an array that begins with the number of its format.
 */
import { Decoder, Encoder } from "@msgpack/msgpack";
import { DhtError } from "../core/errors.ts";
import { hash128 } from "../core/hash.ts";
import type { Version } from "../core/hlc.ts";
import type { StoredRecord } from "../core/record.ts";
import { decodeRecord, encodeRecord } from "../core/record_codec.ts";
import type { StoreKey } from "../ports/store.ts";

/** Format of the entries this program writes, and the newest it reads. */
const ENTRY_FORMAT = 1;

/** Bytes of the checksum behind a record. */
const HEAD_CHECKSUM_BYTES = 8;

/** Who owns the database: read and written by `ClaimedStore` only. */
export const CLAIM_KEY: StoreKey = ["claim"];

export const stateKey = (name: string, part: number): StoreKey => ["state", name, part];
export const recordKey = (partition: number, key: string): StoreKey => ["record", partition, key];
export const indexKey = (key: string): StoreKey => ["key", key];
export const chunkKey = (blobId: string, index: number): StoreKey => ["chunk", blobId, index];
export const uploadKey = (id: string): StoreKey => ["upload", id];
export const garbageKey = (blobId: string): StoreKey => ["garbage", blobId];
export const expiringKey = (partition: number, key: string): StoreKey => ["expiring", partition, key];
export const floorKey = (partition: number): StoreKey => ["floor", partition];
export const hintKey = (target: string, seq: number): StoreKey => ["hint", target, seq];
export const journalKey = (seq: number): StoreKey => ["journal", seq];

const encoder = new Encoder({ initialBufferSize: 4096 });
const decoder = new Decoder();

/** The value of an entry with these fields. */
export function encodeEntry(fields: readonly unknown[]): Uint8Array {
  return encoder.encode([ENTRY_FORMAT, ...fields]);
}

/**
 * The fields of an entry. Byte fields are views of `value`.
 *
 * @throws {DhtError} "corrupt_value" where the bytes are damaged, "store_failed" where a newer program wrote them.
 */
export function decodeEntry(value: Uint8Array): unknown[] {
  const [format, ...fields] = decodeArray(value);
  if (format !== ENTRY_FORMAT) throw unknownFormat(format);
  return fields;
}

/**
 * The value of a record's entry: `[format, record]`, and behind it a checksum of all but the value's own bytes,
 * which come last in it and have their SHA-256. A version that a failing disk has changed would win or lose against
 * the good ones.
 */
export function encodeRecordEntry(record: StoredRecord): Uint8Array {
  const encoded = encoder.encodeSharedRef([ENTRY_FORMAT, encodeRecord(record)]);
  const value = new Uint8Array(encoded.length + HEAD_CHECKSUM_BYTES);
  value.set(encoded);
  value.set(headChecksum(encoded, record), encoded.length);
  return value;
}

/**
 * The record of an entry; its bytes are not checked against their SHA-256.
 *
 * @throws {DhtError} As `decodeEntry` does.
 */
export function decodeRecordEntry(value: Uint8Array): StoredRecord {
  const encoded = value.subarray(0, Math.max(0, value.length - HEAD_CHECKSUM_BYTES));
  const [format, data] = decodeArray(encoded);
  if (format !== ENTRY_FORMAT) throw unknownFormat(format);
  try {
    const record = decodeRecord(data);
    const checksum = headChecksum(encoded, record);
    if (checksum.every((byte, i) => byte === value[encoded.length + i])) return record;
  } catch (cause) {
    throw damaged(cause);
  }
  throw damaged();
}

function headChecksum(encoded: Uint8Array, record: StoredRecord): Uint8Array {
  const inline = record.kind === "value" && record.body.kind === "inline" ? record.body.bytes.length : 0;
  return hash128(encoded.subarray(0, encoded.length - inline)).subarray(0, HEAD_CHECKSUM_BYTES);
}

/** The value of a floor's entry. */
export function encodeFloor(version: Version): Uint8Array {
  return encodeEntry([version.wallMs, version.counter, version.writer]);
}

/** The floor of an entry. */
export function decodeFloor(value: Uint8Array): Version {
  const [wallMs, counter, writer] = decodeEntry(value);
  return { wallMs: countOf(wallMs), counter: countOf(counter), writer: textOf(writer) };
}

/** A field that must be a whole number from 0 up. */
export function countOf(field: unknown): number {
  if (!Number.isSafeInteger(field) || (field as number) < 0) throw damaged();
  return field as number;
}

/** A field that must be a text. */
export function textOf(field: unknown): string {
  if (typeof field !== "string") throw damaged();
  return field;
}

/** A field that must be bytes. */
export function bytesOf(field: unknown): Uint8Array {
  if (!(field instanceof Uint8Array)) throw damaged();
  return field;
}

/** Whether decoding failed because the bytes are damaged. */
export function isDamage(error: unknown): boolean {
  return error instanceof DhtError && error.code === "corrupt_value";
}

function decodeArray(value: Uint8Array): unknown[] {
  let data: unknown;
  try {
    data = decoder.decode(value);
  } catch (cause) {
    throw damaged(cause);
  }
  if (!Array.isArray(data)) throw damaged();
  return data;
}

function unknownFormat(format: unknown): DhtError {
  return new DhtError(
    "store_failed",
    `Cannot read the database: an entry has format ${format}, this program reads format ${ENTRY_FORMAT}; ` +
      "use the program version that wrote it, or a newer one",
    { format: String(format) },
  );
}

function damaged(cause?: unknown): DhtError {
  return new DhtError("corrupt_value", "Cannot read an entry of the database: it is damaged", {}, { cause });
}
