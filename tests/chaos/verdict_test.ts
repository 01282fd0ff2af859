import { assertEquals } from "@std/assert";
import type { Operation, Outcome } from "../sim/history.ts";
import { AUDITOR } from "./audit.ts";
import { Witness } from "./clients.ts";
import { judge, type Kind, weaknessesOf } from "./verdict.ts";

const version = (wallMs: number) => ({ wallMs, counter: 0, writer: "w.1" });

type Row = readonly [client: string, kind: Operation["kind"], value: string | undefined, outcome: Outcome];

/** A history of one key: each row one operation after the other. */
function witnessOf(...rows: readonly Row[]): Witness {
  return witnessOfKey("a", ...rows);
}

function witnessOfKey(key: string, ...rows: readonly Row[]): Witness {
  const witness = new Witness();
  rows.forEach(([client, kind, value, outcome], id) => {
    witness.history.operations.push({
      id,
      client,
      kind,
      key,
      coordinator: "n1",
      startMs: id * 10,
      endMs: id * 10 + 5,
      outcome,
      ...(value !== undefined && { value }),
    });
  });
  return witness;
}

function kindsOf(witness: Witness, differing = new Map<string, string>()): Kind[] {
  return judge(witness, differing, () => false).violations.map(({ kind }) => kind);
}

const PUT_1 = ["c1", "put", "a#1", { kind: "acknowledged", version: version(1) }] as const;
const PUT_2 = ["c1", "put", "a#2", { kind: "acknowledged", version: version(2) }] as const;
const DELETE_3 = ["c1", "delete", undefined, { kind: "acknowledged", version: version(3) }] as const;
const found = (client: string, value: string, wallMs: number) =>
  [client, "get", undefined, { kind: "read", value, version: version(wallMs) }] as const;
const absent = (client: string) => [client, "get", undefined, { kind: "read" }] as const;

for (
  const [name, kinds, witness] of [
    ["reads of what was put last", [], witnessOf([...PUT_1], [...PUT_2], [...found("c1", "a#2", 2)])],
    ["an older value", ["stale"], witnessOf([...PUT_1], [...PUT_2], [...found("c1", "a#1", 1)])],
    ["an older value at the end", ["lost"], witnessOf([...PUT_1], [...PUT_2], [...found(AUDITOR, "a#1", 1)])],
    ["nothing at the end", ["lost"], witnessOf([...PUT_1], [...absent(AUDITOR)])],
    ["a deleted value", ["resurrected"], witnessOf([...PUT_2], [...DELETE_3], [...found("c1", "a#2", 2)])],
    ["a value of nobody", ["other"], witnessOf([...PUT_1], [...found("c1", "a#9", 9)])],
  ] as const
) {
  Deno.test(`verdict given ${name}, then ${kinds.join() || "nothing is wrong"}`, () => {
    assertEquals(kindsOf(witness), [...kinds]);
  });
}

Deno.test("verdict given torn and cut values and owners that differ, then each counts", () => {
  const witness = witnessOf();
  witness.torn.push("half of a");
  witness.cutShort.push("a after 3 bytes");
  assertEquals(kindsOf(witness, new Map([["a", "n1 holds more than n2"]])), [
    "torn",
    "cut short",
    "differing",
  ]);
});

Deno.test("verdict given a strong key without an order of its operations, then says so beside what is stale", () => {
  const rows: Row[] = [[...PUT_1], [...PUT_2], [...found("c1", "a#1", 1)]];
  assertEquals(kindsOf(witnessOfKey("strong/a", ...rows)), ["stale", "no order"]);
});

const DELETE_4 = ["c1", "delete", undefined, { kind: "acknowledged", version: version(4) }] as const;
const UNANSWERED = { kind: "unknown", reason: "no answer" } as const;
const USUAL = { seconds: 30, largeMib: 100, steps: 3 };
const SMALL = ["key deleted", "strong operation"].map((what) => `no ${what}`);
const LARGE = ["large value put", "large value read"].map((what) => `no ${what}`);
type KeyRows = readonly [key: string, ...rows: Row[]];
/** Everything that a run of 30 s must have had. */
const ALL: readonly [KeyRows, KeyRows] = [
  ["strong/a", PUT_1, found("c1", "a#1", 1), DELETE_4],
  ["large/0", PUT_1, found("c1", "a#1", 1)],
];
const RUNS: readonly [name: string, Partial<typeof USUAL>, missing: string[], readonly KeyRows[]][] = [
  ["all that it must have had", {}, [], ALL],
  ["no step", { steps: 0 }, ["no step of the nemesis"], ALL],
  ["nothing", {}, ["no value put", "no value read", ...SMALL, ...LARGE], []],
  ["nothing in a second", { seconds: 1 }, ["no value put", "no value read"], []],
  ["no large values, of which none were asked for", { largeMib: 0 }, [], [ALL[0]]],
  ["no large values in ten seconds", { seconds: 10 }, [], [ALL[0]]],
  ["large values alone", {}, ["no value put", "no value read", ...SMALL], [ALL[1]]],
  ["only what was not answered", { seconds: 1 }, ["no value put", "no value read"], [
    ["a", ["c1", "put", "a#1", UNANSWERED], ["c1", "get", undefined, UNANSWERED]],
  ]],
  ["reads of nothing, and of the audit", { seconds: 1 }, ["no value read"], [
    ["a", PUT_1, absent("c1"), found(AUDITOR, "a#1", 1)],
  ]],
];

for (const [name, run, missing, keys] of RUNS) {
  Deno.test(`verdict given a run with ${name}, then ${missing.length === 0 ? "it will do" : missing.join()}`, () => {
    const witness = new Witness();
    for (const [key, ...rows] of keys) {
      witness.history.operations.push(...witnessOfKey(key, ...rows).history.operations);
    }
    const isLarge = (key: string) => key.startsWith("large/");
    assertEquals(weaknessesOf(witness, isLarge, { ...USUAL, ...run }), missing);
  });
}
