/** What holds whatever happened in a ring, and whoever heard of it in whatever order. */
import { assert, assertEquals, assertGreaterOrEqual, assertStrictEquals } from "@std/assert";
import { compareLayouts, Layout } from "../../lib/core/layout.ts";
import {
  admitMember,
  changeMember,
  isActive,
  mergeRings,
  raiseIncarnation,
  type RingState,
} from "../../lib/core/membership.ts";
import { differences, newsOf, printsOf, stateOfNews } from "../../lib/core/ring_news.ts";
import { encodeRing } from "../../lib/wire.ts";
import { report, store, syncedRing } from "../support/rings.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const SEEDS = 40;
const STEPS = 300;
const ADDRESSES = [..."abcdef"];

/** Several nodes' states, changed as each of them may change its own, and told to one another in part and in any order. */
class Gossips {
  readonly states = new Map<string, RingState>();
  readonly bases = new Map<number, string>();
  readonly #random: SeededRandom;
  newsUnderstood = 0;
  newsNotUnderstood = 0;
  #stores = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
    const ring = syncedRing(["a", "b", "c"]);
    for (const address of ["a", "b", "c"]) this.states.set(address, ring);
  }

  step(): void {
    const random = this.#random;
    const at = random.pick([...this.states.keys()]);
    const before = this.states.get(at)!;
    const doing = random.next();
    const after = doing < 0.6
      ? this.#hear(before)
      : doing < 0.9
      ? this.#report(before, at)
      : this.#change(before);
    this.states.set(at, after);
    assertGreaterOrEqual(compareLayouts(after.base, before.base), 0, "the base went back");
    this.#noteBase(after);
  }

  /** Everybody tells everybody, until nobody learns anything. */
  converge(): RingState[] {
    for (let changed = true; changed;) {
      changed = false;
      for (const from of this.states.values()) {
        for (const [address, to] of this.states) {
          const merged = mergeRings(to, from);
          changed ||= merged !== to;
          this.states.set(address, merged);
          this.#noteBase(merged);
        }
      }
    }
    return [...this.states.values()];
  }

  /** Two layouts of one height would be two bases that do not follow one another. */
  #noteBase({ base }: RingState): void {
    const { name } = new Layout(base, 8);
    assertEquals(this.bases.get(base.height) ?? name, name, `two bases of height ${base.height}`);
    this.bases.set(base.height, name);
  }

  #hear(ours: RingState): RingState {
    const theirs = this.#random.pick([...this.states.values()]);
    const part = this.#random.chance(0.3);
    const members = [...theirs.members].filter(() => !part || this.#random.chance(0.5));
    const told = { ...theirs, members: new Map(members) };
    const merged = mergeRings(ours, told);
    this.#compareNews(ours, told, merged);
    return merged;
  }

  /** News with layouts by name are understood as what they stand for, or not at all. */
  #compareNews(ours: RingState, told: RingState, merged: RingState): void {
    const known = [ours.base, ...ours.reported].map((data) => Layout.of(data, ours.partitions));
    const find = (name: string) => known.find((layout) => layout.name === name)?.data;
    const understood = stateOfNews(newsOf(told), ours, find);
    if (understood === undefined) this.newsNotUnderstood++;
    else {
      this.newsUnderstood++;
      assertEquals(encodeRing(mergeRings(ours, understood)), encodeRing(merged));
    }
  }

  #report(ring: RingState, at: string): RingState {
    const member = ring.members.get(at);
    return member !== undefined && isActive(member) ? report(ring, at) : ring;
  }

  #change(ring: RingState): RingState {
    const random = this.#random;
    const address = random.pick(ADDRESSES);
    const member = ring.members.get(address);
    if (member === undefined || !isActive(member)) return this.#admit(ring, address);
    const active = [...ring.members.values()].filter(isActive).length;
    if (active < 3) return ring;
    if (random.chance(0.2)) return raiseIncarnation(ring, address, member.incarnation + 1);
    if (random.chance(0.2)) return changeMember(ring, address, { weight: 1 + random.below(3) });
    return changeMember(ring, address, { state: random.pick(["leaving", "up", "left", "removed"]) });
  }

  #admit(ring: RingState, address: string): RingState {
    const admitted = admitMember(ring, store(address, `${address}${++this.#stores}x`));
    this.states.set(address, admitted);
    return admitted;
  }
}

