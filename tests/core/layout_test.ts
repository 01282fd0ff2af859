import { assert, assertEquals, assertNotEquals, assertStrictEquals } from "@std/assert";
import {
  addressOf,
  compareLayouts,
  isChanging,
  Layout,
  type LayoutData,
  type LayoutMember,
  liveIds,
  type LiveLayouts,
  liveName,
  liveOwners,
  ownerId,
  readNeeds,
  sameOwners,
  storeIdOf,
  writeNeeds,
} from "../../lib/core/layout.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const PARTITIONS = 64;

Deno.test("ownerId() given an address and a store, then both can be told from it", () => {
  const id = ownerId("[::1]:50140", "0a1b");
  assertEquals([addressOf(id), storeIdOf(id)], ["[::1]:50140", "0a1b"]);
});

const BASE = dataOf("abc");
const OTHERS: Record<string, LayoutData> = {
  "another member": dataOf("abcd"),
  "another store at an address": withMember({ storeId: "other" }),
  "a member of another version": withMember({ version: 2 }),
  "another weight": withMember({ weight: 2 }),
  "a zone": withMember({ zone: "x" }),
  "another number of copies": { ...BASE, replicas: 2 },
  "another height alone": { ...BASE, height: 4 },
};

for (const [name, data] of Object.entries(OTHERS)) {
  Deno.test(`layout given ${name}, then it has another name, and one of the two comes first`, () => {
    assertNotEquals(layout(data).name, layout(BASE).name);
    assertNotEquals(compareLayouts(data, BASE), 0);
    assertEquals(Math.sign(compareLayouts(data, BASE)), -Math.sign(compareLayouts(BASE, data)));
  });
}

Deno.test("layout given equal data, then it has an equal name and an equal place in the order", () => {
  assertEquals(layout(structuredClone(BASE)).name, layout(BASE).name);
  assertEquals(compareLayouts(structuredClone(BASE), BASE), 0);
});

Deno.test("compareLayouts() given a greater height, then it is the later, whatever else differs", () => {
  assert(compareLayouts({ ...dataOf("ab"), height: 9 }, { ...dataOf("xyz"), height: 8 }) > 0);
});

const LATER: Record<string, LayoutData> = {
  "a greater store id": withMember({ storeId: "c9" }),
  "a greater weight": withMember({ weight: 2 }),
  "a zone": withMember({ zone: "x" }),
  "a greater store id and a lesser weight": withMember({ storeId: "c9", weight: 0.5 }),
};

for (const [name, data] of Object.entries(LATER)) {
  Deno.test(`compareLayouts() given equal heights and ${name} at one address, then it is the later, as members merge`, () => {
    assert(compareLayouts(data, BASE) > 0);
    assert(compareLayouts(BASE, data) < 0);
  });
}

Deno.test("Layout.of() given the same data twice, then the same layout with its tables", () => {
  assertStrictEquals(Layout.of(BASE, PARTITIONS), Layout.of(BASE, PARTITIONS));
  assert(Layout.of(BASE, PARTITIONS) !== Layout.of(BASE, 1));
});

Deno.test("layout given more members than copies, then each partition has N of them as owners", () => {
  const five = layout(dataOf("abcde"));
  assertEquals(five.n, 3);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const owners = five.owners(partition);
    assertEquals(new Set(owners).size, 3);
    assert(owners.every((owner) => five.has(owner)));
  }
});

Deno.test("layout given fewer members than copies, then all own everything", () => {
  const two = layout(dataOf("ab"));
  assertEquals(two.n, 2);
  assertEquals([...two.owners(5)].sort(), ["a/a1", "b/b1"]);
});

Deno.test("layout given a store was replaced, then the new one owns what the old one did", () => {
  const replaced = layout(withMember({ storeId: "c2" }));
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const expected = layout(BASE).owners(partition).map((owner) => owner === "c/c1" ? "c/c2" : owner);
    assertEquals(replaced.owners(partition), expected);
  }
  assert(!replaced.has("c/c1"));
});

Deno.test("shares() given any layout, then they count what owners() says", () => {
  const five = layout(dataOf("abcde"));
  const counted = five.ids.map(() => ({ primary: 0, owned: 0 }));
  for (let partition = 0; partition < PARTITIONS; partition++) {
    five.owners(partition).forEach((owner, i) => {
      const share = counted[five.ids.indexOf(owner)]!;
      share.owned++;
      if (i === 0) share.primary++;
    });
  }
  assertEquals(five.shares(), counted);
});

