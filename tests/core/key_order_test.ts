import { assertEquals } from "@std/assert";
import { compareKeys } from "../../lib/core/key_order.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const ORDER: Record<string, readonly [string, string]> = {
  "nothing and something": ["", "a"],
  "a beginning and the whole": ["ab", "abc"],
  "upper and lower case": ["Z", "a"],
  "one byte and two": ["~", "\u00e9"],
  "two bytes and three": ["\u07ff", "\u0800"],
  "the last before the surrogates and the first behind": ["\ud7ff", "\ue000"],
  "the last of three bytes and the first of four": ["\uffff", "\u{10000}"],
  "a private character and one beyond the first plane": ["\ue000", "\u{1f600}"],
  "two beyond the first plane": ["\u{10000}", "\u{10ffff}"],
  "two that share their first half": ["\u{1f600}", "\u{1f601}"],
  "a NUL and a space": ["\0", " "],
};

for (const [name, [a, b]] of Object.entries(ORDER)) {
  Deno.test(`compareKeys() given ${name}, then the first comes first`, () => {
    assertEquals([Math.sign(compareKeys(a, b)), Math.sign(compareKeys(b, a))], [-1, 1]);
    assertEquals(Math.sign(compareBytes(a, b)), -1);
  });
}

Deno.test("compareKeys() given random texts, then it orders them as their UTF-8 bytes are", () => {
  const random = new SeededRandom(1);
  const characters = [
    "a",
    "b",
    "\0",
    "\u00e9",
    "\u07ff",
    "\u0800",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "\u{10000}",
    "\u{1f600}",
  ];
  const text = () => Array.from({ length: random.below(4) }, () => random.pick(characters)).join("");
  for (let i = 0; i < 5_000; i++) {
    const [a, b] = [text(), text()];
    assertEquals(Math.sign(compareKeys(a, b)), Math.sign(compareBytes(a, b)), JSON.stringify([a, b]));
  }
});

function compareBytes(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => new TextEncoder().encode(text));
  const at = x!.findIndex((byte, i) => byte !== y![i]);
  return at === -1 || at >= y!.length ? x!.length - y!.length : x![at]! - y![at]!;
}
