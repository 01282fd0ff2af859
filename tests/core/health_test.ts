import { assertEquals } from "@std/assert";
import { healthOf } from "../../lib/core/health.ts";
import { addressOf } from "../../lib/core/layout.ts";
import { admitMember, changeShare, liveLayouts, type RingState } from "../../lib/core/membership.ts";
import { allReport, store, syncedRing } from "../support/rings.ts";

const PARTITIONS = 64;

function health(ring: RingState, down: readonly string[]) {
  return healthOf(liveLayouts(ring), PARTITIONS, (owner) => down.includes(addressOf(owner)));
}

function ringOf(addresses: string): RingState {
  return syncedRing([...addresses], { partitions: PARTITIONS });
}

/** All in `abc` of three copies unless said otherwise. */
const ROWS: Record<
  string,
  readonly [nodes: string, down: string, spareToRead: number, spareToWrite: number]
> = {
  "three nodes, all up": ["abc", "", 1, 1],
  "three nodes, one down": ["abc", "a", 0, 0],
  "two nodes, all up": ["ab", "", 1, 0],
  "two nodes, one down": ["ab", "a", 0, 0],
  "one node": ["a", "", 0, 0],
  "six nodes, one down": ["abcdef", "a", 0, 0],
};
for (const [name, [nodes, down, spareToRead, spareToWrite]] of Object.entries(ROWS)) {
  Deno.test(`health given ${name}, then ${spareToRead} may fail for reads and ${spareToWrite} for writes`, () => {
    const found = health(ringOf(nodes), [...down]);
    assertEquals([found.spareToRead, found.spareToWrite], [spareToRead, spareToWrite]);
    assertEquals(found.unreadable, 0);
    assertEquals(found.missing.map(addressOf), [...down]);
  });
}

Deno.test("health given two of three nodes are down, then no partition is readable or writable", () => {
  const found = health(ringOf("abc"), ["a", "b"]);
  assertEquals([found.unreadable, found.unwritable, found.thin.size], [PARTITIONS, PARTITIONS, PARTITIONS]);
});

Deno.test("health given two nodes and one is down, then all is readable and nothing writable", () => {
  const found = health(ringOf("ab"), ["a"]);
  assertEquals([found.unreadable, found.unwritable], [0, PARTITIONS]);
});

Deno.test("health given five nodes and two are down, then what both own is unavailable, and what one owns is thin", () => {
  const ring = ringOf("abcde");
  const found = health(ring, ["a", "b"]);
  const { base } = liveLayouts(ring);
  const owners = Array.from({ length: PARTITIONS }, (_, i) => base.owners(i).map(addressOf));
  const lost = owners.map((list) => list.filter((owner) => owner === "a" || owner === "b").length);
  assertEquals(found.unreadable, lost.filter((count) => count === 2).length);
  assertEquals(found.unwritable, found.unreadable);
  assertEquals([...found.thin], [...lost.keys()].filter((partition) => lost[partition]! > 0));
});

Deno.test("health given a change is open, then a quorum is needed in each live layout", () => {
  const ring = admitMember(ringOf("abc"), store("d"));
  assertEquals(health(ring, []).spareToWrite, 1);
  const found = health(ring, ["a"]);
  assertEquals([found.spareToWrite, found.unwritable, found.thin.size], [0, 0, PARTITIONS]);
});

Deno.test("health given a copy in each of three zones, then any one zone may fail; with two zones none", () => {
  let ring = ringOf("abcdef");
  for (const [i, address] of [..."abcdef"].entries()) {
    ring = changeShare(ring, address, { zone: "xyz"[i % 3]! });
  }
  assertEquals(health(allReport(ring), []).zoneMayFail, true);
  assertEquals(health(ringOf("abcdef"), []).zoneMayFail, false);
  for (const [i, address] of [..."abcdef"].entries()) {
    ring = changeShare(ring, address, { zone: "xy"[i % 2]! });
  }
  assertEquals(health(allReport(ring), []).zoneMayFail, false);
});
