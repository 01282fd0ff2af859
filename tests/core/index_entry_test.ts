import { assertEquals, assertThrows } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import {
  type IndexEntry,
  isIntactEntry,
  packIndexEntry,
  partitionOfEntry,
  unpackIndexEntry,
} from "../../lib/core/index_entry.ts";
import type { RecordHead } from "../../lib/core/record.ts";

const HEAD: RecordHead = {
  version: { wallMs: 1_700_000_000_000, counter: 3, writer: "s1.1" },
  kind: "value",
  valueBytes: 2 ** 40,
  contentType: "text/plain; charset=utf-8",
  chunked: true,
  expiresMs: 1_800_000_000_000,
};

const ENTRIES: Record<string, IndexEntry> = {
  "a value": { partition: 16_383, head: HEAD },
  "a deletion": {
    partition: 0,
    head: {
      ...HEAD,
      kind: "tombstone",
      valueBytes: 0,
      contentType: "",
      chunked: false,
      expiresMs: undefined,
    },
  },
  "an expiry in the last partition there can be": {
    partition: 2 ** 32 - 1,
    head: { ...HEAD, kind: "expired", chunked: false, expiresMs: undefined },
  },
  "the longest texts": {
    partition: 1,
    head: {
      ...HEAD,
      version: { ...HEAD.version, writer: "\u20ac".repeat(256) },
      contentType: "\u20ac".repeat(1_024),
    },
  },
};

for (const [name, entry] of Object.entries(ENTRIES)) {
  Deno.test(`index entry given ${name}, then it is read as it was packed`, () => {
    const packed = packIndexEntry("key", entry);
    assertEquals(isIntactEntry("key", packed), true);
    assertEquals(partitionOfEntry(packed), entry.partition);
    assertEquals(unpackIndexEntry(packed), entry);
  });
}

Deno.test("index entry given any of its bytes has changed, or its key, then it is not intact", () => {
  const packed = packIndexEntry("key", { partition: 7, head: HEAD });
  for (let i = 0; i < packed.length; i++) {
    assertEquals(isIntactEntry("key", packed.with(i, packed[i]! ^ 1)), false, `byte ${i}`);
  }
  assertEquals(isIntactEntry("kez", packed), false);
});

Deno.test("unpackIndexEntry() given a part of an entry, then it refuses it", () => {
  const packed = packIndexEntry("key", { partition: 7, head: HEAD });
  for (let length = 0; length < packed.length; length++) {
    const error = assertThrows(() => unpackIndexEntry(packed.slice(0, length)), DhtError);
    assertEquals(error.code, "bad_message");
  }
});
