import { assert, assertEquals, assertGreater, assertLess, assertLessOrEqual } from "@std/assert";
import { DEFAULT_PARTITIONS } from "../../lib/core/partition.ts";
import { type PlacementNode, placePartitions } from "../../lib/core/placement.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const N = 3;

/** Greatest share of the mean that is borne, as measured; chance decides the rest. */
const BALANCE: Record<string, readonly [nodes: number, maxByMean: number]> = {
  "three nodes": [3, 1],
  "four nodes": [4, 1.03],
  "ten nodes": [10, 1.06],
  "fifty nodes": [50, 1.12],
  "two hundred nodes": [200, 1.25],
};

for (const [name, [count, maxByMean]] of Object.entries(BALANCE)) {
  Deno.test(`placement given ${name} and 16,384 partitions, then none owns more than ${maxByMean} of the mean`, () => {
    const table = placePartitions(nodesOf(count), { partitions: DEFAULT_PARTITIONS, n: N });
    const owned = new Array<number>(count).fill(0);
    for (const row of table) {
      assertEquals(new Set(row).size, N);
      for (const owner of row) owned[owner]!++;
    }
    const mean = DEFAULT_PARTITIONS * N / count;
    assertLessOrEqual(Math.max(...owned), mean * maxByMean);
    assertGreater(Math.min(...owned), mean * (2 - maxByMean) * 0.95);
  });
}

Deno.test("placement given fewer nodes than copies, then all own everything", () => {
  const table = placePartitions(nodesOf(2), { partitions: 50, n: N });
  for (const row of table) assertEquals([...row].sort(), [0, 1]);
});

Deno.test("placement given other nodes beside it, then a pair of nodes keeps its order in every partition", () => {
  const all = nodesOf(6);
  const options = { partitions: 200, n: 6 };
  const table = placePartitions(all, options);
  for (const [a, b] of [[0, 1], [2, 5], [4, 3]] as const) {
    const pair = placePartitions([all[a]!, all[b]!], { ...options, n: 2 });
    table.forEach((row, partition) => {
      assertEquals(row.indexOf(a) < row.indexOf(b), pair[partition]![0] === 0);
    });
  }
});

Deno.test("placement given weights and zones, then it agrees with choosing owners one by one", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const nodes = nodesOf(2 + random.below(7)).map((node) => ({
      ...node,
      weight: random.pick([1, 1, 2, 0.5]),
      ...(random.chance(0.7) ? { zone: random.pick(["x", "y", "z"]) } : {}),
    }));
    const n = 1 + random.below(4);
    const table = placePartitions(nodes, { partitions: 40, n });
    table.forEach((row, partition) =>
      assertEquals([...row], chooseOneByOne(nodes, partition, n), `seed ${seed}`)
    );
  }
});

Deno.test("placement given zones, then no zone has two copies while another has none", () => {
  const zones = ["x", "x", "x", "y", "y", "z"];
  const nodes = nodesOf(6).map((node, i) => ({ ...node, zone: zones[i]! }));
  for (const row of placePartitions(nodes, { partitions: 500, n: 3 })) {
    assertEquals(Array.from(row, (i) => zones[i]).sort(), ["x", "y", "z"]);
  }
  for (const row of placePartitions(nodes, { partitions: 500, n: 5 })) {
    assertEquals(Array.from(row.slice(0, 3), (i) => zones[i]).sort(), ["x", "y", "z"]);
    assertEquals(new Set(row).size, 5);
  }
});

Deno.test("placement given weights, then each is first of a share in proportion", () => {
  const weights = [1, 2, 3, 0.5];
  const nodes = nodesOf(4).map((node, i) => ({ ...node, weight: weights[i]! }));
  const first = [0, 0, 0, 0];
  for (const row of placePartitions(nodes, { partitions: DEFAULT_PARTITIONS, n: N })) first[row[0]!]!++;
  const share = DEFAULT_PARTITIONS / weights.reduce((a, b) => a + b);
  // Four standard deviations of a count drawn by chance.
  weights.forEach((weight, i) =>
    assertLess(Math.abs(first[i]! - weight * share), 4 * Math.sqrt(weight * share))
  );
});

