import { DhtError } from "./errors.ts";
import type { Version } from "./hlc.ts";
import { chunkCount, INLINE_MAX_BYTES, type StoredRecord, type ValueRecord } from "./record.ts";

/** UTF-16 units a content type may have. */
const CONTENT_TYPE_MAX_LENGTH = 1_024;

/** UTF-16 units a blob's id may have. */
const BLOB_ID_MAX_LENGTH = 64;

const WRITER_MAX_LENGTH = 256;
const SHA256_BYTES = 32;
const VALUE_FIELDS = 9;
const TOMBSTONE_FIELDS = 4;
// A value whose chunks could not be counted exactly is not a value.
const VALUE_MAX_BYTES = 2 ** 48;

/** Kinds of records, as `encodeRecord` names them. */
export const VALUE = 0;
export const TOMBSTONE = 1;
export const EXPIRED = 2;

/**
 * A record as plain data, for MessagePack: on disk and between nodes.
 *
 * `[kind, wallMs, counter, writer]`, and for a value `[..., valueBytes, contentType, expiresMs | null, sha256,
 * body]`, where body is the bytes or, as a text, the blob's id. The id is local to the node that encodes:
 * another node can only ask that node for its chunks.
 */
export function encodeRecord(record: StoredRecord): (number | string | Uint8Array | null)[] {
  const { wallMs, counter, writer } = record.version;
  if (record.kind === "tombstone") return [record.expired ? EXPIRED : TOMBSTONE, wallMs, counter, writer];
  return [
    VALUE,
    wallMs,
    counter,
    writer,
    record.valueBytes,
    record.contentType,
    record.expiresMs ?? null,
    record.sha256,
    record.body.kind === "inline" ? record.body.bytes : record.body.id,
  ];
}

/**
 * The record that `encodeRecord` made plain. Its bytes are views of what they were decoded from.
 *
 * @throws {DhtError} "bad_message" where the data is no record, or passes a bound.
 */
export function decodeRecord(data: unknown): StoredRecord {
  if (!Array.isArray(data)) throw malformed("a list");
  const [kind, wallMs, counter, writer]: unknown[] = data;
  const version = decodeVersion(wallMs, counter, writer);
  // Nothing may hide behind the fields: what a peer sends is stored as it came, and its length is reckoned with.
  if (data.length !== (kind === VALUE ? VALUE_FIELDS : TOMBSTONE_FIELDS)) {
    throw malformed("as many fields as its kind has");
  }
  if (kind === VALUE) return decodeValue(version, data);
  if (kind !== TOMBSTONE && kind !== EXPIRED) throw malformed("a known kind");
  return { kind: "tombstone", version, expired: kind === EXPIRED };
}

/** @throws {DhtError} "bad_message" where a record passes a bound, so that what was encoded could not be decoded. */
export function assertRecord(record: StoredRecord): void {
  decodeVersion(record.version.wallMs, record.version.counter, record.version.writer);
  if (record.kind === "tombstone") return;
  const { valueBytes, contentType, expiresMs, sha256, body } = record;
  assertValue(valueBytes, contentType, expiresMs ?? null, sha256);
  decodeBody(body.kind === "inline" ? body.bytes : body.id, valueBytes);
}

function decodeVersion(wallMs: unknown, counter: unknown, writer: unknown): Version {
  if (!isCount(wallMs) || !isCount(counter)) throw malformed("a version of whole numbers");
  if (!isText(writer, WRITER_MAX_LENGTH) || writer === "") throw malformed("a version's writer");
  return { wallMs, counter, writer };
}

function decodeValue(version: Version, data: readonly unknown[]): ValueRecord {
  assertValue(data[4], data[5], data[6], data[7]);
  const valueBytes = data[4] as number;
  const contentType = data[5] as string;
  const sha256 = data[7] as Uint8Array;
  const body = decodeBody(data[8], valueBytes);
  if (data[6] === null) return { kind: "value", version, valueBytes, contentType, sha256, body };
  const expiresMs = data[6] as number;
  return { kind: "value", version, valueBytes, contentType, sha256, body, expiresMs };
}

function assertValue(valueBytes: unknown, contentType: unknown, expiresMs: unknown, sha256: unknown): void {
  if (!isCount(valueBytes) || valueBytes > VALUE_MAX_BYTES) throw malformed("a length of the value");
  if (!isText(contentType, CONTENT_TYPE_MAX_LENGTH)) throw malformed("a content type");
  if (!(sha256 instanceof Uint8Array) || sha256.length !== SHA256_BYTES) throw malformed("a SHA-256");
  if (expiresMs !== null && !isCount(expiresMs)) throw malformed("a time of expiry");
}

function decodeBody(body: unknown, valueBytes: number): ValueRecord["body"] {
  if (body instanceof Uint8Array) {
    if (body.length !== valueBytes) throw malformed("as many bytes as the value is long");
    if (body.length > INLINE_MAX_BYTES) throw malformed("chunks for a value that long");
    return { kind: "inline", bytes: body };
  }
  if (!isText(body, BLOB_ID_MAX_LENGTH) || body === "") throw malformed("bytes or a blob's id");
  if (chunkCount(valueBytes) === 0) throw malformed("bytes in a blob");
  return { kind: "blob", id: body };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown, maxLength: number): value is string {
  return typeof value === "string" && value.length <= maxLength;
}

function malformed(expected: string): DhtError {
  return new DhtError("bad_message", `Cannot read record: expected ${expected}`);
}
