import { assertEquals } from "@std/assert";
import { SortedTexts } from "../../lib/adapters/sorted_texts.ts";

/** Numbers below `bound`, always the same ones. */
function draws(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * bound);
  };
}

const text = (n: number): string => `text ${String(n).padStart(5, "0")}`;

Deno.test("SortedTexts given texts that come and go, then answers as a sorted array does", () => {
  const draw = draws(7);
  const sorted = new SortedTexts();
  const model = new Set<string>();
  const compare = (): void => {
    const [from, to] = [text(draw(5_000)), text(draw(5_000))];
    const limit = draw(2_000);
    const between = [...model].sort().filter((item) => item > from && item < to);
    assertEquals(sorted.ascending(from, to, limit), between.slice(0, limit));
    assertEquals(sorted.descending(from, to, limit), between.reverse().slice(0, limit));
  };
  // It grows to several blocks, shrinks to next to nothing, and grows again.
  for (const [steps, adds] of [[6_000, 8], [12_000, 1], [6_000, 8]] as const) {
    for (let step = 0; step < steps; step++) {
      const item = text(draw(5_000));
      if (draw(10) < adds) {
        if (!model.has(item)) sorted.add(item);
        model.add(item);
      } else if (model.delete(item)) sorted.delete(item);
      if (step % 400 === 0) compare();
    }
  }
});

Deno.test("SortedTexts given a long stretch removed, then texts before it come and go in order", () => {
  const sorted = new SortedTexts();
  for (let n = 0; n < 3_000; n++) sorted.add(text(n));
  for (let n = 20; n < 2_990; n++) sorted.delete(text(n));
  sorted.delete(text(5));
  sorted.add(text(5));
  const left = Array.from({ length: 30 }, (_, i) => text(i < 20 ? i : 2_970 + i));
  assertEquals(sorted.ascending("", "u", 100), left);
  assertEquals(sorted.descending("", "u", 100), left.toReversed());
});