Deno.test("placement given the same nodes in another order, then every partition has the same owners in the same order", () => {
  const nodes = nodesOf(9);
  const shuffled = new SeededRandom(2).shuffled(nodes);
  assertEquals(ownersOf(shuffled), ownersOf(nodes));
});

for (const count of [3, 4, 10, 40]) {
  Deno.test(`placement given ${count} nodes, when one joins or leaves, then only what it gains or loses moves`, () => {
    const without = nodesOf(count);
    const joiner = { address: "joiner:50140", weight: 1 };
    const [before, after] = [ownersOf(without), ownersOf([...without, joiner])];
    let moved = 0;
    before.forEach((owners, partition) => {
      const gained = after[partition]!.filter((owner) => !owners.includes(owner));
      const lost = owners.filter((owner) => !after[partition]!.includes(owner));
      assert(gained.every((owner) => owner === joiner.address), "a node that stays gained a partition");
      assertEquals(lost.length, gained.length);
      // Those that stay keep their order: the first in line changes only for the joiner.
      const stayed = (list: readonly string[]) =>
        list.filter((owner) => !gained.includes(owner) && !lost.includes(owner));
      assertEquals(stayed(after[partition]!), stayed(owners));
      moved += gained.length;
    });
    const ideal = DEFAULT_PARTITIONS * N / (count + 1);
    assertLessOrEqual(moved, ideal * 1.05);
    assertGreater(moved, ideal * 0.95);
  });
}

for (const zoned of ["in a zone of its own", "in a zone that others are in"]) {
  Deno.test(`placement given zones, when a node joins ${zoned}, then no other node gains a partition`, () => {
    const zones = ["x", "x", "y", "y", "z"];
    const without = nodesOf(5).map((node, i) => ({ ...node, zone: zones[i]! }));
    const joiner = { address: "joiner:50140", weight: 1, zone: zoned.endsWith("own") ? "w" : "x" };
    const [before, after] = [ownersOf(without), ownersOf([...without, joiner])];
    before.forEach((owners, partition) => {
      for (const owner of after[partition]!) assert(owners.includes(owner) || owner === joiner.address);
    });
  });
}

const KNOWN = ["012", "102", "012", "102", "012", "120"];

// Where partitions lie decides where data is: a change here moves all data of every ring.
Deno.test("placement given three known nodes, then always the same preference lists", () => {
  const nodes = ["localhost:50140", "localhost:50141", "localhost:50142"].map((address) => ({
    address,
    weight: 1,
  }));
  const table = placePartitions(nodes, { partitions: 6, n: 3 });
  assertEquals(table.map((row) => [...row].join("")), KNOWN);
});

/** The obvious way: of the nodes left, the best; one whose zone is not used yet before all others. */
function chooseOneByOne(nodes: readonly PlacementNode[], partition: number, n: number): number[] {
  const beats = (a: number, b: number) => {
    const pair = [nodes[a]!, nodes[b]!].map(({ address, weight }) => ({ address, weight }));
    return placePartitions(pair, { partitions: partition + 1, n: 1 })[partition]![0] === 0;
  };
  const ranked = nodes.map((_, i) => i).sort((a, b) => (beats(a, b) ? -1 : 1));
  const zoneOf = (i: number) => nodes[i]!.zone ?? nodes[i]!.address;
  const chosen: number[] = [];
  while (chosen.length < Math.min(n, nodes.length)) {
    const left = ranked.filter((i) => !chosen.includes(i));
    const fresh = left.filter((i) => chosen.every((other) => zoneOf(other) !== zoneOf(i)));
    chosen.push(fresh[0] ?? left[0]!);
  }
  return chosen;
}

