import { assert, assertEquals, assertNotEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { compareLayouts, isChanging } from "../../lib/core/layout.ts";
import {
  admitMember,
  changeMember,
  foundRing,
  isActive,
  liveLayouts,
  mergeRings,
  raiseIncarnation,
  reportSynced,
  type RingState,
  unsyncedMembers,
} from "../../lib/core/membership.ts";
import { addresses, allReport, report, store, syncedRing } from "../support/rings.ts";

Deno.test("foundRing(), then its founder alone is the base and nothing changes", () => {
  const ring = foundRing({ ringId: "ring", partitions: 8, replicas: 3, self: store("a") });
  const live = liveLayouts(ring);
  assertEquals(addresses(live.base), ["a"]);
  assert(!isChanging(live));
});

Deno.test("ring given a node joins, then the newest layout has it and the base has not", () => {
  const live = liveLayouts(admitMember(syncedRing(["a", "b", "c"]), store("d")));
  assertEquals(addresses(live.newest), ["a", "b", "c", "d"]);
  assertEquals(addresses(live.base), ["a", "b", "c"]);
});

Deno.test("ring given a change, when all but one of its members reported, then the base stays", () => {
  for (const silent of ["a", "b", "c", "d"]) {
    let ring = admitMember(syncedRing(["a", "b", "c"]), store("d"));
    const { base } = ring;
    for (const address of ["a", "b", "c", "d"]) if (address !== silent) ring = report(ring, address);
    assertEquals(ring.base, base);
    assertEquals(unsyncedMembers(ring, liveLayouts(ring)).map((member) => member.address), [silent]);
    assert(!isChanging(liveLayouts(report(ring, silent))));
  }
});

Deno.test("ring given a node is leaving, when it has not reported itself, then the base stays", () => {
  let ring = changeMember(syncedRing(["a", "b", "c", "d"]), "d", { state: "leaving" });
  for (const address of ["a", "b", "c"]) ring = report(ring, address);
  assertEquals(addresses(liveLayouts(ring).base), ["a", "b", "c", "d"]);
  assertEquals(addresses(liveLayouts(report(ring, "d")).base), ["a", "b", "c"]);
});

Deno.test("ring given a node was removed, then its report is not waited for", () => {
  let ring = changeMember(syncedRing(["a", "b", "c", "d"]), "d", { state: "removed" });
  for (const address of ["a", "b", "c"]) ring = report(ring, address);
  assertEquals(addresses(liveLayouts(ring).base), ["a", "b", "c"]);
});

Deno.test("ring given a store was replaced, then the new store's report is waited for, not the old one's", () => {
  let ring = admitMember(syncedRing(["a", "b", "c"]), store("c", "c2"));
  for (const address of ["a", "b"]) ring = report(ring, address);
  assert(isChanging(liveLayouts(ring)));
  assertEquals(unsyncedMembers(ring, liveLayouts(ring)).map((member) => member.storeId), ["c2"]);
  assertEquals(liveLayouts(report(ring, "c")).base.ids, ["a/a1", "b/b1", "c/c2"]);
});

Deno.test("ring given reports for a base that was replaced meanwhile, then they do not count", () => {
  const joining = admitMember(syncedRing(["a", "b", "c"]), store("d"));
  const elsewhere = allReport(joining);
  // Before this node heard that d is synced, e came, and all but e reported to hold the layout with both.
  let ring = admitMember(joining, store("e"));
  for (const address of ["a", "b", "c", "d"]) ring = report(ring, address);
  ring = mergeRings(ring, elsewhere);
  assertEquals(addresses(liveLayouts(ring).base), ["a", "b", "c", "d"]);
  assertEquals(unsyncedMembers(ring, liveLayouts(ring)).length, 5);
  assert(isChanging(liveLayouts(report(ring, "e"))));
});

Deno.test("ring given reports for a newest layout that was overtaken, then they do not count", () => {
  const joining = admitMember(syncedRing(["a", "b", "c"]), store("d"));
  const ring = report(admitMember(["a", "b", "c"].reduce(report, joining), store("e")), "e");
  assertEquals(unsyncedMembers(ring, liveLayouts(ring)).map((member) => member.address), [
    "a",
    "b",
    "c",
    "d",
  ]);
});

Deno.test("reportSynced() given layouts that are live no more, then it changes nothing", () => {
  const joining = admitMember(syncedRing(["a", "b", "c"]), store("d"));
  const { base, newest } = liveLayouts(joining);
  const ring = admitMember(joining, store("e"));
  assertStrictEquals(reportSynced(ring, "a", { base: base.name, newest: newest.name }), ring);
});

Deno.test("reportSynced() given it says so twice, then the second changes nothing", () => {
  const ring = report(admitMember(syncedRing(["a", "b", "c"]), store("d")), "a");
  assertStrictEquals(report(ring, "a"), ring);
  assertEquals(
    ring.members.get("a")!.report.sequence,
    syncedRing(["a", "b", "c"]).members.get("a")!.report.sequence + 1,
  );
});

Deno.test("ring given a layout was reported and another change came, then it stays live until the base has passed it", () => {
  const reported = report(admitMember(syncedRing(["a", "b", "c"]), store("d")), "a");
  const ring = admitMember(reported, store("e"));
  const live = liveLayouts(ring);
  assertEquals(live.between.map(addresses), [["a", "b", "c", "d"]]);
  const synced = allReport(ring);
  assertEquals(liveLayouts(synced).between, []);
  assertEquals(addresses(liveLayouts(synced).base), ["a", "b", "c", "d", "e"]);
  assertEquals(synced.reported, []);
});

Deno.test("ring given a layout nobody reported, when another change comes, then it is not live", () => {
  const ring = admitMember(admitMember(syncedRing(["a", "b", "c"]), store("d")), store("e"));
  assertEquals(liveLayouts(ring).between, []);
});

Deno.test("ring given a reported layout between, then its members that are in neither other are waited for", () => {
  const reported = report(admitMember(syncedRing(["a", "b", "c"]), store("d")), "a");
  let ring = changeMember(reported, "d", { state: "leaving" });
  for (const address of ["a", "b", "c"]) ring = report(ring, address);
  assertEquals(unsyncedMembers(ring, liveLayouts(ring)).map((member) => member.address), ["d"]);
});

Deno.test("ring given a node came and went, then the layout of the others has another name than before", () => {
  const before = syncedRing(["a", "b", "c"]);
  const after = changeMember(admitMember(before, store("d")), "d", { state: "leaving" });
  const { base, newest } = liveLayouts(after);
  assertEquals(addresses(newest), addresses(base));
  assertNotEquals(newest.name, base.name);
});

Deno.test("ring given all members are leaving, then all stay in the newest layout", () => {
  let ring = syncedRing(["a", "b", "c"]);
  for (const address of ["a", "b", "c"]) ring = changeMember(ring, address, { state: "leaving" });
  assertEquals(addresses(liveLayouts(ring).newest), ["a", "b", "c"]);
});

Deno.test("ring given two nodes removed one another, then the last synced layout stays", () => {
  const ring = syncedRing(["a", "b"]);
  const merged = mergeRings(
    changeMember(ring, "a", { state: "removed" }),
    changeMember(ring, "b", { state: "removed" }),
  );
  assertEquals(addresses(liveLayouts(merged).newest), ["a", "b"]);
});

Deno.test("changeMember() given the last node, when it is to go, then it refuses", () => {
  const ring = changeMember(syncedRing(["a", "b"]), "b", { state: "left" });
  assertEquals(assertThrows(() => changeMember(ring, "a", { state: "left" }), DhtError).code, "last_node");
  assertEquals(assertThrows(() => changeMember(ring, "a", { state: "removed" }), DhtError).code, "last_node");
  assert(isActive(changeMember(ring, "a", { state: "leaving" }).members.get("a")!));
});

const UNKNOWN: Record<string, (ring: RingState) => RingState> = {
  "changeMember()": (ring) => changeMember(ring, "z", { state: "left" }),
  "reportSynced()": (ring) => reportSynced(ring, "z", { base: "x", newest: "y" }),
};
for (const [name, act] of Object.entries(UNKNOWN)) {
  Deno.test(`${name} given an address that is not in the ring, then it refuses`, () => {
    assertEquals(assertThrows(() => act(syncedRing(["a"])), DhtError).code, "unknown_node");
  });
}

Deno.test("member given it rejoined with a new store, then its layout has another name than with the old one", () => {
  const ring = syncedRing(["a", "b", "c"]);
  const rejoined = allReport(admitMember(ring, store("c", "c2")));
  assertEquals(addresses(liveLayouts(rejoined).base), addresses(liveLayouts(ring).base));
  assertNotEquals(liveLayouts(rejoined).base.name, liveLayouts(ring).base.name);
});

for (const state of ["left", "removed"] as const) {
  Deno.test(`member given it ${state === "left" ? "left" : "was removed"}, then no old message brings it back`, () => {
    const before = allReport(changeMember(syncedRing(["a", "b", "c", "d"]), "d", { state: "leaving" }));
    const after = changeMember(before, "d", { state });
    for (const old of [before, raiseIncarnation(before, "d", 9), syncedRing(["a", "b", "c", "d"])]) {
      assertEquals(mergeRings(after, old).members.get("d")!.state, state);
      assertEquals(mergeRings(old, after).members.get("d")!.state, state);
      assertEquals(addresses(liveLayouts(mergeRings(after, old)).newest), ["a", "b", "c"]);
    }
  });
}

Deno.test("admitMember() given the store is up already, then only its incarnation rises", () => {
  const ring = syncedRing(["a", "b"]);
  assertStrictEquals(admitMember(ring, store("b")), ring);
  const restarted = admitMember(ring, store("b", "b1", 5));
  assertEquals(restarted.members.get("b"), { ...ring.members.get("b")!, incarnation: 5 });
});

Deno.test("admitMember() given a later start of a store that was leaving, then it is up again and its reports go on from the last", () => {
  const ring = changeMember(syncedRing(["a", "b"]), "b", { state: "leaving" });
  const before = ring.members.get("b")!;
  const after = admitMember(ring, store("b", "b1", 2)).members.get("b")!;
  assertEquals(after, { ...before, state: "up", incarnation: 2, version: before.version + 1 });
});

for (const state of ["leaving", "left", "removed"] as const) {
  Deno.test(`admitMember() given the store is ${state}, when a late copy of its join comes, then nothing changes`, () => {
    const ring = changeMember(syncedRing(["a", "b", "c"]), "b", { state });
    assertStrictEquals(admitMember(ring, store("b")), ring);
  });
}

Deno.test("admitMember() given another store at the address, then weight and zone stay and reports begin anew", () => {
  const ring = changeMember(syncedRing(["a", "b"]), "b", { weight: 2, zone: "z" });
  const after = admitMember(ring, store("b", "b2")).members.get("b")!;
  assertEquals([after.weight, after.zone, after.storeId], [2, "z", "b2"]);
  assertEquals(after.report.sequence, 0);
});

Deno.test("raiseIncarnation() given a lower one, or a member nobody knows, then it changes nothing", () => {
  const ring = raiseIncarnation(syncedRing(["a", "b"]), "b", 4);
  assertEquals(ring.members.get("b")!.incarnation, 4);
  assertStrictEquals(raiseIncarnation(ring, "b", 3), ring);
  assertStrictEquals(raiseIncarnation(ring, "z", 3), ring);
});

Deno.test("mergeRings() given two rings, then it refuses", () => {
  const other = { ...syncedRing(["a"]), ringId: "other" };
  assertEquals(assertThrows(() => mergeRings(syncedRing(["a"]), other), DhtError).code, "wrong_ring");
});

Deno.test("mergeRings() given what it knows already, then it gives back the same object", () => {
  const ring = report(admitMember(syncedRing(["a", "b"]), store("c")), "b");
  assertStrictEquals(mergeRings(ring, ring), ring);
  assertStrictEquals(mergeRings(ring, syncedRing(["a", "b"])), ring);
  assertStrictEquals(mergeRings(ring, structuredClone(ring)), ring);
});

const TIES: Record<string, readonly [RingState, RingState]> = (() => {
  const ring = syncedRing(["a", "b", "c"]);
  const at = (change: Parameters<typeof changeMember>[2]) => changeMember(ring, "c", change);
  return {
    "two weights": [at({ weight: 2 }), at({ weight: 3 })],
    "two zones": [at({ zone: "x" }), at({ zone: "y" })],
    "a zone and none": [at({ zone: "x" }), at({ weight: 1 })],
    "leaving and removed": [at({ state: "leaving" }), at({ state: "removed" })],
    "two stores": [admitMember(ring, store("c", "c2")), admitMember(ring, store("c", "c3"))],
  };
})();

for (const [name, [a, b]] of Object.entries(TIES)) {
  Deno.test(`mergeRings() given ${name} that two nodes set at the same time, then both come to the same`, () => {
    assertEquals(mergeRings(a, b), mergeRings(b, a));
    assertEquals(liveLayouts(mergeRings(a, b)).newest.name, liveLayouts(mergeRings(b, a)).newest.name);
  });
}

Deno.test("mergeRings() given two bases of equal height, then both come to the same one", () => {
  const ring = syncedRing(["a", "b", "c"]);
  const [one, two] = ["c2", "c3"].map((storeId) => allReport(admitMember(ring, store("c", storeId))).base);
  const states = [{ ...ring, base: one! }, { ...ring, base: two! }] as const;
  assertEquals(one!.height, two!.height);
  assertEquals(mergeRings(states[0], states[1]).base, two);
  assertEquals(mergeRings(states[1], states[0]).base, two);
});

Deno.test("mergeRings() given a node came back while it was removed, then the layout without it is the later", () => {
  const leaving = changeMember(syncedRing(["a", "b", "c"]), "c", { state: "leaving" });
  const back = changeMember(leaving, "c", { state: "up" });
  const merged = mergeRings(back, changeMember(leaving, "c", { state: "removed" }));
  const [earlier, later] = [back, merged].map((ring) => liveLayouts(ring).newest.data);
  assertEquals(later!.members.map((member) => member.address), ["a", "b"]);
  assert(compareLayouts(later!, earlier!) > 0);
});