const QUIET = live("abcde", [], "abcde");
const CHANGING = live("abcde", [], "abcdef");
const OVERTAKEN = live("abcde", ["abcdef"], "abcdefg");

Deno.test("live layouts given nothing changes, then one is all a request must satisfy", () => {
  assert(!isChanging(QUIET));
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const owners = QUIET.newest.owners(partition);
    assertEquals(writeNeeds(QUIET, partition), [{ owners, required: 2 }]);
    assertEquals(readNeeds(QUIET, partition), [{ owners, required: 2 }]);
    assertEquals(liveOwners(QUIET, partition), owners);
  }
});

for (
  const [name, layouts] of Object.entries({ "a change": CHANGING, "a change that was overtaken": OVERTAKEN })
) {
  Deno.test(`live layouts given ${name}, then each that places a partition otherwise asks for a quorum of its own`, () => {
    assert(isChanging(layouts));
    const all = [layouts.newest, ...layouts.between, layouts.base];
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const needs = writeNeeds(layouts, partition);
      for (const { owners } of all.map((each) => ({ owners: each.owners(partition) }))) {
        assertEquals(needs.filter((need) => sameOwners(need.owners, owners)).length, 1);
        for (const owner of owners) assert(liveOwners(layouts, partition).includes(owner));
      }
      assert(needs.every((need) => all.some((each) => sameOwners(each.owners(partition), need.owners))));
      assertEquals(
        readNeeds(layouts, partition).map((need) => need.owners),
        needs.map((need) => need.owners),
      );
    }
  });
}

Deno.test("live layouts given the ring grows from one node to two, then each asks for its own quorum", () => {
  const layouts = live("a", [], "ab");
  const sorted = (needs: ReturnType<typeof writeNeeds>) =>
    needs.map(({ owners, required }) => ({ owners: [...owners].sort(), required }));
  assertEquals(sorted(writeNeeds(layouts, 0)), [
    { owners: ["a/a1", "b/b1"], required: 2 },
    { owners: ["a/a1"], required: 1 },
  ]);
  assertEquals(sorted(readNeeds(layouts, 0)), [
    { owners: ["a/a1", "b/b1"], required: 1 },
    { owners: ["a/a1"], required: 1 },
  ]);
});

Deno.test("live layouts given other layouts, or the same in other roles, then another name", () => {
  const names = [
    QUIET,
    CHANGING,
    OVERTAKEN,
    live("abcde", [], "abcdefg"),
    live("abcdef", [], "abcdefg"),
    live("abcdef", [], "abcde"),
  ].map(liveName);
  assertEquals(new Set(names).size, names.length);
});

Deno.test("liveIds() given a change, then every member of either layout, each once", () => {
  assertEquals(liveIds(live("ab", ["abc"], "bd")).sort(), ["a/a1", "b/b1", "c/c1", "d/d1"]);
});

Deno.test("sameOwners() given lists of owners, then their order does not matter and their number does", () => {
  const random = new SeededRandom(1);
  const owners = ["a/1", "b/1", "c/1"];
  assert(sameOwners(owners, random.shuffled(owners)));
  assert(!sameOwners(owners, owners.slice(1)));
  assert(!sameOwners(owners.slice(1), owners));
  assert(!sameOwners(owners, ["a/1", "b/1", "c/2"]));
});

function live(base: string, between: readonly string[], newest: string): LiveLayouts {
  return {
    base: layout(dataOf(base)),
    between: between.map((members) => layout(dataOf(members))),
    newest: layout(dataOf(newest)),
  };
}

function layout(data: LayoutData): Layout {
  return new Layout(data, PARTITIONS);
}

/** A layout of members that are named by one letter each. */
function dataOf(members: string): LayoutData {
  return { replicas: 3, height: members.length, members: Array.from(members, memberOf) };
}

function memberOf(address: string): LayoutMember {
  return { address, storeId: `${address}1`, version: 1, weight: 1 };
}

function withMember(change: Partial<LayoutMember>): LayoutData {
  return { ...BASE, members: BASE.members.map((member, i) => (i === 2 ? { ...member, ...change } : member)) };
}
