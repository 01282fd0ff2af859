import { assertEquals } from "@std/assert";
import { type Attempt, availabilityOf } from "./availability.ts";

const attempt = (startMs: number, endMs: number, served: boolean, key = "a"): Attempt => ({
  key,
  isWrite: true,
  startMs,
  endMs,
  served,
  ...(!served && { reason: "n1: overloaded: try later" }),
});
const longestOf = (...attempts: Attempt[]) => availabilityOf(attempts).longest;

Deno.test("availability given no attempts, then nothing was unavailable", () => {
  assertEquals(availabilityOf([]), { attempts: 0, failed: 0, codes: new Map(), longest: undefined });
});

Deno.test("availability given failures, then counts them and the time to the next that was served", () => {
  const attempts = [
    attempt(0, 5, true),
    attempt(10, 12, false),
    attempt(20, 21, false),
    attempt(30, 34, true),
  ];
  const longest = { key: "a", startMs: 10, ms: 24, reason: "n1: overloaded: try later" };
  assertEquals(availabilityOf(attempts), {
    attempts: 4,
    failed: 2,
    codes: new Map([["overloaded", 2]]),
    longest,
  });
});

Deno.test("availability given a failure that lasts while another attempt is served, then the gap ends with that", () => {
  assertEquals(longestOf(attempt(0, 10_000, false), attempt(50, 60, true)), {
    key: "a",
    startMs: 0,
    ms: 60,
    reason: "n1: overloaded: try later",
  });
});

Deno.test("availability given an attempt that is served late, then that is a gap, too", () => {
  assertEquals(longestOf(attempt(0, 9, true), attempt(20, 800, true)), {
    key: "a",
    startMs: 20,
    ms: 780,
    reason: undefined,
  });
});

Deno.test("availability given a key that is never served again, then its gap has no end", () => {
  assertEquals(longestOf(attempt(0, 9, true, "b"), attempt(5, 6, true), attempt(20, 30, false)), {
    key: "a",
    startMs: 20,
    ms: Infinity,
    reason: "n1: overloaded: try later",
  });
});
