import { assert, assertEquals } from "@std/assert";
import { KeyFilter } from "../../lib/node/key_filter.ts";

const SEED = 0x5eed;

function keys(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}/${i}`);
}

Deno.test("key filter given keys, then it may have each of them, and knows of most others that it has not", () => {
  const filter = new KeyFilter(64 * 1024, SEED);
  const added = keys("käse", 10_000);
  added.forEach((key) => filter.add(key));
  assert(added.every((key) => filter.mayHave(key)));
  const wrong = keys("other", 10_000).filter((key) => filter.mayHave(key)).length;
  // (1 - e^(-4 * 10,000 / 524,288))^4 is 3 in 100,000.
  assert(wrong < 10, `wrong about ${wrong} of 10,000`);
});

Deno.test("key filter given many more keys than it is good for, then it may still have each of them", () => {
  const filter = new KeyFilter(64, SEED);
  const added = keys("k", 1_000);
  added.forEach((key) => filter.add(key));
  assert(added.every((key) => filter.mayHave(key)));
});

Deno.test("key filter given no bytes, then it may have any key", () => {
  const filter = new KeyFilter(0, SEED);
  filter.add("a");
  assertEquals([filter.mayHave("a"), filter.mayHave("b"), filter.bytes], [true, true, 0]);
});
