import { assertEquals } from "@std/assert";
import { Lanes } from "../../lib/node/lanes.ts";
import type { Outcome } from "../../lib/wire.ts";

const OWNER = "n1:1/s1";
const DONE: Outcome = { ok: true, answer: {} };

/** Lanes whose messages wait to be answered. */
function openLanes() {
  const down = new Set<string>();
  const sent: { readonly operations: number; answer(): void }[] = [];
  let nowMs = 0;
  const lanes = new Lanes({
    clock: { monotonicMs: () => nowMs },
    isDown: (address) => down.has(address),
    send: (_address, { calls }) => {
      const { promise, resolve } = Promise.withResolvers<readonly Outcome[]>();
      sent.push({ operations: calls.length, answer: () => resolve(calls.map(() => DONE)) });
      return promise;
    },
  });
  const told: string[] = [];
  const add = (name: string, mistake?: Error) =>
    lanes.add(OWNER, undefined, { op: "task", ask: { id: name } }, (outcome) => {
      told.push(outcome.ok ? name : `${name}: ${outcome.error.code}`);
      if (mistake !== undefined) throw mistake;
    });
  return { lanes, add, sent, told, down, advance: (ms: number) => nowMs += ms };
}

/** Until all that follows from what has happened so far has happened as well. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** What nobody has handled while `body` ran; it would end a program. */
async function unhandledIn(body: () => Promise<void>): Promise<unknown[]> {
  const unhandled: unknown[] = [];
  const note = (event: PromiseRejectionEvent): void => {
    event.preventDefault();
    unhandled.push(event.reason);
  };
  addEventListener("unhandledrejection", note);
  try {
    await body();
    await settled();
  } finally {
    removeEventListener("unhandledrejection", note);
  }
  return unhandled;
}

Deno.test("lanes given operations while a message is under way, then they make up the next one", async () => {
  const { add, sent, told } = openLanes();
  for (const name of ["a", "b", "c"]) add(name);
  assertEquals(sent.map(({ operations }) => operations), [1]);
  sent[0]!.answer();
  await settled();
  assertEquals([sent.map(({ operations }) => operations), told], [[1, 2], ["a"]]);
  sent[1]!.answer();
  await settled();
  assertEquals(told, ["a", "b", "c"]);
});

Deno.test("lanes given a message without an answer for a second, then the next one overtakes it, and all are told once", async () => {
  const { lanes, add, sent, told, advance } = openLanes();
  add("a");
  add("b");
  advance(999);
  lanes.overtakeSilent();
  assertEquals(sent.length, 1);
  advance(1);
  lanes.overtakeSilent();
  assertEquals([sent.length, lanes.silentFor(1_000)], [2, ["n1:1"]]);
  sent[1]!.answer();
  sent[0]!.answer();
  await settled();
  assertEquals([told, lanes.silentFor(0)], [["b", "a"], []]);
});

Deno.test("lanes given a peer that is down, then what waits fails, and so does what comes", async () => {
  const { lanes, add, sent, told, down } = openLanes();
  add("a");
  add("b");
  down.add("n1:1");
  lanes.fail("n1:1");
  add("c");
  sent[0]!.answer();
  await settled();
  assertEquals(told, ["a: peer_unreachable", "b: peer_unreachable", "c: peer_unreachable"]);
});

Deno.test("lanes given who is told of an operation throws, then all others are told, and the mistake is not hidden", async () => {
  const mistake = new Error("A mistake of this program");
  for (const end of ["answered", "given up"] as const) {
    const { lanes, add, sent, told } = openLanes();
    const unhandled = await unhandledIn(async () => {
      add("a", mistake);
      for (const name of ["b", "c"]) add(name, mistake);
      add("d");
      if (end === "given up") lanes.fail("n1:1");
      for (let i = 0; i < 2; i++) {
        sent[i]?.answer();
        await settled();
      }
      add("e");
      sent.at(-1)!.answer();
      await settled();
    });
    const names = told.map((name) => name.slice(0, 1)).join("");
    assertEquals([names, unhandled], ["abcde", [mistake, mistake, mistake]]);
  }
});
