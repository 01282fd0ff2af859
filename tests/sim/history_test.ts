import { assertEquals } from "@std/assert";
import { History, type Outcome } from "./history.ts";

const DONE: Outcome = { kind: "read" };
const UNKNOWN: Outcome = { kind: "unknown", reason: "no answer" };

/** A history of operations that each begin and end at these times. */
function historyOf(
  ...calls: readonly (readonly [key: string, fromMs: number, toMs: number, Outcome])[]
): History {
  let nowMs = 0;
  const history = new History(() => nowMs);
  const moments = calls.flatMap(([key, fromMs, toMs, outcome]) => {
    let end = (): void => {};
    const begin = (): void => {
      const operation = history.begin({ client: "c", kind: "get", key, coordinator: "n1" });
      end = () => history.end(operation, outcome);
    };
    return [{ ms: fromMs, act: begin }, { ms: toMs, act: () => end() }];
  });
  for (const { ms, act } of moments.sort((a, b) => a.ms - b.ms)) {
    nowMs = ms;
    act();
  }
  return history;
}

for (
  const [name, share, history] of [
    ["nothing", 0, historyOf()],
    ["one after the other", 0, historyOf(["a", 0, 5, DONE], ["a", 6, 9, DONE])],
    ["two at a time of two keys", 0, historyOf(["a", 0, 5, DONE], ["b", 1, 4, DONE])],
    ["two at a time of one key", 2 / 3, historyOf(["a", 0, 5, DONE], ["a", 1, 4, DONE], ["a", 6, 9, DONE])],
    ["one within a long one", 1, historyOf(["a", 0, 9, DONE], ["a", 1, 2, DONE], ["a", 6, 7, DONE])],
    ["a later one than one given up", 0, historyOf(["a", 0, 5, UNKNOWN], ["a", 6, 9, DONE])],
    ["one given up within another", 1, historyOf(["a", 0, 5, UNKNOWN], ["a", 4, 9, DONE])],
  ] as const
) {
  Deno.test(`overlapShare() given ${name}, then ${share.toFixed(2)}`, () => {
    assertEquals(history.overlapShare(), share);
  });
}

Deno.test("history given an unknown outcome, then the operation has no end for who checks it", () => {
  const [operation] = historyOf(["a", 0, 5, UNKNOWN]).operations;
  assertEquals([operation?.endMs, operation?.gaveUpMs], [Infinity, 5]);
});
