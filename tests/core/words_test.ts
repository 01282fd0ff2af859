import { assertEquals } from "@std/assert";
import { countWords, listWords, sizeWords, spanWords } from "../../lib/core/words.ts";

const ROWS: readonly (readonly [found: string, expected: string])[] = [
  [sizeWords(0), "0 B"],
  [sizeWords(999), "999 B"],
  [sizeWords(1_000), "1 kB"],
  [sizeWords(1_550_000), "1.6 MB"],
  [sizeWords(999_960), "1 MB"],
  [sizeWords(2e18), "2000 PB"],
  [spanWords(0.2), "1 s"],
  [spanWords(89), "89 s"],
  [spanWords(100), "2 min"],
  [spanWords(7_300), "3 h"],
  [countWords(1, "copy", "copies"), "1 copy"],
  [countWords(16_384, "partition"), "16,384 partitions"],
  [listWords([]), ""],
  [listWords(["a"]), "a"],
  [listWords(["a", "b", "c"]), "a, b and c"],
];
for (const [found, expected] of ROWS) {
  Deno.test(`words, then ${expected === "" ? "nothing for nothing" : expected}`, () =>
    assertEquals(found, expected));
}
