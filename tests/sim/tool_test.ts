/** `deno task sim` itself: what it takes, what it makes of the seeds, and how it spreads them. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { parseOptions, type SimOptions } from "./options.ts";
import { type SeedFigures, Summary } from "./summary.ts";
import { runInWorkers, runTask, type WorkerLine } from "./workers.ts";

const DEFAULTS: SimOptions = { seed: 1, runs: 100, jobs: 2, mutants: false };

const ACCEPTED: Readonly<Record<string, readonly [string[], Partial<SimOptions>]>> = {
  "nothing": [[], {}],
  "a seed alone": [["--seed", "7"], { seed: 7, runs: 1 }],
  "a seed and runs": [["--seed=7", "--runs=20"], { seed: 7, runs: 20 }],
  "a scenario and nodes": [["--scenario", "blackout", "--nodes", "5"], { scenario: "blackout", nodes: 5 }],
  "jobs": [["--jobs", "8"], { jobs: 8 }],
  "mutants": [["--mutants"], { mutants: true }],
};

for (const [name, [args, expected]] of Object.entries(ACCEPTED)) {
  Deno.test(`parseOptions() given ${name}, then that is run`, () => {
    assertEquals(parseOptions(args, 2), { kind: "run", options: { ...DEFAULTS, ...expected } });
  });
}

const REFUSED: Readonly<Record<string, readonly [string[], string]>> = {
  "a seed that is no number": [["--seed", "x"], "--seed"],
  "no runs": [["--runs", "0"], "--runs"],
  "too few nodes": [["--nodes", "2"], "--nodes"],
  "too many jobs": [["--jobs", "65"], "--jobs"],
  "an empty scenario": [["--scenario="], "--scenario"],
  "an unknown flag": [["--speed", "9"], "--speed"],
  "a word": [["blackout"], "blackout"],
};

for (const [name, [args, named]] of Object.entries(REFUSED)) {
  Deno.test(`parseOptions() given ${name}, then it says so`, () => {
    const parsed = parseOptions(args, 2);
    assert(parsed.kind === "usage" && parsed.sentence.includes(named));
  });
}

Deno.test("parseOptions() given --help, then every plan is named", () => {
  const parsed = parseOptions(["--help"], 2);
  assert(parsed.kind === "help" && parsed.text.includes("returnAfterCollection"));
});

function figures(seed: number, overlapShare: number, injected: readonly string[] = []): SeedFigures {
  const counts = injected.map((what) => [what, 1] as const);
  return {
    seed,
    overlapShare,
    reads: { answered: 40, blind: 10 },
    injected: counts,
    operations: 100,
    virtualMs: 60_000,
    longestReadMs: seed * 100,
  };
}

function summaryOf(seeds: number, overlapShare: number, crashed: number): Summary {
  const summary = new Summary();
  for (let seed = 1; seed <= seeds; seed++) {
    summary.add(figures(seed, overlapShare, seed <= crashed ? ["crashes in a layout change"] : ["storm"]));
  }
  return summary;
}

Deno.test("summary given some seeds, then their figures are added up", () => {
  const text = summaryOf(4, 0.5, 1).text(2);
  for (
    const part of [
      "4 seeds, 120 a minute",
      "120 virtual seconds a second",
      "400 operations, 50 %",
      "25 % of 160 reads",
    ]
  ) {
    assert(text.includes(part), text);
  }
  for (const part of ["0.4 virtual s at most", "1 seeds (25 %) had a crash", "storm 3"]) {
    assert(text.includes(part), text);
  }
});

const WEAK: Readonly<Record<string, readonly [Summary, number]>> = {
  "crashes and overlaps enough": [summaryOf(40, 0.2, 20), 0],
  "too few crashes in changes of layout": [summaryOf(40, 0.2, 19), 1],
  "too few operations that overlap": [summaryOf(40, 0.05, 40), 1],
  "neither": [summaryOf(40, 0.05, 0), 2],
  "too few seeds to tell": [summaryOf(39, 0, 0), 0],
};

for (const [name, [summary, count]] of Object.entries(WEAK)) {
  Deno.test(`summary given ${name}, then it finds ${count} weaknesses`, () => {
    assertEquals(summary.weaknesses.length, count);
  });
}

Deno.test("runTask() given every second seed, then it says a line for each of its own", async () => {
  const lines: WorkerLine[] = [];
  await runTask({ first: 3, step: 2, count: 2, plan: "restartWithStoppedClock" }, (line) => lines.push(line));
  assertEquals(lines.map(({ seed, story }) => [seed, story]), [[3, undefined], [5, undefined]]);
});

/** A worker that says a line for each seed of its task; seed 4 breaks a promise, and seed 9 ends it. */
const STAND_IN = `data:application/javascript,${
  encodeURIComponent(`
    const { first, step, count } = JSON.parse(Deno.args[0]);
    for (let i = 0; i < count; i++) {
      const seed = first + i * step;
      if (seed === 9) Deno.exit(3);
      const story = seed === 4 ? { story: "what happened" } : {};
      console.log(JSON.stringify({ seed, injected: [], ...story }));
      if (seed === 4) Deno.exit(0);
    }
  `)
}`;

Deno.test("runInWorkers() given seeds and jobs, then each seed is run once", async () => {
  const seeds: number[] = [];
  await runInWorkers({ first: 10, count: 5 }, { jobs: 2, script: STAND_IN }, ({ seed }) => seeds.push(seed));
  assertEquals(seeds.sort((a, b) => a - b), [10, 11, 12, 13, 14]);
});

Deno.test("runInWorkers() given a broken promise, then it hears the story and ends", async () => {
  const stories: (string | undefined)[] = [];
  await runInWorkers(
    { first: 4, count: 1 },
    { jobs: 2, script: STAND_IN },
    ({ story }) => stories.push(story),
  );
  assertEquals(stories, ["what happened"]);
});

Deno.test("runInWorkers() given a worker that fails, then it throws", async () => {
  const run = runInWorkers({ first: 9, count: 1 }, { jobs: 1, script: STAND_IN }, () => {});
  await assertRejects(() => run, Error, "exit code 3");
});
