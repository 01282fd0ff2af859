import { assertEquals, assertThrows } from "@std/assert";
import { decode, encode } from "@msgpack/msgpack";
import { DhtError } from "../../lib/core/errors.ts";
import { INLINE_MAX_BYTES, type StoredRecord, type ValueRecord } from "../../lib/core/record.ts";
import { decodeRecord, encodeRecord } from "../../lib/core/record_codec.ts";

const VERSION = { wallMs: 1_700_000_000_123, counter: 7, writer: "store.3+1" };
const INLINE: ValueRecord = {
  kind: "value",
  version: VERSION,
  valueBytes: 3,
  contentType: "text/plain; charset=utf-8",
  sha256: new Uint8Array(32).fill(9),
  body: { kind: "inline", bytes: Uint8Array.of(1, 2, 3) },
};
const BLOB: ValueRecord = { ...INLINE, valueBytes: 2 ** 40, body: { kind: "blob", id: "a1b2" } };

const RECORDS: Record<string, StoredRecord> = {
  "an inline value": INLINE,
  "an empty value": { ...INLINE, valueBytes: 0, body: { kind: "inline", bytes: new Uint8Array() } },
  "a value that expires": { ...INLINE, expiresMs: 1_800_000_000_000 },
  "a blob of a TiB": BLOB,
  "a deletion": { kind: "tombstone", version: VERSION, expired: false },
  "an expiry": { kind: "tombstone", version: { ...VERSION, counter: 0 }, expired: true },
};

for (const [name, record] of Object.entries(RECORDS)) {
  Deno.test(`decodeRecord() given ${name} that went through MessagePack, then it is as before`, () => {
    assertEquals(decodeRecord(decode(encode(encodeRecord(record)))), record);
  });
}

const MALFORMED: Record<string, unknown> = {
  "no list": { kind: "value" },
  "an unknown kind": encodeRecord(INLINE).with(0, 3),
  "a negative time": encodeRecord(INLINE).with(1, -1),
  "a fraction as counter": encodeRecord(INLINE).with(2, 0.5),
  "an empty writer": encodeRecord(INLINE).with(3, ""),
  "a length other than that of the bytes": encodeRecord(INLINE).with(4, 4),
  "a length past every disk": encodeRecord(BLOB).with(4, 2 ** 50),
  "a content type that is a number": encodeRecord(INLINE).with(5, 1),
  "a content type that is too long": encodeRecord(INLINE).with(5, "x".repeat(1_025)),
  "a time of expiry that is a text": encodeRecord(INLINE).with(6, "soon"),
  "a checksum of 31 bytes": encodeRecord(INLINE).with(7, new Uint8Array(31)),
  "no body": encodeRecord(INLINE).slice(0, 8),
  "a field more than a value has": [...encodeRecord(INLINE), "more"],
  "a field more than a deletion has": [
    ...encodeRecord({ kind: "tombstone", version: INLINE.version, expired: false }),
    "more",
  ],
  "a blob without an id": encodeRecord(BLOB).with(8, ""),
  "a blob without bytes": encodeRecord(BLOB).with(4, 0),
  "more inline bytes than allowed": encodeRecord(INLINE)
    .with(4, INLINE_MAX_BYTES + 1).with(8, new Uint8Array(INLINE_MAX_BYTES + 1)),
};

for (const [name, data] of Object.entries(MALFORMED)) {
  Deno.test(`decodeRecord() given ${name}, then it refuses`, () => {
    const error = assertThrows(() => decodeRecord(data), DhtError);
    assertEquals(error.code, "bad_message");
  });
}