forSeeds("rings given random histories, then merging is commutative and idempotent", (random) => {
  const [a, b] = threeStates(random);
  const merged = mergeRings(a, b);
  assertEquals(encodeRing(mergeRings(b, a)), encodeRing(merged));
  assertStrictEquals(mergeRings(merged, a), merged);
  assertStrictEquals(mergeRings(merged, b), merged);
  assertStrictEquals(mergeRings(a, a), a);
});

forSeeds(
  "rings given random histories, then members merge the same whoever told whom first, and bases meet",
  (random) => {
    const [a, b, c] = threeStates(random);
    const left = mergeRings(mergeRings(a, b), c);
    const right = mergeRings(a, mergeRings(b, c));
    assertEquals(new Map([...left.members].sort()), new Map([...right.members].sort()));
    assertEquals(encodeRing(mergeRings(left, right)), encodeRing(mergeRings(right, left)));
  },
);

forSeeds("rings given random histories, when all have told all, then all know the same", (random) => {
  const [first, ...others] = history(random).converge();
  for (const other of others) assertEquals(encodeRing(other), encodeRing(first!));
});

forSeeds(
  "ring given random histories, when all members report, then it comes to rest on the newest layout",
  (random) => {
    let [ring] = history(random).converge();
    const active = [...ring!.members.values()].filter(isActive);
    // Nodes that removed one another leave nobody to report.
    if (active.length === 0) return;
    for (const { address } of active) ring = report(ring!, address);
    assertEquals(ring!.reported, []);
    const up = active.filter((member) => member.state === "up");
    assertEquals(ring!.base.members.length, up.length || active.length);
  },
);

Deno.test("random histories, then they hold changes that overtake one another, and several bases", () => {
  let overtaken = 0;
  let bases = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const gossips = history(new SeededRandom(seed));
    overtaken += Number([...gossips.states.values()].some((ring) => ring.reported.length > 1));
    bases += gossips.bases.size;
  }
  assert(overtaken > SEEDS / 4, `only ${overtaken} of ${SEEDS} histories`);
  assert(bases > SEEDS * 1.5, `only ${bases} bases`);
});

Deno.test("random histories, then most news with layouts by name are understood, and some are not", () => {
  let understood = 0;
  let notUnderstood = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const gossips = history(new SeededRandom(seed));
    understood += gossips.newsUnderstood;
    notUnderstood += gossips.newsNotUnderstood;
  }
  assert(understood > 2 * notUnderstood, `only ${understood} of ${understood + notUnderstood}`);
  assert(notUnderstood > SEEDS, `only ${notUnderstood} were not`);
});

forSeeds("two rings compared by prints, then what differs makes the one the other", (random) => {
  const [ours, theirs] = threeStates(random);
  const { changed, wants } = differences(ours.members, printsOf(theirs.members));
  const wanted = new Map(wants.map((address) => [address, theirs.members.get(address)!]));
  const mine = mergeRings(ours, { ...theirs, members: wanted });
  const yours = mergeRings(theirs, { ...ours, members: changed });
  assertEquals(mine.members.size, yours.members.size);
  for (const [address, member] of mine.members) assertEquals(yours.members.get(address), member);
  assert(
    wants.length <= theirs.members.size &&
      differences(ours.members, printsOf(ours.members)).wants.length === 0,
  );
});

function forSeeds(name: string, check: (random: SeededRandom) => void): void {
  Deno.test(name, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        check(new SeededRandom(seed));
      } catch (cause) {
        throw new Error(`Seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause });
      }
    }
  });
}

function history(random: SeededRandom): Gossips {
  const gossips = new Gossips(random);
  for (let step = 0; step < STEPS; step++) gossips.step();
  return gossips;
}

function threeStates(random: SeededRandom): [RingState, RingState, RingState] {
  const [a, b, c] = random.shuffled([...history(random).states.values()]);
  return [a!, b!, c!];
}
