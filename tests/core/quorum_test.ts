import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  allOwners,
  fewestOwners,
  isMet,
  isReachable,
  type QuorumNeed,
  readQuorum,
  writeQuorum,
} from "../../lib/core/quorum.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { subsets } from "../support/subsets.ts";

const QUORUMS: Record<string, readonly [n: number, w: number, r: number]> = {
  "one owner": [1, 1, 1],
  "two owners": [2, 2, 1],
  "three owners": [3, 2, 2],
  "four owners": [4, 3, 2],
  "five owners": [5, 3, 3],
};

for (const [name, [n, w, r]] of Object.entries(QUORUMS)) {
  Deno.test(`quorums given ${name}, then W=${w} and R=${r}`, () => {
    assertEquals([writeQuorum(n), readQuorum(n)], [w, r]);
  });
}

for (const n of [0, -1, 1.5, NaN, Infinity]) {
  Deno.test(`quorums given n=${n}, then they refuse`, () => {
    assertThrows(() => writeQuorum(n), RangeError);
    assertThrows(() => readQuorum(n), RangeError);
  });
}

Deno.test("quorums given 1 to 16 owners, then every read quorum meets every write quorum, and two write quorums meet", () => {
  for (let n = 1; n <= 16; n++) {
    const [w, r] = [writeQuorum(n), readQuorum(n)];
    for (let wrote = 0; wrote < 2 ** n; wrote++) {
      if (ones(wrote) !== w) continue;
      // The owners that did not write are the best chance to miss it.
      assert(n - w < r, `n=${n}: a read quorum among those that did not write ${wrote.toString(2)}`);
      assert(n - w < w, `n=${n}: a write quorum among those that did not write ${wrote.toString(2)}`);
    }
    // And no smaller one would.
    assert(n - w >= r - 1, `n=${n}: R is greater than it need be`);
  }
});

Deno.test("needs given two live layouts, then whoever may read meets whoever wrote, in each of them", () => {
  const random = new SeededRandom(3);
  for (let round = 0; round < 30; round++) {
    const layouts = [1, 2].map(() => random.shuffled([..."abcde"]).slice(0, 1 + random.below(4)));
    const writes = layouts.map((owners) => ({ owners, required: writeQuorum(owners.length) }));
    const reads = layouts.map((owners) => ({ owners, required: readQuorum(owners.length) }));
    for (const wrote of subsets("abcde")) {
      if (!isMet(writes, (owner) => wrote.includes(owner))) continue;
      for (const layout of reads) {
        const missed = layout.owners.filter((owner) => !wrote.includes(owner));
        assert(missed.length < layout.required, `${layout.owners} can be read without ${wrote}`);
      }
    }
  }
});

const NEEDS: readonly QuorumNeed[] = [
  { owners: ["a", "b", "c"], required: 2 },
  { owners: ["b", "c", "d"], required: 2 },
];

const MET: Record<string, readonly [have: string, met: boolean]> = {
  "nobody": ["", false],
  "enough of the first alone": ["ab", false],
  "enough of the second alone": ["bd", false],
  "two that both share": ["bc", true],
  "enough of each": ["abd", true],
  "all": ["abcd", true],
};

for (const [name, [have, met]] of Object.entries(MET)) {
  Deno.test(`isMet() given ${name}, then ${met}`, () => {
    assertEquals(isMet(NEEDS, (owner) => have.includes(owner)), met);
  });
}

const REACHABLE: Record<string, readonly [lost: string, reachable: boolean]> = {
  "nobody lost": ["", true],
  "one that both share lost": ["b", true],
  "one of each lost": ["ad", true],
  "two of the first lost": ["ab", false],
  "two of the second lost": ["cd", false],
};

for (const [name, [lost, reachable]] of Object.entries(REACHABLE)) {
  Deno.test(`isReachable() given ${name}, then ${reachable}`, () => {
    assertEquals(isReachable(NEEDS, (owner) => lost.includes(owner)), reachable);
  });
}

Deno.test("isReachable() given any owners lost, then it says whether the others would meet the needs", () => {
  for (const lost of subsets("abcd")) {
    assertEquals(
      isReachable(NEEDS, (owner) => lost.includes(owner)),
      isMet(NEEDS, (owner) => !lost.includes(owner)),
    );
  }
});

Deno.test("allOwners() given two needs, then each owner once, in the order first met", () => {
  assertEquals(allOwners(NEEDS), ["a", "b", "c", "d"]);
  assertEquals(allOwners(NEEDS.slice(1)), ["b", "c", "d"]);
  assertEquals(allOwners([]), []);
});

function ones(bits: number): number {
  let count = 0;
  for (let rest = bits; rest > 0; rest >>>= 1) count += rest & 1;
  return count;
}

const READ_2 = (owners: string): QuorumNeed => ({ owners: [...owners], required: 2 });

const FEWEST: Record<string, readonly [needs: QuorumNeed[], order: string, down: string, expected: string]> =
  {
    "one layout": [[READ_2("abc")], "cab", "", "ca"],
    "one layout and an owner down": [[READ_2("abc")], "cab", "b", "ca"],
    "a newcomer in front": [[READ_2("abd"), READ_2("abc")], "dabc", "", "ab"],
    "one that leaves in front": [[READ_2("abd"), READ_2("abc")], "cdab", "", "ab"],
    "one that stays is down": [[READ_2("abd"), READ_2("abc")], "cdba", "a", "bcd"],
    "one alone stays": [[READ_2("ade"), READ_2("abc")], "bcdea", "", "abd"],
    "nobody stays": [[READ_2("def"), READ_2("abc")], "abcdef", "", "abde"],
    "too many are down": [[READ_2("abd"), READ_2("abc")], "cdab", "ab", "cda"],
    "three layouts": [[READ_2("bcd"), READ_2("abd"), READ_2("abc")], "dcab", "", "bdc"],
  };

for (const [name, [needs, order, down, expected]] of Object.entries(FEWEST)) {
  Deno.test(`fewestOwners() given ${name}, then it chooses ${expected}`, () => {
    assertEquals(fewestOwners(needs, [...order], (owner) => down.includes(owner)).join(""), expected);
  });
}

Deno.test("fewestOwners() given any needs, then it fills them, with nobody to spare who is down", () => {
  const random = new SeededRandom(4);
  for (let round = 0; round < 300; round++) {
    const needs = [1, 2, 3].slice(random.below(3)).map(() => {
      const owners = random.shuffled([..."abcdef"]).slice(0, 1 + random.below(5));
      return { owners, required: 1 + random.below(owners.length) };
    });
    const owners = random.shuffled([...allOwners(needs)]);
    const down = owners.filter(() => random.below(4) === 0);
    const order = [...owners.filter((owner) => !down.includes(owner)), ...down];
    const chosen = fewestOwners(needs, order, (owner) => down.includes(owner));
    assert(isMet(needs, (owner) => chosen.includes(owner)), JSON.stringify({ needs, chosen }));
    for (const owner of chosen) {
      if (!down.includes(owner)) continue;
      assert(!isMet(needs, (one) => one !== owner && (chosen.includes(one) || !down.includes(one))), owner);
    }
  }
});
