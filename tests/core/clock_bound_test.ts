import { assertEquals } from "@std/assert";
import { CLOCK_BOUND_MS, isTooFarAhead, reachedByQuorum } from "../../lib/core/clock_bound.ts";

const AHEAD: Record<string, [wallMs: number, nowMs: number, expected: boolean]> = {
  "now": [1_000, 1_000, false],
  "an hour ahead": [3_600_000, 0, false],
  "at the bound": [CLOCK_BOUND_MS, 0, false],
  "past the bound": [CLOCK_BOUND_MS + 1, 0, true],
  "behind": [0, 10 * CLOCK_BOUND_MS, false],
};
for (const [name, [wallMs, nowMs, expected]] of Object.entries(AHEAD)) {
  Deno.test(`isTooFarAhead() given a stamp ${name}, then ${expected}`, () => {
    assertEquals(isTooFarAhead({ wallMs }, nowMs), expected);
  });
}

const THREE = [{ owners: ["a", "b", "c"], required: 2 }];
const REACHED: Record<string, [clocks: Record<string, number>, expected: number | undefined]> = {
  "all three answer": [{ a: 5, b: 1, c: 9 }, 5],
  "two answer": [{ a: 5, c: 9 }, 5],
  "one answers": [{ a: 5 }, undefined],
  "one is not asked": [{ a: 5, b: 3, x: 100 }, 3],
};
for (const [name, [clocks, expected]] of Object.entries(REACHED)) {
  Deno.test(`reachedByQuorum() given ${name}, then ${expected}`, () => {
    assertEquals(reachedByQuorum(THREE, new Map(Object.entries(clocks))), expected);
  });
}

Deno.test("reachedByQuorum() given two layouts, then a quorum of each has reached it", () => {
  const needs = [...THREE, { owners: ["c", "d", "e"], required: 2 }];
  assertEquals(reachedByQuorum(needs, new Map([["a", 9], ["b", 8], ["c", 7], ["d", 3]])), 3);
});
