import { assertEquals, assertThrows } from "@std/assert";
import { SeededRandom } from "../support/seeded_random.ts";
import type { Operation, Outcome } from "./history.ts";
import { checkLinearizable, linearize } from "./linearizability.ts";

const VERSION = { wallMs: 1, counter: 0, writer: "w" };

/** An operation in short: "put a 0-5", "get a 3-4", "get - 3-4" (absence), "del 1-2"; "?" in place of the end: unknown. */
function history(...lines: string[]): Operation[] {
  return lines.map((line, id) => {
    const [kind, ...rest] = line.split(" ");
    const [from, to] = rest.at(-1)!.split("-");
    const value = rest.length > 1 ? rest[0]! : undefined;
    const isUnknown = to === "?" || to === "!";
    const endMs = to === "?" ? Infinity : to === "!" ? Number(from) + 1 : Number(to);
    return {
      id,
      client: `c${id}`,
      kind: kind === "del" ? "delete" : kind as "put" | "get",
      key: "k",
      ...(kind === "put" && { value: value! }),
      coordinator: "n",
      startMs: Number(from),
      endMs,
      outcome: outcomeOf(kind!, value, isUnknown ? to : undefined),
    };
  });
}

function outcomeOf(kind: string, value: string | undefined, open: string | undefined): Outcome {
  if (open !== undefined) return { kind: open === "?" ? "unknown" : "refused", reason: "" };
  if (kind !== "get") return { kind: "acknowledged", version: VERSION };
  return value === "-" || value === undefined ? { kind: "read" } : { kind: "read", value, version: VERSION };
}

const ACCEPTED: Record<string, string[]> = {
  "nothing": [],
  "absence before all": ["get - 0-1", "put a 2-3", "get a 4-5"],
  "a read of a put that goes on": ["put a 0-10", "get a 2-3", "get a 4-5"],
  "reads that order two puts": ["put a 0-10", "put b 0-10", "get b 2-3", "get a 4-5"],
  "a read before a put that goes on": ["put a 0-1", "put b 2-9", "get a 3-4", "get b 5-6", "get b 7-8"],
  "an unknown put that comes late": [
    "put a 0-1",
    "put b 2-?",
    "get a 3-4",
    "put c 5-6",
    "get c 7-8",
    "get b 9-10",
  ],
  "an unknown put that never comes": ["put a 0-1", "put b 2-?", "get a 3-4", "get a 9-10"],
  "an unknown deletion that comes between": ["put a 0-1", "del 0-?", "get a 2-3", "get - 4-5"],
  "two unknown deletions": ["del 0-?", "del 0-?", "put a 1-2", "get - 3-4", "put b 5-6", "get - 7-8"],
  "an answer and a call at the same time": ["put a 0-1", "put b 1-2", "get a 3-4"],
  "a refused put": ["put a 0-1", "put b 2-!", "get a 4-5"],
  "a read without an answer": ["put a 0-1", "get b 2-?"],
};

const REJECTED: Record<string, string[]> = {
  "an older value after a newer": ["put a 0-1", "put b 2-3", "get a 4-5"],
  "a read that goes back": ["put a 0-1", "put b 2-9", "get b 3-4", "get a 5-6"],
  "two readers that order two puts differently": [
    "put a 0-20",
    "put b 0-20",
    "get a 1-2",
    "get b 3-4",
    "get a 5-6",
  ],
  "an acknowledged value that is gone": ["put a 0-1", "get - 2-3"],
  "a deleted value that comes back": ["put a 0-1", "del 2-3", "get a 4-5"],
  "one unknown put that comes twice": ["put b 0-?", "get b 1-2", "put c 3-4", "get c 5-6", "get b 7-8"],
  "one unknown deletion that comes twice": ["del 0-?", "put a 1-2", "get - 3-4", "put b 5-6", "get - 7-8"],
  "an unknown deletion before it was called": ["put a 0-1", "get - 2-3", "del 4-?"],
  "a value nobody put": ["get a 0-1"],
  "a value that was refused": ["put a 0-!", "get a 2-3"],
  "a value before it was put": ["get a 0-1", "put a 2-3"],
};
for (const [name, lines] of Object.entries(ACCEPTED)) {
  Deno.test(`linearize() given ${name}, then finds an order`, () => {
    assertEquals(linearize(history(...lines)).kind, "linearizable");
  });
}

for (const [name, lines] of Object.entries(REJECTED)) {
  Deno.test(`linearize() given ${name}, then finds none`, () => {
    assertEquals(linearize(history(...lines)).kind, "violated");
    assertEquals(checkLinearizable(history(...lines)).length, 1);
  });
}

Deno.test("linearize() given a value is put twice, then refuses to judge", () => {
  assertThrows(() => linearize(history("put a 0-1", "put a 2-3")), TypeError);
});

Deno.test("linearize() given too many orders, then says that it has not decided, which is a failure", () => {
  const puts = Array.from({ length: 12 }, (_, i) => `put v${i} 0-100`);
  const operations = history(...puts, "get nobody 0-100");
  assertEquals(linearize(operations, 500), { kind: "undecided", states: 500 });
  assertEquals(linearize(operations).kind, "violated");
});