function ownersOf(nodes: readonly PlacementNode[]): string[][] {
  return placePartitions(nodes, { partitions: DEFAULT_PARTITIONS, n: N })
    .map((row) => Array.from(row, (i) => nodes[i]!.address));
}

function nodesOf(count: number): PlacementNode[] {
  return Array.from({ length: count }, (_, i) => ({ address: `node${i}:50140`, weight: 1 }));
}

/** A ring of weights and zones that changes at random: nodes come and go, and change weight. */
function changed(nodes: readonly PlacementNode[], random: SeededRandom, name: string): PlacementNode[] {
  const dice = random.next();
  const zones = ["x", "y", "z", "w"];
  if (nodes.length < 5 || dice < 0.4) {
    const joiner = { address: name, weight: random.pick([0.5, 1, 1, 2]), zone: random.pick(zones) };
    return [...nodes, joiner];
  }
  const chosen = random.pick(nodes);
  if (dice < 0.7) return nodes.filter((node) => node !== chosen);
  return nodes.map((node) => node === chosen ? { ...node, weight: random.pick([0.5, 1, 2, 3]) } : node);
}

Deno.test("placement given random sequences of joins, leaves and other weights, then copies lie apart and no more than must be moves", () => {
  const partitions = 4_096;
  for (let seed = 1; seed <= 15; seed++) {
    const random = new SeededRandom(seed);
    let nodes: PlacementNode[] = [];
    for (let step = 0; step < 5; step++) nodes = changed(nodes, random, `seed${seed}-${step}:50140`);
    for (let step = 5; step < 15; step++) {
      const next = changed(nodes, random, `seed${seed}-${step}:50140`);
      const [before, after] = [nodes, next].map((list) => placePartitions(list, { partitions, n: N }));
      const apart = Math.min(N, new Set(next.map(({ zone }) => zone)).size);
      let moved = 0;
      after!.forEach((row, partition) => {
        assertEquals(new Set(row).size, Math.min(N, next.length));
        assertEquals(new Set(Array.from(row, (i) => next[i]!.zone)).size, apart, `seed ${seed}`);
        const owners = Array.from(before![partition]!, (i) => nodes[i]!.address);
        moved += Array.from(row).filter((i) => !owners.includes(next[i]!.address)).length;
      });
      const most = 1.1 * mustMove({ nodes, table: before! }, { nodes: next, table: after! });
      assertLessOrEqual(moved, most, `seed ${seed}, step ${step}`);
      nodes = next;
    }
  }
});

interface Placed {
  readonly nodes: readonly PlacementNode[];
  readonly table: readonly Uint16Array[];
}

/** Copies that no placement with these shares could leave where they are: what each node gains on the whole. */
function mustMove(before: Placed, after: Placed): number {
  const owned = ({ nodes, table }: Placed) => {
    const counts = new Map(nodes.map(({ address }) => [address, 0]));
    for (const row of table) {
      for (const i of row) counts.set(nodes[i]!.address, counts.get(nodes[i]!.address)! + 1);
    }
    return counts;
  };
  const held = owned(before);
  let gained = 0;
  for (const [address, count] of owned(after)) gained += Math.max(0, count - (held.get(address) ?? 0));
  return gained;
}

for (const weights of [[1, 1, 1, 1, 2], [1, 2, 1, 2, 1, 2, 1, 2], [0.5, 1, 1, 1, 1, 1, 1, 1.5]]) {
  Deno.test(`placement given weights ${weights}, then no node's first places are more than 1 + 4/sqrt of its share`, () => {
    const nodes = weights.map((weight, i) => ({ address: `node${i}:50140`, weight }));
    const total = weights.reduce((a, b) => a + b);
    const owned = weights.map(() => 0);
    for (const row of placePartitions(nodes, { partitions: DEFAULT_PARTITIONS, n: 1 })) owned[row[0]!]!++;
    weights.forEach((weight, i) => {
      const share = DEFAULT_PARTITIONS * weight / total;
      assertLess(owned[i]!, share * (1 + 4 / Math.sqrt(share)));
    });
  });
}
