import { assertEquals } from "@std/assert";
import type { StoredRecord } from "../../lib/core/record.ts";
import { RecordCache } from "../../lib/node/record_cache.ts";

const RECORD: StoredRecord = {
  kind: "tombstone",
  version: { wallMs: 1, counter: 0, writer: "s.1" },
  expired: false,
};
/** Bytes that make one record more than a third, and less than half, of the cache. */
const BYTES = 4_000;

Deno.test("record cache given no room for the next, then drops the oldest that was not asked for", () => {
  const cache = new RecordCache(10_000);
  cache.set("a", RECORD, BYTES);
  cache.set("b", RECORD, BYTES);
  assertEquals(cache.get("a"), RECORD);
  cache.set("c", RECORD, BYTES);
  assertEquals(["a", "b", "c"].map((key) => cache.get(key) !== undefined), [true, false, true]);
});

Deno.test("record cache given all were asked for, when there is no room, then drops one all the same", () => {
  const cache = new RecordCache(10_000);
  for (const key of ["a", "b", "c", "d"]) {
    cache.set(key, RECORD, BYTES);
    cache.get(key);
  }
  assertEquals(["a", "b", "c", "d"].filter((key) => cache.get(key) !== undefined).length, 2);
  assertEquals(cache.bytes <= 10_000, true);
});

Deno.test("record cache given a record larger than itself, then it keeps none", () => {
  const cache = new RecordCache(1_000);
  cache.set("a", RECORD, BYTES);
  assertEquals([cache.get("a"), cache.bytes], [undefined, 0]);
});
