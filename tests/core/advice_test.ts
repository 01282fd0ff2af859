import { assertEquals } from "@std/assert";
import { shareAdvice } from "../../lib/core/advice.ts";

/** `a` in no zone; `a@x` in zone x; `a*2` of weight 2. */
function members(text: string) {
  return text.split(" ").map((word) => {
    const [, address, weight, zone] = /^(\w)(?:\*([\d.]+))?(?:@(\w))?$/.exec(word)!;
    return { address: address!, weight: Number(weight ?? 1), ...(zone === undefined ? {} : { zone }) };
  });
}

const ROWS: Record<string, readonly [members: string, copies: number, advice: readonly string[]]> = {
  "no weights and no zones": ["a b c d", 3, []],
  "a zone for each copy": ["a@x b@y c@z d@x", 3, []],
  "weights that can be met": ["a*2 b c d e", 3, []],
  "two zones for three copies": ["a@x b@x c@y d@y", 3, [
    "3 copies in 2 zones: losing zone x may lose 2 of 3 copies.",
    "3 copies in 2 zones: losing zone y may lose 2 of 3 copies.",
  ]],
  "two zones, one of a single node": ["a@x b@x c@y", 3, [
    "3 copies in 2 zones: losing zone x may lose 2 of 3 copies.",
  ]],
  "one zone for all": ["a@x b@x c@x d@x", 3, [
    "3 copies in 1 zone: losing zone x may lose 3 of 3 copies.",
  ]],
  "a node without a zone": ["a@x b@y c", 3, [
    "c is in no zone and counts as one: start it with --zone.",
  ]],
  "two nodes without one": ["a@x b c", 3, [
    "b, c are in no zone and count as one each: start them with --zone.",
  ]],
  "weights where all hold everything": ["a*2 b c", 3, [
    "With 3 nodes and 3 copies every node holds everything: weights change nothing.",
  ]],
  "a weight beyond all partitions": ["a*5 b c d", 3, [
    "The weight of a, 5 of 8, asks for more than one copy of every key: it holds one.",
  ]],
};
for (const [name, [text, copies, advice]] of Object.entries(ROWS)) {
  Deno.test(`advice given ${name}, then ${advice.length === 0 ? "nothing" : "just that"} is said`, () => {
    assertEquals(shareAdvice(members(text), copies), advice);
  });
}
