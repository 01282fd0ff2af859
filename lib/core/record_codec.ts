import { DhtError } from "./errors.ts";
import type { Version } from "./hlc.ts";
import { chunkCount, INLINE_MAX_BYTES, type StoredRecord, type ValueRecord } from "./record.ts";

/** UTF-16 units a content type may have. */
const CONTENT_TYPE_MAX_LENGTH = 1_024;

/** UTF-16 units a blob's id may have. */
const BLOB_ID_MAX_LENGTH = 64;

const WRITER_MAX_LENGTH = 256;
const SHA256_BYTES = 32;
// A value whose chunks could not be counted exactly is not a value.
const VALUE_MAX_BYTES = 2 ** 48;

const VALUE = 0;
const TOMBSTONE = 1;
const EXPIRED = 2;

/**
 * A record as plain data, for MessagePack: on disk and between nodes.
 *
 * `[kind, wallMs, counter, writer]`, and for a value `[..., valueBytes, contentType, expiresMs | null, sha256,
 * body]`, where body is the bytes or, as a text, the blob's id. The id is local to the node that encodes:
 * another node can only ask that node for its chunks.
 */
export function encodeRecord(record: StoredRecord): unknown[] {
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
  if (kind === VALUE) return decodeValue(version, data);
  if (kind !== TOMBSTONE && kind !== EXPIRED) throw malformed("a known kind");
  return { kind: "tombstone", version, expired: kind === EXPIRED };
}

function decodeVersion(wallMs: unknown, counter: unknown, writer: unknown): Version {
  if (!isCount(wallMs) || !isCount(counter)) throw malformed("a version of whole numbers");
  if (!isText(writer, WRITER_MAX_LENGTH) || writer === "") throw malformed("a version's writer");
  return { wallMs, counter, writer };
}

function decodeValue(version: Version, data: readonly unknown[]): ValueRecord {
  const [, , , , valueBytes, contentType, expiresMs, sha256, body] = data;
  if (!isCount(valueBytes) || valueBytes > VALUE_MAX_BYTES) throw malformed("a length of the value");
  if (!isText(contentType, CONTENT_TYPE_MAX_LENGTH)) throw malformed("a content type");
  if (!(sha256 instanceof Uint8Array) || sha256.length !== SHA256_BYTES) throw malformed("a SHA-256");
  if (expiresMs !== null && !isCount(expiresMs)) throw malformed("a time of expiry");
  const value = { kind: "value", version, valueBytes, contentType, sha256 } as const;
  const whole = { ...value, body: decodeBody(body, valueBytes) };
  return expiresMs === null ? whole : { ...whole, expiresMs };
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
