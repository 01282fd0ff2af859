import { assert, assertEquals } from "@std/assert";
import { ClockSkew, medianOffset } from "../../lib/node/clock_skew.ts";

function assertAlmostEquals(actual: number, expected: number, within: number): void {
  assert(Math.abs(actual - expected) <= within, `${actual} is not within ${within} of ${expected}`);
}

const HOUR_MS = 3_600_000;

/** Clocks that stand where a test puts them. */
function setUp() {
  const clock = { wall: 1_700_000_000_000, mono: 5_000 };
  const skew = new ClockSkew({
    nowMs: () => clock.wall,
    monotonicMs: () => clock.mono,
    sleep: () => Promise.resolve(),
  });
  /** Time passes for both clocks of this node. */
  const pass = (ms: number) => {
    clock.wall += ms;
    clock.mono += ms;
  };
  /** An answer of a peer that is `aheadMs` ahead, after a round trip whose way there took `there`. */
  const hear = (
    address: string,
    aheadMs: number,
    { roundTripMs = 2, there }: { roundTripMs?: number; there?: number } = {},
  ) => {
    const thereMs = there ?? roundTripMs / 2;
    const sentMs = clock.mono;
    pass(thereMs);
    const peerMs = clock.wall + aheadMs;
    pass(roundTripMs - thereMs);
    skew.note(address, peerMs, sentMs);
  };
  const offset = (address: string) => skew.offsets().get(address)!.offsetMs;
  return { clock, skew, pass, hear, offset };
}

Deno.test("ClockSkew given an answer, then the peer's offset counts half the round trip", () => {
  const { hear, offset } = setUp();
  hear("a:1", 12_000, { roundTripMs: 400 });
  assertAlmostEquals(offset("a:1"), 12_000, 1);
});

Deno.test("ClockSkew given an answer that was slow one way, then the error it states covers that", () => {
  const { hear, skew } = setUp();
  hear("a:1", 0, { roundTripMs: 900, there: 0 });
  const { offsetMs, errorMs } = skew.offsets().get("a:1")!;
  assert(Math.abs(offsetMs) > 400 && Math.abs(offsetMs) <= errorMs, `${offsetMs} within ${errorMs}`);
});

Deno.test("ClockSkew given several answers, then the one with the shortest round trip counts", () => {
  const { hear, offset, pass } = setUp();
  hear("a:1", 500, { roundTripMs: 2 });
  pass(1_000);
  hear("a:1", 500, { roundTripMs: 800, there: 0 });
  assertAlmostEquals(offset("a:1"), 500, 3);
});

Deno.test("ClockSkew given a peer's clock has jumped, when it answers, then the answers before are forgotten", () => {
  const { hear, offset, pass } = setUp();
  hear("a:1", 0, { roundTripMs: 1 });
  pass(1_000);
  hear("a:1", HOUR_MS, { roundTripMs: 100 });
  assertAlmostEquals(offset("a:1"), HOUR_MS, 60);
});

Deno.test("ClockSkew given this node's own wall clock jumps, then the offsets show it before anybody answers again", () => {
  const { clock, hear, offset, skew } = setUp();
  hear("a:1", 0);
  hear("b:1", 0);
  clock.wall += HOUR_MS;
  assertAlmostEquals(offset("a:1"), -HOUR_MS, 5);
  assertAlmostEquals(skew.majorityOffsetMs(3)!, -HOUR_MS, 5);
});

Deno.test("ClockSkew given the clocks of no majority are known, then it says nothing of most", () => {
  const { hear, skew } = setUp();
  hear("a:1", 60_000);
  assertEquals(skew.majorityOffsetMs(4), undefined);
  assertEquals(skew.majorityOffsetMs(3), 0);
});

const medians: [string, number[], number][] = [
  ["itself alone", [0], 0],
  ["two, who cannot tell which is wrong", [0, 9], 0],
  ["three of which the other two are ahead", [0, 9, 8], 8],
  ["four, two of which are ahead", [0, 0, 8, 9], 0],
  ["four, three of which are behind", [0, -7, -8, -9], -7],
];
for (const [name, offsets, expected] of medians) {
  Deno.test(`medianOffset() given ${name}, then ${expected}`, () =>
    assertEquals(medianOffset(offsets), expected));
}

const sentences: [string, Record<string, number>, string[]][] = [
  ["all clocks within a second", { "a:1": 900, "b:1": -900 }, []],
  ["a peer that is ahead", { "a:1": 12_000, "b:1": 0 }, ["The clock of a:1 is 12 s ahead of this node's."]],
  ["a peer that is behind", { "a:1": 0, "b:1": -90_000 }, [
    "The clock of b:1 is 1.5 min behind this node's.",
  ]],
  ["two that agree and differ from this one", { "a:1": -2 * HOUR_MS, "b:1": -2 * HOUR_MS - 40 }, [
    "This node's clock is 2 h ahead of most others'.",
  ]],
  ["all three differ", { "a:1": -60_000, "b:1": -120_000 }, [
    "This node's clock is 1 min ahead of most others'.",
    "The clock of b:1 is 1 min behind most others'.",
  ]],
];
for (const [name, peers, expected] of sentences) {
  Deno.test(`ClockSkew.warnings() given ${name}, then says ${expected.length} sentences`, () => {
    const { hear, skew } = setUp();
    for (const [address, aheadMs] of Object.entries(peers)) hear(address, aheadMs);
    assertEquals(skew.warnings(3), expected);
  });
}

Deno.test("ClockSkew.warnings() given a difference that a slow answer explains, then says nothing", () => {
  const { hear, skew } = setUp();
  hear("a:1", 0, { roundTripMs: 2_800, there: 0 });
  assertEquals(skew.warnings(2), []);
});

Deno.test("ClockSkew given a node that is no member any more, then it is forgotten", () => {
  const { hear, skew } = setUp();
  hear("a:1", 0);
  skew.retain(new Set(["b:1"]));
  assertEquals(skew.offsets().size, 0);
});
