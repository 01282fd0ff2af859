import { assert, assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import {
  compareOptionalVersions,
  compareVersions,
  formatVersion,
  HybridLogicalClock,
  timestampSeconds,
  type Version,
  writerId,
} from "../../lib/core/hlc.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const V: Version = { wallMs: 1_000, counter: 5, writer: "b.1" };

const ORDER: Record<string, readonly [Version, Version]> = {
  "an earlier wall, a greater counter": [{ ...V, wallMs: 999, counter: 9 }, V],
  "the same wall, a lesser counter, a greater writer": [{ ...V, counter: 4, writer: "c.1" }, V],
  "only a lesser writer": [{ ...V, writer: "a.1" }, V],
  "only a restamp's suffix": [V, { ...V, writer: "b.1+1" }],
};

for (const [name, [older, newer]] of Object.entries(ORDER)) {
  Deno.test(`compareVersions() given ${name}, then it is the older, either way round`, () => {
    assertLess(compareVersions(older, newer), 0);
    assertGreater(compareVersions(newer, older), 0);
  });
}

Deno.test("compareVersions() given the same stamp, then zero", () => {
  assertEquals(compareVersions(V, { ...V }), 0);
});

const OPTIONAL: Record<string, readonly [Version | undefined, Version | undefined, number]> = {
  "neither": [undefined, undefined, 0],
  "none and one": [undefined, V, -1],
  "one and none": [V, undefined, 1],
  "the same twice": [V, { ...V }, 0],
  "an older and a newer": [V, { ...V, counter: 6 }, -1],
};

for (const [name, [a, b, sign]] of Object.entries(OPTIONAL)) {
  Deno.test(`compareOptionalVersions() given ${name}, then ${sign}`, () => {
    assertEquals(Math.sign(compareOptionalVersions(a, b)), sign);
  });
}

Deno.test("writerId() given two starts of one store, then two ids", () => {
  assertEquals([writerId("s", 1), writerId("s", 2)], ["s.1", "s.2"]);
});

Deno.test("timestampSeconds() given milliseconds, then seconds with decimals", () => {
  assertEquals(timestampSeconds({ ...V, wallMs: 1_700_000_000_123 }), 1_700_000_000.123);
});

for (
  const wallMs of [0, 7, 999_999, 1e6, 1_000_007, 1e9, 1_795_390_743_083, 2 ** 53 - 1, 1_795_390_743_083.5]
) {
  Deno.test(`formatVersion() given ${wallMs}, then its decimal text`, () => {
    assertEquals(formatVersion({ ...V, wallMs }), `${wallMs}-5-b.1`);
  });
}

Deno.test("formatVersion() given any stamp a clock issues, then it may stand in an ETag", () => {
  const clock = new HybridLogicalClock(writerId("0a1b2c", 12));
  for (const version of [clock.issue(7), clock.issue(7, { ...V, wallMs: 8 })]) {
    assertMatch(formatVersion(version), /^[0-9]+-[0-9]+-[0-9a-z.+]+$/);
  }
});

const CLOCKS: Record<
  string,
  { readonly nowMs: readonly number[]; readonly stamps: [number, number][] }
> = {
  "advances": { nowMs: [10, 11, 15], stamps: [[10, 0], [11, 0], [15, 0]] },
  "stands still": { nowMs: [10, 10, 10, 11], stamps: [[10, 0], [10, 1], [10, 2], [11, 0]] },
  "jumps back": { nowMs: [10, 3, 4, 10, 11], stamps: [[10, 0], [10, 1], [10, 2], [10, 3], [11, 0]] },
};

for (const [name, { nowMs, stamps }] of Object.entries(CLOCKS)) {
  Deno.test(`issue() given a clock that ${name}, then stamps rise`, () => {
    const clock = new HybridLogicalClock("a.1");
    assertEquals(
      nowMs.map((now) => clock.issue(now)).map((v): [number, number] => [v.wallMs, v.counter]),
      stamps,
    );
  });
}

Deno.test("issue() given a version to go above, when the clock is past it, then the stamp is the clock's own", () => {
  const clock = new HybridLogicalClock("a.1");
  assertEquals(clock.issue(2_000, V), { wallMs: 2_000, counter: 0, writer: "a.1" });
});

Deno.test("issue() given a version to go above that is far ahead, then later stamps of other keys stay with the clock", () => {
  const clock = new HybridLogicalClock("a.1");
  const ahead = { ...V, wallMs: 9_999 };
  assertGreater(compareVersions(clock.issue(10, ahead), ahead), 0);
  assertEquals(clock.issue(11), { wallMs: 11, counter: 0, writer: "a.1" });
});

Deno.test("issue() given a restamp, when the clock comes to that millisecond, then its stamps are others", () => {
  const clock = new HybridLogicalClock("a.1");
  const restamped = clock.issue(10, { wallMs: 20, counter: 0, writer: "z.1" });
  assertEquals([restamped.wallMs, restamped.counter], [20, 1]);
  clock.issue(20);
  const own = clock.issue(20);
  assertEquals([own.wallMs, own.counter], [20, 1]);
  assert(compareVersions(own, restamped) !== 0);
});

Deno.test("issue() given clocks that jump and versions to go above, then no stamp is issued twice", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const clocks = ["a.1", "a.2", "b.1"].map((writer) => new HybridLogicalClock(writer));
    const issued: Version[] = [];
    const texts = new Set<string>();
    for (let i = 0; i < 500; i++) {
      // Few milliseconds and versions seen before: whatever can collide does.
      const above = random.chance(0.5) && issued.length > 0 ? random.pick(issued) : undefined;
      const version = random.pick(clocks).issue(random.below(6), above);
      if (above !== undefined) assertGreater(compareVersions(version, above), 0);
      issued.push(version);
      texts.add(formatVersion(version));
    }
    assertEquals(texts.size, issued.length, `seed ${seed}`);
  }
});

Deno.test("issue() given a clock that jumps, then its own stamps only rise", () => {
  const random = new SeededRandom(7);
  const clock = new HybridLogicalClock("a.1");
  let last = clock.issue(0);
  for (let i = 0; i < 500; i++) {
    if (random.chance(0.3)) clock.issue(random.below(50), { ...V, wallMs: 40 });
    const next = clock.issue(random.below(50));
    assertGreater(compareVersions(next, last), 0);
    last = next;
  }
});
