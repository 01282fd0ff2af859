import { parseArgs } from "@std/cli/parse-args";
import { PLANS } from "./plans.ts";

/** What `deno task sim` was asked to do. */
export interface SimOptions {
  /** First seed. */
  readonly seed: number;
  readonly runs: number;
  /** A plan, or a named story; drawn from the seed where absent. */
  readonly scenario?: string;
  /** Nodes a ring begins with; drawn from the seed where absent. */
  readonly nodes?: number;
  /** Processes at the same time. */
  readonly jobs: number;
  /** Whether to look for the planted bugs instead. */
  readonly mutants: boolean;
}

/** Options, or what to say instead of running. */
export type ParsedOptions =
  | { readonly kind: "run"; readonly options: SimOptions }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "usage"; readonly sentence: string };

const MAX_JOBS = 64;
const MAX_RUNS = 10_000_000;
const FEWEST_NODES = 3;
const MOST_NODES = 9;
const NUMBERS = ["seed", "runs", "nodes", "jobs"] as const;

/** @param cores Processes at the same time where no number is given. */
export function helpText(cores: number): string {
  return [
    "Usage: deno task sim [--seed S] [--runs N] [--scenario NAME] [--nodes N] [--jobs J] [--mutants]",
    "",
    "Runs whole rings on virtual time, a seed each, until a promise is broken.",
    "",
    "  --seed S         first seed (1); alone: that seed only",
    "  --runs N         seeds to run (100)",
    `  --scenario NAME  a plan, or words from the name of a story: ${Object.keys(PLANS).join(", ")}`,
    `  --nodes N        nodes the ring begins with, ${FEWEST_NODES} to ${MOST_NODES}`,
    `  --jobs J         processes at the same time (${cores})`,
    "  --mutants        plants each known bug, and says after how many seeds it was found",
    "  --help           this text",
  ].join("\n");
}

/** Takes the arguments of `deno task sim` apart. @param cores Processes at the same time where none are named. */
export function parseOptions(args: readonly string[], cores: number): ParsedOptions {
  const unknown: string[] = [];
  const parsed = parseArgs([...args], {
    string: [...NUMBERS, "scenario"],
    boolean: ["mutants", "help"],
    unknown: (arg) => {
      unknown.push(arg);
      return false;
    },
  });
  if (parsed["help"] === true) return { kind: "help", text: helpText(cores) };
  if (unknown.length > 0) {
    return usage(`${unknown[0]} means nothing to the simulation; see deno task sim --help`);
  }
  const bounds = {
    seed: [0, Number.MAX_SAFE_INTEGER],
    runs: [1, MAX_RUNS],
    nodes: [FEWEST_NODES, MOST_NODES],
    jobs: [1, MAX_JOBS],
  };
  const numbers = new Map<string, number>();
  for (const name of NUMBERS) {
    const value = parsed[name];
    if (value === undefined) continue;
    const [least, most] = bounds[name] as [number, number];
    const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : NaN;
    if (!(number >= least && number <= most)) {
      return usage(`--${name} must be a whole number from ${least} to ${most}`);
    }
    numbers.set(name, number);
  }
  const scenario = parsed["scenario"];
  if (scenario === "") return usage("--scenario needs a name");
  const nodes = numbers.get("nodes");
  return {
    kind: "run",
    options: {
      seed: numbers.get("seed") ?? 1,
      runs: numbers.get("runs") ?? (numbers.has("seed") ? 1 : 100),
      jobs: numbers.get("jobs") ?? cores,
      mutants: parsed["mutants"] === true,
      ...(typeof scenario === "string" ? { scenario } : {}),
      ...(nodes === undefined ? {} : { nodes }),
    },
  };
}

function usage(sentence: string): ParsedOptions {
  return { kind: "usage", sentence };
}
