import { assert, assertEquals } from "@std/assert";
import { isMet, isReachable, type QuorumNeed, readQuorum } from "../../lib/core/quorum.ts";
import { ReadState, type ReadStep } from "../../lib/core/read_state.ts";
import type { RecordHead } from "../../lib/core/record.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { subsets } from "../support/subsets.ts";

const OLD = head(1);
const NEW = head(2);
const EXPIRED: RecordHead = { ...NEW, kind: "expired", valueBytes: 0 };
const DELETED: RecordHead = { ...head(3), kind: "tombstone", valueBytes: 0 };
const THREE = needOf("abc");
/** A change that puts d in the place of a. */
const CHANGING: readonly QuorumNeed[] = [...needOf("bcd"), ...needOf("abc")];

Deno.test("read given no reply, then it waits", () => {
  assertEquals(new ReadState(THREE).step(), { kind: "wait" });
});

Deno.test("read given fewer replies than R, then it waits", () => {
  assertEquals(read(THREE, { a: NEW }).step(), { kind: "wait" });
});

Deno.test("read given R owners hold nothing, then the key is absent", () => {
  assertEquals(read(THREE, { a: undefined, c: undefined }).step(), { kind: "absent" });
});

Deno.test("read given R owners hold the same, then it is found and nobody is stale", () => {
  assertEquals(read(THREE, { a: NEW, b: NEW }).step(), {
    kind: "found",
    head: NEW,
    holders: ["a", "b"],
    stale: [],
  });
});

const STALE: Record<string, readonly [RecordHead | undefined, RecordHead]> = {
  "an older value": [OLD, NEW],
  "nothing": [undefined, NEW],
  "a value that another owner has expired": [NEW, EXPIRED],
  "a value that another owner has deleted": [NEW, DELETED],
};
for (const [name, [less, more]] of Object.entries(STALE)) {
  Deno.test(`read given an owner holds ${name}, then it is stale, whoever replied first`, () => {
    const expected: ReadStep = { kind: "found", head: more, holders: ["b"], stale: ["a"] };
    assertEquals(read(THREE, { a: less, b: more }).step(), expected);
    assertEquals(read(THREE, { b: more, a: less }).step(), expected);
  });
}

Deno.test("read given the stale owner was repaired, then nobody is stale", () => {
  const state = read(THREE, { a: OLD, b: NEW });
  state.reply("a", NEW);
  assertEquals(state.step(), { kind: "found", head: NEW, holders: ["a", "b"], stale: [] });
});

Deno.test("read given the stale owner could not be repaired, then another owner must reply", () => {
  const state = read(THREE, { a: OLD, b: NEW });
  state.fail("a");
  assertEquals(state.step(), { kind: "wait" });
  state.reply("c", NEW);
  assertEquals(state.step(), { kind: "found", head: NEW, holders: ["b", "c"], stale: [] });
});

Deno.test("read given the only holder is lost before its record was fetched, then what the others hold counts", () => {
  const state = read(THREE, { a: undefined, b: NEW });
  state.fail("b");
  state.reply("c", undefined);
  assertEquals(state.step(), { kind: "absent" });
});

Deno.test("read given too many owners failed, then it fails", () => {
  assertEquals(read(THREE, { a: NEW }, "bc").step(), { kind: "fail" });
});

Deno.test("read given an owner was given up, when its reply comes late, then it does not count", () => {
  const state = read(THREE, { b: OLD }, "a");
  state.reply("a", NEW);
  assertEquals(state.step(), { kind: "wait" });
});

Deno.test("read given a change of layout, when a quorum of only one of the two replied, then it waits", () => {
  assertEquals(read(CHANGING, { a: NEW, b: NEW }).step(), { kind: "wait" });
  assertEquals(read(CHANGING, { b: NEW, d: NEW }).step(), { kind: "wait" });
});

Deno.test("read given a change of layout, when a quorum of both replied, then it is found", () => {
  assertEquals(read(CHANGING, { a: NEW, b: OLD, d: undefined }).step(), {
    kind: "found",
    head: NEW,
    holders: ["a"],
    stale: ["b", "d"],
  });
});

