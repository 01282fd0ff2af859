/**
 * What the entries of a node's database look like: their keys, and their values as versioned MessagePack.
 *
 * Every value but a chunk's and an index entry's (`lib/core/index_entry.ts`) is an array that begins with the number
 * of its format.
 */
import { Decoder, Encoder } from "@msgpack/msgpack";
import { DhtError } from "../core/errors.ts";
import type { Version } from "../core/hlc.ts";
import type { StoreKey } from "../ports/store.ts";

/** Format of the entries this program writes, and the newest it reads. */
export const ENTRY_FORMAT = 1;

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
  if (!Number.isSafeInteger(field) || (field as number) < 0) throw damagedEntry();
  return field as number;
}

/** A field that must be a text. */
export function textOf(field: unknown): string {
  if (typeof field !== "string") throw damagedEntry();
  return field;
}

/** A field that must be bytes. */
export function bytesOf(field: unknown): Uint8Array {
  if (!(field instanceof Uint8Array)) throw damagedEntry();
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
    throw damagedEntry(cause);
  }
  if (!Array.isArray(data)) throw damagedEntry();
  return data;
}

/** Why an entry of another format cannot be read. */
export function unknownFormat(format: unknown): DhtError {
  return new DhtError(
    "store_failed",
    `Cannot read the database: an entry has format ${format}, this program reads format ${ENTRY_FORMAT}; ` +
      "use the program version that wrote it, or a newer one",
    { format: String(format) },
  );
}

/** Why an entry whose bytes make no sense cannot be read. */
export function damagedEntry(cause?: unknown): DhtError {
  return new DhtError("corrupt_value", "Cannot read an entry of the database: it is damaged", {}, { cause });
}
