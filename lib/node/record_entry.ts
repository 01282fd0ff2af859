/** The value of a record's entry: its bytes, and back. */
import { Fingerprint } from "../core/fingerprint.ts";
import type { StoredRecord } from "../core/record.ts";
import { decodeRecord, encodeRecord } from "../core/record_codec.ts";
import { damagedEntry, ENTRY_FORMAT, unknownFormat } from "./entries.ts";
import { PackReader } from "./pack_reader.ts";
import { PackWriter } from "./pack_writer.ts";
import { Slab } from "./slab.ts";

/** Words of the checksum behind a record. */
const CHECKSUM_WORDS = 2;
const CHECKSUM_BYTES = 4 * CHECKSUM_WORDS;

const writer = new PackWriter();
const reader = new PackReader();
const fingerprint = new Fingerprint();
const checksum = new Int32Array(4);
const slab = new Slab();

/**
 * The value of a record's entry: `[format, record]` in MessagePack, the record as `encodeRecord` gives it, and behind
 * it a checksum of all but the value's own bytes, which come last in it and have their SHA-256. A version that a
 * failing disk has changed would win or lose against the good ones.
 */
export function encodeRecordEntry(record: StoredRecord): Uint8Array {
  const fields = encodeRecord(record);
  writer.start().list(2).count(ENTRY_FORMAT).list(fields.length);
  for (const field of fields) {
    if (typeof field === "number") writer.count(field);
    else if (typeof field === "string") writer.text(field);
    else if (field === null) writer.none();
    else writer.bytes(field);
  }
  sumHead(writer.buffer, writer.length - inlineBytes(record));
  for (let i = 0; i < CHECKSUM_WORDS; i++) writer.word(checksum[i]!);
  return copyOfEntry(writer.written());
}

/**
 * The record of an entry; its bytes, which are views of the entry's, are not checked against their SHA-256.
 *
 * @throws {DhtError} "corrupt_value" where the bytes are damaged, "store_failed" where a newer program wrote them.
 */
export function decodeRecordEntry(value: Uint8Array): StoredRecord {
  const length = Math.max(0, value.length - CHECKSUM_BYTES);
  let record: StoredRecord;
  try {
    record = decodeRecord(fieldsOf(value, length));
    sumHead(value, length - inlineBytes(record));
  } catch (cause) {
    if (cause instanceof UnknownFormat) throw unknownFormat(cause.format);
    throw damagedEntry(cause);
  }
  for (let i = 0; i < CHECKSUM_BYTES; i++) {
    if (value[length + i] !== (checksum[i >>> 2]! >>> 8 * (i & 3) & 0xff)) throw damagedEntry();
  }
  return record;
}

/** The record of an entry that this process has written, or verified, itself; its bytes are views of the entry's. */
export function decodeTrustedEntry(value: Uint8Array): StoredRecord {
  return decodeRecord(fieldsOf(value, value.length - CHECKSUM_BYTES));
}

/** A copy of an entry, for as long as it is not in its place: it shares a buffer with those that come next. */
export function copyOfEntry(entry: Uint8Array): Uint8Array {
  return slab.copy(entry);
}

class UnknownFormat extends Error {
  constructor(readonly format: unknown) {
    super("The format is not known");
  }
}

function fieldsOf(value: Uint8Array, length: number): unknown[] {
  const isPair = reader.start(value, length).list() === 2;
  const format = reader.field();
  if (format !== ENTRY_FORMAT) throw new UnknownFormat(format);
  if (!isPair) throw new RangeError("Cannot read a record: expected two fields");
  const fields: unknown[] = [];
  for (let left = reader.list(); left > 0; left--) fields.push(reader.field());
  if (!reader.isAtEnd) throw new RangeError("Cannot read a record: there is more behind it");
  return fields;
}

function sumHead(bytes: Uint8Array, length: number): void {
  checksum.fill(0);
  fingerprint.start().bytes(bytes, length).addTo(checksum);
}

function inlineBytes(record: StoredRecord): number {
  return record.kind === "value" && record.body.kind === "inline" ? record.body.bytes.length : 0;
}
