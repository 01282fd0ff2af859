import { assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { newSha256, sha256 } from "../lib/sha256.ts";

// The published test values of FIPS 180-4.
const KNOWN: Record<string, readonly [text: string, hex: string]> = {
  "nothing": ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  "three letters": ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
};

for (const [name, [text, hex]] of Object.entries(KNOWN)) {
  Deno.test(`sha256() given ${name}, then the known hash, from text and from its bytes`, () => {
    assertEquals(encodeHex(sha256(text)), hex);
    assertEquals(encodeHex(sha256(new TextEncoder().encode(text))), hex);
  });
}

Deno.test("sha256() given many texts, then no hash is changed by the ones after it", () => {
  const texts = Array.from({ length: 100 }, (_, i) => `text ${i}`);
  const hashes = texts.map((text) => sha256(text));
  texts.forEach((text, i) => assertEquals(hashes[i], new Uint8Array(newSha256().update(text).digest())));
});
