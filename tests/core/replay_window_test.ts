import { assertEquals } from "@std/assert";
import { ReplayWindow } from "../../lib/core/replay_window.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const cases: [string, number[], boolean[]][] = [
  ["counters in order", [1, 2, 3], [true, true, true]],
  ["one twice", [1, 1, 2, 1], [true, false, true, false]],
  ["counters that overtook one another", [5, 3, 4, 3, 5], [true, true, true, false, false]],
  ["one that is just within the window", [16, 1, 1], [true, true, false]],
  ["one that is too late", [17, 1], [true, false]],
  ["a leap of more than the window", [3, 100, 99, 85, 84, 100], [true, true, true, true, false, false]],
  ["a leap onto the place of one seen before", [3, 19, 3], [true, true, false]],
];
for (const [name, counters, expected] of cases) {
  Deno.test(`ReplayWindow of 16 given ${name}, then accepts ${expected.join(", ")}`, () => {
    const window = new ReplayWindow(16);
    assertEquals(counters.map((counter) => window.accept(counter)), expected);
  });
}

Deno.test("ReplayWindow given counters in any order, then never accepts one twice, and each that is not too late", () => {
  const random = new SeededRandom("window");
  const window = new ReplayWindow(64);
  const seen = new Set<number>();
  let greatest = 0;
  for (let i = 0; i < 20_000; i++) {
    const counter = Math.max(1, greatest + random.below(100) - 90);
    const isNew = !seen.has(counter) && counter > greatest - 64;
    assertEquals(window.accept(counter), isNew, `counter ${counter} at ${greatest}`);
    seen.add(counter);
    greatest = Math.max(greatest, counter);
  }
});
