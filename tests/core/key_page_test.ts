import { assert, assertEquals, assertThrows } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { compareKeys } from "../../lib/core/key_order.ts";
import { KeyPageCursor, packKeyPage } from "../../lib/core/key_page.ts";

const KEYS = ["", "a", "aa", "b", "\u00e9", "\uffee", "\u{1f600}", "\u{1f600}".repeat(256)];
const entryOf = (key: string) => new TextEncoder().encode(`entry of ${key}`);
const ENTRIES = KEYS.map((key) => ({ key, packed: entryOf(key) }));

/** A cursor at the key of that number. */
function cursorAt(page: Uint8Array, at: number): KeyPageCursor {
  const cursor = new KeyPageCursor(page);
  for (let i = 0; i < at; i++) cursor.next();
  return cursor;
}

Deno.test("key page given keys and entries, then a cursor meets them in their order", () => {
  const found = [];
  for (const cursor = new KeyPageCursor(packKeyPage(ENTRIES)); !cursor.isDone; cursor.next()) {
    found.push({ key: cursor.key, packed: cursor.packed });
  }
  assertEquals(found, ENTRIES);
});

Deno.test("key page given no keys, then its cursor is done", () => {
  assert(new KeyPageCursor(packKeyPage([])).isDone);
});

Deno.test("key page given it is larger than all before, then it is whole", () => {
  const many = Array.from({ length: 3_000 }, (_, i) => ({ key: `k${i}`, packed: new Uint8Array(100) }));
  assertEquals(cursorAt(packKeyPage(many), 2_999).key, "k2999");
});

Deno.test("cursors given two keys, then they compare as keys do", () => {
  const page = packKeyPage(ENTRIES);
  for (const [i, a] of KEYS.entries()) {
    for (const [j, b] of KEYS.entries()) {
      const order = cursorAt(page, i).compareKey(cursorAt(page, j));
      assertEquals(Math.sign(order), Math.sign(compareKeys(a, b)), `${i} and ${j}`);
      assertEquals(cursorAt(page, i).hasSameEntry(cursorAt(page, j)), i === j);
    }
  }
});

Deno.test("key page given it ends too early, then its cursor refuses it", () => {
  const page = packKeyPage([{ key: "abc", packed: entryOf("abc") }]);
  for (let length = 1; length < page.length; length++) {
    assertEquals(assertThrows(() => new KeyPageCursor(page.slice(0, length)), DhtError).code, "bad_message");
  }
});