Deno.test("read given a change of layout, when one of the two cannot reach its quorum, then it fails", () => {
  assertEquals(read(CHANGING, { b: NEW, c: NEW }, "").step().kind, "found");
  assertEquals(read(CHANGING, {}, "ab").step(), { kind: "fail" });
  assertEquals(read(CHANGING, {}, "cd").step(), { kind: "fail" });
  assertEquals(read(CHANGING, {}, "ad").step(), { kind: "wait" });
});

Deno.test("read given a change of layout, when only a node that is to own the key holds anything, then the key is absent", () => {
  const isBaseOwner = (owner: string) => "abc".includes(owner);
  const state = new ReadState(CHANGING, isBaseOwner);
  state.reply("d", NEW);
  for (const owner of ["a", "b"]) state.reply(owner, undefined);
  assertEquals(state.step(), { kind: "absent" });
  state.reply("b", OLD);
  assertEquals(state.step(), { kind: "found", head: OLD, holders: ["b"], stale: ["a"] });
  state.reply("a", NEW);
  assertEquals(state.step(), { kind: "found", head: NEW, holders: ["d", "a"], stale: ["b"] });
});

const MODELS: Record<string, readonly QuorumNeed[]> = {
  "three owners": needOf("abc"),
  "four owners": needOf("abcd"),
  "five owners": needOf("abcde"),
  "a change that replaces one": CHANGING,
  "a change that adds one to two": [...needOf("abc"), ...needOf("ab")],
  "a change from one to another": [...needOf("b"), ...needOf("a")],
};

for (const [name, needs] of Object.entries(MODELS)) {
  Deno.test(`read given ${name}, any replies and any losses, then it agrees with the obvious`, () => {
    const all = [...new Set(needs.flatMap((need) => need.owners))].join("");
    const random = new SeededRandom(5);
    for (const replied of subsets(all)) {
      for (const lost of subsets(all)) {
        const heads = replied.map((owner) => [owner, random.pick([undefined, OLD, NEW, DELETED])] as const);
        checkRead(needs, new Map(heads), lost);
      }
    }
  });
}

/** The obvious: count those that replied and were not lost; the greatest version wins. */
function checkRead(
  needs: readonly QuorumNeed[],
  replies: ReadonlyMap<string, RecordHead | undefined>,
  lost: readonly string[],
): void {
  const state = new ReadState(needs);
  for (const [owner, reply] of replies) state.reply(owner, reply);
  for (const owner of lost) state.fail(owner);
  const valid = [...replies].filter(([owner]) => !lost.includes(owner));
  const step = state.step();
  if (!isMet(needs, (owner) => valid.some(([replied]) => replied === owner))) {
    assertEquals(step.kind, isReachable(needs, (owner) => lost.includes(owner)) ? "wait" : "fail");
    return;
  }
  const newest = Math.max(0, ...valid.map(([, reply]) => reply?.version.wallMs ?? 0));
  assertEquals(step.kind, newest === 0 ? "absent" : "found");
  if (step.kind !== "found") return;
  assertEquals(step.head.version.wallMs, newest);
  const holds = ([, reply]: readonly [string, RecordHead | undefined]) => reply?.version.wallMs === newest;
  assertEquals(step.holders, valid.filter(holds).map(([owner]) => owner));
  assertEquals(step.stale, valid.filter((entry) => !holds(entry)).map(([owner]) => owner));
  assert(step.holders.length > 0);
}

function read(
  needs: readonly QuorumNeed[],
  replies: Readonly<Record<string, RecordHead | undefined>>,
  lost = "",
): ReadState {
  const state = new ReadState(needs);
  for (const [owner, reply] of Object.entries(replies)) state.reply(owner, reply);
  for (const owner of lost) state.fail(owner);
  return state;
}

function needOf(owners: string): QuorumNeed[] {
  return [{ owners: [...owners], required: readQuorum(owners.length) }];
}

function head(wallMs: number): RecordHead {
  const version = { wallMs, counter: 0, writer: "a.1" };
  return {
    version,
    kind: "value",
    valueBytes: 1,
    contentType: "text/plain",
    chunked: false,
    expiresMs: undefined,
  };
}
