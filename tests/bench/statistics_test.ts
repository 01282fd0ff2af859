import { assertEquals, assertThrows } from "@std/assert";
import { figuresOf, median, percentile } from "./statistics.ts";

Deno.test("figuresOf() given rounds in any order, then says the median and how far they lie apart", () => {
  assertEquals(figuresOf([12, 8, 10]), { median: 10, least: 8, most: 12, spread: 0.4, rounds: 3 });
  assertEquals(figuresOf([0, 0]), { median: 0, least: 0, most: 0, spread: 0, rounds: 2 });
});

Deno.test("median() of an even number of samples, then is the mean of the two in the middle", () => {
  assertEquals(median([4, 1, 3, 2]), 2.5);
  assertEquals(median([7]), 7);
  assertThrows(() => median([]), RangeError);
});

const HUNDRED = Array.from({ length: 100 }, (_, i) => 100 - i);

for (
  const { name, samples, percent, expected } of [
    { name: "the middle of a hundred", samples: HUNDRED, percent: 50, expected: 50 },
    { name: "the 99th of a hundred", samples: HUNDRED, percent: 99, expected: 99 },
    { name: "all of a hundred", samples: HUNDRED, percent: 100, expected: 100 },
    { name: "a high one of a few, which is the greatest", samples: [3, 1, 2], percent: 99, expected: 3 },
    { name: "a low one of a few, which is the least", samples: [3, 1, 2], percent: 1, expected: 1 },
  ]
) {
  Deno.test(`percentile() of ${name}`, () => assertEquals(percentile(samples, percent), expected));
}

Deno.test("percentile() given no samples or no such percentile, then throws", () => {
  assertThrows(() => percentile([], 50), RangeError);
  assertThrows(() => percentile([1], 0), RangeError);
  assertThrows(() => percentile([1], 101), RangeError);
});
