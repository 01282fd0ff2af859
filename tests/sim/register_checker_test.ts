import { assertEquals } from "@std/assert";
import type { Version } from "../../lib/core/hlc.ts";
import type { Operation, Outcome } from "./history.ts";
import { checkRegister, countReads } from "./register_checker.ts";

function version(wallMs: number): Version {
  return { wallMs, counter: 0, writer: "w.1" };
}

/** An operation from `startMs` to `endMs`; each test's are numbered in the order given. */
function operation(
  kind: Operation["kind"],
  [startMs, endMs]: readonly [number, number],
  outcome: Outcome,
  value?: string,
): Operation {
  const call = { id: startMs, client: "c", kind, key: "k", coordinator: "n", startMs, endMs, outcome };
  return value === undefined ? call : { ...call, value };
}

function put(value: string, times: readonly [number, number], wallMs: number): Operation {
  return operation("put", times, { kind: "acknowledged", version: version(wallMs) }, value);
}

function lostPut(value: string, startMs: number): Operation {
  return operation("put", [startMs, Infinity], { kind: "unknown", reason: "no answer" }, value);
}

function refusedPut(value: string, times: readonly [number, number]): Operation {
  return operation("put", times, { kind: "refused", reason: "overloaded" }, value);
}

function remove(times: readonly [number, number], wallMs: number): Operation {
  return operation("delete", times, { kind: "acknowledged", version: version(wallMs) });
}

function lostRemove(startMs: number): Operation {
  return operation("delete", [startMs, Infinity], { kind: "unknown", reason: "no answer" });
}

function found(value: string, times: readonly [number, number], wallMs: number): Operation {
  return operation("get", times, { kind: "read", value, version: version(wallMs) });
}

function absent(times: readonly [number, number]): Operation {
  return operation("get", times, { kind: "read" });
}

const FINE: Readonly<Record<string, readonly Operation[]>> = {
  "nothing was written": [absent([1, 2])],
  "the last write is read": [put("x", [1, 2], 5), put("y", [3, 4], 6), found("y", [5, 6], 6)],
  "either of two writes at the same time is read": [
    put("x", [1, 9], 5),
    put("y", [2, 8], 6),
    found("x", [3, 4], 5),
    found("y", [10, 11], 6),
  ],
  "an unknown write lands late": [
    lostPut("x", 1),
    put("y", [2, 3], 6),
    found("y", [4, 5], 6),
    found("x", [6, 7], 9),
  ],
  "an unknown write never lands": [lostPut("x", 1), absent([2, 3])],
  "an unknown write was stamped again": [lostPut("x", 1), found("x", [2, 3], 5), found("x", [4, 5], 6)],
  "a deletion": [put("x", [1, 2], 5), remove([3, 4], 6), absent([5, 6])],
  "an unknown deletion lands late": [
    put("x", [1, 2], 5),
    lostRemove(3),
    found("x", [4, 5], 5),
    absent([6, 7]),
    absent([8, 9]),
  ],
  "a write after a deletion": [
    put("x", [1, 2], 5),
    remove([3, 4], 6),
    put("y", [5, 6], 7),
    found("y", [7, 8], 7),
  ],
};

for (const [name, operations] of Object.entries(FINE)) {
  Deno.test(`checkRegister() given ${name}, then it finds nothing`, () => {
    assertEquals(checkRegister(operations, { readsStick: true }), []);
  });
}

const WRONG: Readonly<Record<string, { readonly operations: readonly Operation[]; readonly says: string }>> =
  {
    "a read of a replaced value": {
      operations: [put("x", [1, 2], 5), put("y", [3, 4], 6), found("x", [5, 6], 5)],
      says: "an acknowledged write was lost",
    },
    "a deleted value is read": {
      operations: [put("x", [1, 2], 5), remove([3, 4], 6), found("x", [5, 6], 5)],
      says: "a deleted value came back",
    },
    "an acknowledged value is absent": {
      operations: [put("x", [1, 2], 5), absent([3, 4])],
      says: "an acknowledged value was not there",
    },
    "an acknowledged value is absent, and was deleted before it was written": {
      operations: [remove([1, 2], 4), put("x", [3, 4], 5), absent([5, 6])],
      says: "an acknowledged value was not there",
    },
    "two reads of an unknown write, the second of less": {
      operations: [put("x", [1, 2], 5), lostPut("y", 3), found("y", [4, 5], 6), found("x", [6, 7], 5)],
      says: "a read went back behind what was there before it began",
    },
    "a value is read again after an unknown deletion was seen": {
      operations: [put("x", [1, 2], 5), lostRemove(3), absent([4, 5]), found("x", [6, 7], 5)],
      says: "a read went back behind what was there before it began",
    },
    "an unknown write is seen and then absent": {
      operations: [lostPut("x", 1), found("x", [2, 3], 5), absent([4, 5])],
      says: "an acknowledged value was not there",
    },
    "a write acknowledged below an earlier one": {
      operations: [put("x", [1, 2], 9), put("y", [3, 4], 6)],
      says: "a write was acknowledged, but not above what was there",
    },
    "a value nobody wrote": { operations: [found("z", [1, 2], 5)], says: "a value nobody wrote was read" },
    "a value that was called off": {
      operations: [refusedPut("x", [1, 2]), found("x", [3, 4], 5)],
      says: "a value was read whose write had said that nothing was written",
    },
    "a version later than its write's": {
      operations: [put("x", [1, 2], 5), found("x", [3, 4], 7)],
      says: "a value was read with a version later than its write's last",
    },
    "one version with two values": {
      operations: [lostPut("x", 1), lostPut("y", 1), found("x", [2, 3], 5), found("y", [4, 5], 5)],
      says: "one version stands for two values",
    },
  };

for (const [name, { operations, says }] of Object.entries(WRONG)) {
  Deno.test(`checkRegister() given ${name}, then it says so`, () => {
    assertEquals(checkRegister(operations, { readsStick: true }).map((text) => text.split("\n")[0]), [says]);
  });
}

Deno.test("checkRegister() given two copies, when only a read has shown a write, then a later read may show less", () => {
  const operations = [put("x", [1, 2], 5), lostPut("y", 3), found("y", [4, 5], 6), found("x", [6, 7], 5)];
  assertEquals(checkRegister(operations, { readsStick: false }), []);
});

Deno.test("countReads() given a deletion of unknown outcome, then reads from then on are blind", () => {
  const before = [put("x", [1, 2], 5), found("x", [3, 4], 5), remove([5, 6], 7), absent([7, 8])];
  const unanswered = operation("get", [9, Infinity], { kind: "unknown", reason: "no answer" });
  const after = [lostRemove(10), absent([11, 12]), found("x", [13, 14], 5)];
  assertEquals(countReads([...before, unanswered]), { answered: 2, blind: 0 });
  assertEquals(countReads([...before, unanswered, ...after]), { answered: 4, blind: 2 });
});