Deno.test("linearize() given tiny random histories, then agrees with trying every order", () => {
  const random = new SeededRandom("tiny histories");
  const verdicts = { linearizable: 0, violated: 0 };
  for (let i = 0; i < 3_000; i++) {
    const operations = randomHistory(random, { operations: 6, timesMs: 10 });
    const expected = bruteForce(operations) ? "linearizable" : "violated";
    assertEquals(linearize(operations).kind, expected, JSON.stringify(operations, null, 1));
    verdicts[expected]++;
  }
  assertEquals(verdicts.linearizable > 300 && verdicts.violated > 300, true, JSON.stringify(verdicts));
});

Deno.test("linearize() given 2,000 operations of 5 clients on a true register, then finds an order", () => {
  for (let seed = 0; seed < 5; seed++) {
    const operations = registerHistory(new SeededRandom(seed), { clients: 5, operations: 2_000 });
    assertEquals(linearize(operations).kind, "linearizable");
  }
});

Deno.test("linearize() given a true register's history with one read changed, then mostly finds none", () => {
  let violated = 0;
  for (let seed = 0; seed < 20; seed++) {
    const random = new SeededRandom(seed);
    const operations = registerHistory(random, { clients: 5, operations: 300 });
    const reads = operations.filter(({ outcome }) => outcome.kind === "read");
    const puts = operations.filter(({ outcome, kind }) => kind === "put" && outcome.kind === "acknowledged");
    const read = reads.at(-1)!;
    read.outcome = { kind: "read", value: puts[random.below(puts.length / 2)]!.value!, version: VERSION };
    const { kind } = linearize(operations);
    if (kind === "violated") violated++;
    assertEquals(kind === "undecided", false);
  }
  assertEquals(violated >= 19, true, `${violated} of 20`);
});

/** Operations at random times with random outcomes; now and then a register's. */
function randomHistory(random: SeededRandom, size: { operations: number; timesMs: number }): Operation[] {
  const values = ["a", "b", "c"];
  const left = [...values];
  const lines = Array.from({ length: size.operations }, () => {
    const from = random.below(size.timesMs);
    const to = random.chance(0.25) ? "?" : `${from + random.below(6)}`;
    const dice = random.next();
    if (dice < 0.4 && left.length > 0) return `put ${left.shift()} ${from}-${to}`;
    if (dice < 0.55) return `del ${from}-${to}`;
    return `get ${random.pick(["-", ...values])} ${from}-${to}`;
  });
  return history(...lines);
}

/** What clients see of a register whose operations take effect at a random moment between call and answer. */
function registerHistory(random: SeededRandom, size: { clients: number; operations: number }): Operation[] {
  const freeMs = new Array<number>(size.clients).fill(0);
  const calls = Array.from({ length: size.operations }, (_, id) => {
    const startMs = freeMs[id % size.clients]! + random.next() * 10;
    const isUnknown = random.chance(0.08);
    const effectMs = startMs + random.next() * (isUnknown ? 100 : 15);
    const endMs = isUnknown ? startMs + 10 : effectMs + random.next() * 15;
    freeMs[id % size.clients] = endMs;
    return { id, startMs, effectMs, endMs, isUnknown, dice: random.next() };
  });
  let value: string | undefined;
  return calls.sort((a, b) => a.effectMs - b.effectMs).map((call) => {
    const kind = call.dice < 0.5 ? "get" : call.dice < 0.85 ? "put" : "delete";
    const own = kind === "put" ? { value: `v${call.id}` } : {};
    if (kind !== "get" && !(call.isUnknown && random.chance(0.5))) value = own.value;
    const outcome: Outcome = call.isUnknown
      ? { kind: "unknown", reason: "" }
      : kind !== "get"
      ? { kind: "acknowledged", version: VERSION }
      : value === undefined
      ? { kind: "read" }
      : { kind: "read", value, version: VERSION };
    const { id, startMs } = call;
    const endMs = call.isUnknown ? Infinity : call.endMs;
    return { id, client: "c", kind, key: "k", ...own, coordinator: "n", startMs, endMs, outcome };
  }).sort((a, b) => a.startMs - b.startMs) as Operation[];
}

/** Whether any order of any choice of the open writes is that of a register: by trying them all. */
function bruteForce(operations: readonly Operation[]): boolean {
  const needed = operations.filter(({ kind, outcome }) =>
    outcome.kind !== "refused" && !(kind === "get" && outcome.kind !== "read")
  );
  const extend = (left: readonly Operation[], value: string | undefined): boolean => {
    if (left.every(({ outcome }) => outcome.kind === "unknown")) return true;
    return left.some((operation) => {
      if (left.some((other) => other !== operation && other.endMs < operation.startMs)) return false;
      const rest = left.filter((other) => other !== operation);
      if (operation.kind !== "get") return extend(rest, operation.value);
      return operation.outcome.kind === "read" && operation.outcome.value === value && extend(rest, value);
    });
  };
  return extend(needed, undefined);
}
