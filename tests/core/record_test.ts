import { assertEquals } from "@std/assert";
import { CHUNK_BYTES, chunkCount, compareHeads, headOf, type StoredRecord } from "../../lib/core/record.ts";

const VERSION = { wallMs: 10, counter: 1, writer: "a.1" };
const NEWER = { ...VERSION, counter: 2 };
const VALUE = { valueBytes: 3, contentType: "text/plain", sha256: new Uint8Array(32) };

const HEADS: Record<string, readonly [StoredRecord, ReturnType<typeof headOf>]> = {
  "a small value": [
    { kind: "value", version: VERSION, ...VALUE, body: { kind: "inline", bytes: Uint8Array.of(1, 2, 3) } },
    {
      version: VERSION,
      kind: "value",
      valueBytes: 3,
      contentType: "text/plain",
      chunked: false,
      expiresMs: undefined,
    },
  ],
  "a large value": [
    { kind: "value", version: VERSION, ...VALUE, valueBytes: 99_999, body: { kind: "blob", id: "b" } },
    {
      version: VERSION,
      kind: "value",
      valueBytes: 99_999,
      contentType: "text/plain",
      chunked: true,
      expiresMs: undefined,
    },
  ],
  "a deletion": [
    { kind: "tombstone", version: VERSION, expired: false },
    {
      version: VERSION,
      kind: "tombstone",
      valueBytes: 0,
      contentType: "",
      chunked: false,
      expiresMs: undefined,
    },
  ],
  "an expiry": [
    { kind: "tombstone", version: VERSION, expired: true },
    {
      version: VERSION,
      kind: "expired",
      valueBytes: 0,
      contentType: "",
      chunked: false,
      expiresMs: undefined,
    },
  ],
};

for (const [name, [record, head]] of Object.entries(HEADS)) {
  Deno.test(`headOf() given ${name}, then what it is without its bytes`, () => {
    assertEquals(headOf(record), head);
  });
}

type Head = Parameters<typeof compareHeads>[0];
const ORDER: Record<string, readonly [a: Head, b: Head, sign: number]> = {
  "an older value and a newer one": [
    { version: VERSION, kind: "value" },
    { version: NEWER, kind: "value" },
    -1,
  ],
  "a newer value and an older deletion": [
    { version: NEWER, kind: "value" },
    { version: VERSION, kind: "tombstone" },
    1,
  ],
  "a value and its own expiry": [
    { version: VERSION, kind: "value" },
    { version: VERSION, kind: "expired" },
    -1,
  ],
  "a newer value and an older one's expiry": [
    { version: NEWER, kind: "value" },
    { version: VERSION, kind: "expired" },
    1,
  ],
  "a value twice": [{ version: VERSION, kind: "value" }, { version: VERSION, kind: "value" }, 0],
  "an expiry twice": [{ version: VERSION, kind: "expired" }, { version: VERSION, kind: "expired" }, 0],
};

for (const [name, [a, b, sign]] of Object.entries(ORDER)) {
  Deno.test(`compareHeads() given ${name}, then ${sign}`, () => {
    assertEquals(Math.sign(compareHeads(a, b)), sign);
    assertEquals(Math.sign(compareHeads(b, a)), sign === 0 ? 0 : -sign);
  });
}

const CHUNKS: Record<string, readonly [bytes: number, chunks: number]> = {
  "no bytes": [0, 0],
  "one byte": [1, 1],
  "exactly one chunk": [CHUNK_BYTES, 1],
  "one byte more than a chunk": [CHUNK_BYTES + 1, 2],
  "a GiB": [2 ** 30, 17_477],
};

for (const [name, [bytes, chunks]] of Object.entries(CHUNKS)) {
  Deno.test(`chunkCount() given ${name}, then ${chunks}`, () => {
    assertEquals(chunkCount(bytes), chunks);
  });
}
