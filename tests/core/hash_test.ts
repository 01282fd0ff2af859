import { assertEquals, assertNotEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { hash128 } from "../../lib/core/hash.ts";

// The published test values of XXH3-128 (seed 0). A ring's data depends on them: they must never change.
const KNOWN: Record<string, readonly [string, string]> = {
  "nothing": ["", "99aa06d3014798d86001c324468d497f"],
  "one letter": ["a", "a96faf705af16834e6c632b61e964e1f"],
  "three letters": ["abc", "06b05ab6733a618578af5f94892f3950"],
};

for (const [name, [text, hex]] of Object.entries(KNOWN)) {
  Deno.test(`hash128() given ${name}, then the known hash, from text and from its bytes`, () => {
    assertEquals(encodeHex(hash128(text)), hex);
    assertEquals(encodeHex(hash128(new TextEncoder().encode(text))), hex);
  });
}

Deno.test("hash128() given a second text, then the first one's hash stays as it was", () => {
  const first = hash128("a");
  const before = encodeHex(first);
  assertNotEquals(encodeHex(hash128("b")), before);
  assertEquals(encodeHex(first), before);
});

Deno.test("hash128() given text beyond ASCII, then it hashes its UTF-8 bytes", () => {
  assertEquals(
    encodeHex(hash128("\u00e9\u{1f600}")),
    encodeHex(hash128(new TextEncoder().encode("\u00e9\u{1f600}"))),
  );
});
