import { assertEquals } from "@std/assert";
import { FailureDetector } from "../../lib/core/failure_detector.ts";

/** A peer that failed twice, at 1 s. */
function withOneDown(): FailureDetector {
  const detector = new FailureDetector();
  detector.missed("a:1", 0);
  detector.missed("a:1", 1_000);
  return detector;
}

Deno.test("FailureDetector given a peer that fails once, then it is in doubt, and requests still go to it", () => {
  const detector = new FailureDetector();
  assertEquals(detector.missed("a:1", 0), false);
  assertEquals([detector.isDown("a:1"), detector.doubtful(), detector.health("a:1", 0)], [
    false,
    ["a:1"],
    "up",
  ]);
});

Deno.test("FailureDetector given a peer that answers between two failures, then requests still go to it", () => {
  const detector = new FailureDetector();
  detector.missed("a:1", 0);
  detector.heard("a:1");
  assertEquals([detector.missed("a:1", 1), detector.isDown("a:1")], [false, false]);
});

Deno.test("FailureDetector given a peer that fails twice in a row, then requests go around it from then on, told once", () => {
  const detector = new FailureDetector();
  assertEquals([0, 1, 2].map((ms) => detector.missed("a:1", ms)), [false, true, false]);
  assertEquals([detector.down(), detector.doubtful()], [["a:1"], []]);
});

const views: [string, (detector: FailureDetector) => void, number, string][] = [
  ["nobody was asked yet", () => {}, 1_100, "suspect"],
  ["nobody reaches it, for a while", (d) => d.told("a:1", false, 2_000), 7_000, "down"],
  ["another reaches it", (d) => d.told("a:1", true, 2_000), 60_000, "unreachable"],
  ["another reached it long ago", (d) => d.told("a:1", true, 2_000), 200_000, "down"],
  [
    "others do not reach it any more",
    (d) => {
      d.told("a:1", true, 2_000);
      d.told("a:1", false, 9_000);
    },
    9_000,
    "down",
  ],
  ["it answered again", (d) => d.heard("a:1"), 2_000, "up"],
  [
    "it was reached before it went down again",
    (d) => {
      d.told("a:1", true, 2_000);
      d.heard("a:1");
      d.missed("a:1", 3_000);
      d.missed("a:1", 4_000);
    },
    4_500,
    "suspect",
  ],
];
for (const [name, happens, atMs, expected] of views) {
  Deno.test(`FailureDetector given a peer that is down and ${name}, then it counts as ${expected}`, () => {
    const detector = withOneDown();
    happens(detector);
    assertEquals(detector.health("a:1", atMs), expected);
  });
}

Deno.test("FailureDetector given a peer that stays down, then others are asked every few seconds, later every minute", () => {
  const detector = withOneDown();
  const asked: number[] = [];
  for (let ms = 1_000; ms <= 200_000; ms += 1_000) if (detector.mustAsk("a:1", ms)) asked.push(ms / 1_000);
  assertEquals(asked, [1, 6, 11, 16, 21, 26, 86, 146]);
});

Deno.test("FailureDetector given a peer that comes and goes every three seconds, then it is told of ever less often, and at last", () => {
  const detector = new FailureDetector();
  const told: number[] = [];
  for (let ms = 0; ms <= 300_000; ms += 1_000) {
    if (ms <= 200_000 && ms % 3_000 < 2_000) detector.missed("a:1", ms);
    else detector.heard("a:1");
    if (detector.recoveries(ms).length > 0) told.push(ms / 1_000);
  }
  assertEquals(told.length, 7);
  assertEquals(told.slice(1).every((at, i) => at - told[i]! >= Math.min(80, 5 * 2 ** i)), true, told.join());
  assertEquals(told.at(-1)! > 200, true, told.join());
});

Deno.test("FailureDetector given two recoveries far apart, then both are told at once", () => {
  const detector = withOneDown();
  detector.heard("a:1");
  assertEquals(detector.recoveries(2_000), ["a:1"]);
  detector.missed("a:1", 600_000);
  detector.missed("a:1", 601_000);
  detector.heard("a:1");
  assertEquals(detector.recoveries(601_500), ["a:1"]);
});

Deno.test("FailureDetector given a node that is no member any more, then it is forgotten", () => {
  const detector = withOneDown();
  detector.retain(new Set(["b:1"]));
  assertEquals([detector.isDown("a:1"), detector.down()], [false, []]);
});
