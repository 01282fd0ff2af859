import { assert, assertEquals, assertThrows } from "@std/assert";
import { DigestTree } from "../../lib/core/digest_tree.ts";
import { SeededRandom } from "../support/seeded_random.ts";

function leavesOf(partitions: number, entries: Readonly<Record<number, string>> = {}): string[] {
  return Array.from({ length: partitions }, (_, partition) => entries[partition] ?? "");
}

/** What comparing two trees finds, and how many hashes that took. */
async function compare(ours: readonly string[], theirs: readonly string[]) {
  const [tree, other] = [new DigestTree(ours), new DigestTree(theirs)];
  const asked = { messages: 0, hashes: 0 };
  const differing = await tree.differing((level, nodes) => {
    asked.messages++;
    asked.hashes += nodes.length;
    return Promise.resolve(other.hashes(level, nodes));
  });
  return { differing, ...asked };
}

Deno.test("digest tree given equal leaves, then one hash tells it", async () => {
  const leaves = leavesOf(16_384, { 5: "a", 700: "b" });
  assertEquals(await compare(leaves, leaves), { differing: [], messages: 1, hashes: 1 });
});

Deno.test("digest tree given one partition of 16,384 that differs, then a message for each level finds it", async () => {
  const found = await compare(leavesOf(16_384, { 5: "a" }), leavesOf(16_384, { 5: "a", 16_383: "b" }));
  assertEquals(found.differing, [16_383]);
  assertEquals(found.messages, 5);
  assert(found.hashes <= 1 + 4 + 3 * 16);
});

for (
  const [name, ours, theirs] of [
    ["a hash that moved to its neighbour", { 3: "a" }, { 4: "a" }],
    ["two hashes that changed places", { 3: "a", 4: "b" }, { 3: "b", 4: "a" }],
    ["a hash that moved to the same place under another parent", { 3: "a" }, { 19: "a" }],
    ["a partition that only one side holds", {}, { 63: "a" }],
  ] as const
) {
  Deno.test(`digest tree given ${name}, then it is found`, async () => {
    const [a, b] = [leavesOf(64, ours), leavesOf(64, theirs)];
    const expected = a.flatMap((leaf, partition) => leaf === b[partition] ? [] : [partition]);
    assertEquals((await compare(a, b)).differing, expected);
  });
}

Deno.test("digest tree given random leaves and any number of partitions, then it finds just what differs", async () => {
  const random = new SeededRandom(7);
  for (const partitions of [1, 2, 15, 16, 17, 64, 255, 257, 1_000]) {
    const ours = Array.from({ length: partitions }, () => random.pick(["", "a", "b"]));
    const theirs = ours.map((leaf) => random.chance(0.1) ? `${leaf}x` : leaf);
    const expected = ours.flatMap((leaf, partition) => leaf === theirs[partition] ? [] : [partition]);
    assertEquals((await compare(ours, theirs)).differing, expected, `${partitions} partitions`);
  }
});

Deno.test("digest tree given a node it does not have is asked for, then it says so", () => {
  const tree = new DigestTree(leavesOf(20));
  assertEquals(tree.top, 2);
  assertThrows(() => tree.hashes(1, [2]), RangeError, "node 2 of level 1");
  assertThrows(() => tree.hashes(3, [0]), RangeError, "level 3");
});
