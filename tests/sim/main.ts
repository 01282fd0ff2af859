/**
 * `deno task sim`: rings on virtual time under faults of every kind, seed after seed.
 *
 * Exit code 1 at the first broken promise, with its story and how to see it again, and where the seeds test too
 * little; 2 where the arguments are wrong.
 */
import { MUTANTS } from "./mutants.ts";
import { parseOptions, type SimOptions } from "./options.ts";
import { type PlanName, PLANS } from "./plans.ts";
import { Summary } from "./summary.ts";
import { runSeed } from "./swarm.ts";
import { runInWorkers } from "./workers.ts";

const PROGRESS_MS = 20_000;

const parsed = parseOptions(Deno.args, navigator.hardwareConcurrency);
if (parsed.kind === "help") console.log(parsed.text);
else if (parsed.kind === "usage") {
  console.error(parsed.sentence);
  Deno.exit(2);
} else Deno.exit(await main(parsed.options) ? 0 : 1);

async function main(options: SimOptions): Promise<boolean> {
  if (options.mutants) return await findMutants(options);
  if (options.scenario !== undefined && !(options.scenario in PLANS)) {
    return await playStory(options.scenario);
  }
  return await runSeeds(options, options.scenario as PlanName | undefined);
}

async function runSeeds(
  { seed, runs, nodes, jobs }: SimOptions,
  plan: PlanName | undefined,
): Promise<boolean> {
  const summary = new Summary();
  const startMs = performance.now();
  const seconds = () => (performance.now() - startMs) / 1_000;
  let story: string | undefined;
  let failed = seed;
  let saidMs = startMs;
  await runInWorkers(
    {
      first: seed,
      count: runs,
      ...(plan === undefined ? {} : { plan }),
      ...(nodes === undefined ? {} : { nodes }),
    },
    { jobs, script: new URL("worker.ts", import.meta.url).href },
    (line) => {
      summary.add(line);
      if (line.story !== undefined) [story, failed] = [line.story, line.seed];
      if (performance.now() - saidMs < PROGRESS_MS) return;
      saidMs = performance.now();
      console.error(`${summary.seeds} of ${runs} seeds after ${Math.round(seconds())} s`);
    },
  );
  if (story !== undefined) {
    console.log(story);
    const flags = [`--seed ${failed}`, plan && `--scenario ${plan}`, nodes && `--nodes ${nodes}`];
    console.log(`\nto see it again: deno task sim ${flags.filter(Boolean).join(" ")}`);
  }
  console.log(summary.text(seconds()));
  summary.weaknesses.forEach((weakness) => console.log(weakness));
  return story === undefined && (plan !== undefined || summary.weaknesses.length === 0);
}

/** Plants each bug and runs seeds until the checks find it. */
async function findMutants({ seed }: SimOptions): Promise<boolean> {
  let allFound = true;
  for (const { name, breaks, options, within } of MUTANTS) {
    let found: string | undefined;
    let seeds = 0;
    while (found === undefined && seeds < within) {
      [found] = (await runSeed(seed + seeds++, options)).violations;
    }
    allFound &&= found !== undefined;
    const outcome = found === undefined ? `NOT FOUND within ${within}` : `${seeds}`.padStart(3);
    console.log(`${outcome}  a node that ${name} (${breaks})${found ? `: ${found.split("\n")[0]}` : ""}`);
  }
  console.log(allFound ? `all ${MUTANTS.length} planted bugs were found` : "a planted bug was not found");
  return allFound;
}

/** Plays the stories of which that is a part of the name: they are tests. */
async function playStory(words: string): Promise<boolean> {
  const directory = new URL(".", import.meta.url).pathname;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--filter", words, directory],
  }).spawn().status;
  return success;
}
