import { assert, assertEquals, assertMatch } from "@std/assert";
import { admitMember, changeMember, liveLayouts, type RingState } from "../../lib/core/membership.ts";
import { type WarningFacts, Warnings } from "../../lib/node/warnings.ts";
import { allReport, store, syncedRing } from "../support/rings.ts";

function facts(nodes: string, known: Partial<WarningFacts> = {}): WarningFacts {
  const state = known.state ?? syncedRing([...nodes], { partitions: 64 });
  return {
    state,
    live: liveLayouts(state),
    down: [],
    stats: { damagedRecords: 0, diskFull: false },
    ...known,
  };
}

function warned(nodes: string, known: Partial<WarningFacts> = {}): string[] {
  return new Warnings().warnings(facts(nodes, known));
}

function noted(nodes: string, known: Partial<WarningFacts> = {}): string[] {
  return new Warnings().notes(facts(nodes, known));
}

Deno.test("warnings given three healthy nodes, then none, and that any one may fail", () => {
  assertEquals(warned("abc"), []);
  assertEquals(noted("abc"), ["Any one node may fail: every key then can still be read and written."]);
});

Deno.test("warnings given one of three nodes is down, then what misses, and that no further one may fail", () => {
  assertEquals(warned("abc", { down: ["b"] }), [
    "b does not answer.",
    "Keys in 64 of 64 partitions have fewer than 3 copies within reach: those of b are missing.",
    "No further node may fail: some keys could then be neither read nor written.",
  ]);
  assertEquals(noted("abc", { down: ["b"] }), []);
});

Deno.test("warnings given a dead node was removed, and others fetch its copies still, then no further one may fail", () => {
  const state = changeMember(syncedRing([..."abcd"], { partitions: 64 }), "d", { state: "removed" });
  assertEquals(noted("", { state }), []);
  const [thin, spare] = warned("", { state });
  assertMatch(
    thin!,
    /^Keys in \d\d of 64 partitions have fewer than 3 copies within reach: those of d \(removed\) are missing\.$/,
  );
  assertEquals(spare, "No further node may fail: some keys could then be neither read nor written.");
  assertEquals(noted("", { state: allReport(state) }).length, 1);
});

Deno.test("warnings given a node whose disk was replaced fetches still, then what was on the old one counts as missing", () => {
  const state = admitMember(syncedRing([..."abc"], { partitions: 64 }), store("b", "b2"));
  assertEquals(noted("", { state }), []);
  assertEquals(warned("", { state }), [
    "Keys in 64 of 64 partitions have fewer than 3 copies within reach: those of b (its disk was replaced) are missing.",
    "No further node may fail: some keys could then be neither read nor written.",
  ]);
  assertEquals(noted("", { state: allReport(state) }).length, 1);
});

Deno.test("warnings given a node is removed, when the layouts are as before, then health is worked out anew", () => {
  const warnings = new Warnings();
  const before = facts("abcd");
  assertEquals(warnings.notes(before).length, 1);
  const state = changeMember(before.state, "d", { state: "removed" });
  assertEquals(warnings.notes({ ...before, state }), []);
});

Deno.test("warnings given nodes that have another secret, then that, and not that they do not answer", () => {
  const [first, second] = warned("abc", { down: ["a", "b"], unreachable: ["a"], refusing: ["a"] });
  assertEquals(first, "a has another secret than this node: start all nodes of a ring with the same one.");
  assertEquals(second, "b does not answer.");
});

Deno.test("warnings given two of three nodes are down, then nothing can be read or written", () => {
  const [first, second] = warned("abc", { down: ["a", "b"] });
  assertEquals(first, "a and b do not answer.");
  assertEquals(
    second,
    "Keys in 64 of 64 partitions can be neither read nor written now: too few of their owners answer.",
  );
});

Deno.test("warnings given one of two nodes is down, then all can be read and nothing written", () => {
  assertEquals(
    warned("ab", { down: ["a"] })[1],
    "Keys in 64 of 64 partitions cannot be written now, as too few of their owners answer; all keys can be read.",
  );
});

Deno.test("warnings given fewer nodes than copies, then what may fail and what to do", () => {
  assertEquals(warned("a"), ["Every key has one copy: nothing may fail. Start more nodes to have 3 copies."]);
  assertEquals(warned("ab"), [
    "Every key has two copies: while a node that holds it is down, a key is read and not written. " +
    "Start more nodes to have 3 copies.",
  ]);
});

Deno.test("warnings given a change, then what is left, whom it waits for, and what to do about the dead", () => {
  const change = {
    partitionsLeft: 2_000,
    bytesLeft: 3_000_000,
    bytesPerSecond: 100_000,
    secondsLeft: 30,
    fetching: [
      { address: "a", reachable: true, bytesPerSecond: 100_000, error: "its disk is full" },
      { address: "b", reachable: false, bytesPerSecond: 0 },
    ],
  };
  assertEquals(warned("abc", { change }), [
    "The ring is changing: 2,000 partitions, 3 MB left, about 30 s; waiting for a (its disk is full); " +
    "b does not answer: start it again, or `mydht remove b` if gone for good.",
  ]);
});

const MIB = 1024 * 1024;
const ROOMS: Record<string, readonly [freeBytes: number, totalBytes: number, warned: boolean]> = {
  "half of it": [50_000 * MIB, 100_000 * MIB, false],
  "less than 5 % of it": [4_900 * MIB, 100_000 * MIB, true],
  "less than 256 MiB": [255 * MIB, 1_000 * MIB, true],
};
for (const [name, [freeBytes, totalBytes, isWarned]] of Object.entries(ROOMS)) {
  Deno.test(`warnings given a disk of which ${name} is free, then ${isWarned ? "it says so" : "nothing"}`, () => {
    const [warning] = warned("abc", { room: { freeBytes, totalBytes } });
    assertEquals(warning?.startsWith("This node's disk is nearly full: ") ?? false, isWarned);
  });
}

Deno.test("warnings given a full disk and damaged records, then both are said, with what to do", () => {
  const stats = { diskFull: true, damagedRecords: 2 };
  const warnings = warned("abc", { stats, room: { freeBytes: 0, totalBytes: 1 } });
  assertEquals(warnings.length, 2);
  assert(
    warnings[0]!.startsWith("This node's disk is full: it takes no writes, and a change of the ring waits"),
  );
  assert(warnings[1]!.startsWith("2 records of this node are damaged; good copies are fetched"));
});

Deno.test("warnings given a ring that has seen thousands of addresses, then that no node may join for long", () => {
  let state: RingState = syncedRing([..."abc"], { partitions: 8 });
  const members = new Map(state.members);
  for (let i = 0; i < 6_000; i++) {
    const address = `node-${i}.example.net:50140`;
    members.set(address, { ...state.members.get("a")!, address, storeId: "0".repeat(16), state: "left" });
  }
  state = { ...state, members };
  assert(warned("", { state })[0]!.startsWith("What the nodes know of the ring fills "));
});

Deno.test("warnings given the ring changes, then health is worked out anew", () => {
  const warnings = new Warnings();
  const before = facts("abcd");
  assertEquals(warnings.notes(before).length, 1);
  const left = changeMember(changeMember(before.state, "d", { state: "removed" }), "c", { state: "removed" });
  const state = admitMember(left, store("e"));
  const after = { ...before, state, live: liveLayouts(state), down: ["a", "b"] };
  assertEquals(warnings.notes(after), []);
});
