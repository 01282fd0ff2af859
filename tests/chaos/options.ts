import { type Flag, parseArguments } from "../../lib/cli/arguments.ts";

/** What a run of chaos is asked for. */
export interface ChaosOptions {
  readonly nodes: number;
  /** How long things go wrong; the run itself takes longer, as it heals and checks at its end. */
  readonly seconds: number;
  /** Decides what goes wrong, in which order and with which nodes; not the timing. */
  readonly seed: string;
  /** MiB of the large value; 0 for none. */
  readonly largeMib: number;
}

/** Arguments taken apart, or what to print instead of a run. */
export type ParsedOptions =
  | { readonly kind: "run"; readonly options: ChaosOptions }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "usage"; readonly message: string };

/** A whole number that a flag takes. */
interface NumberRule {
  readonly name: "nodes" | "seconds" | "large";
  readonly least: number;
  readonly most: number;
  readonly otherwise: number;
  readonly help: string;
}

const NUMBERS: readonly NumberRule[] = [
  { name: "nodes", least: 3, most: 20, otherwise: 5, help: "nodes of the ring, 3 to 20" },
  { name: "seconds", least: 1, most: 86_400, otherwise: 60, help: "how long things go wrong" },
  { name: "large", least: 0, most: 4096, otherwise: 100, help: "MiB of the large value; 0 for none" },
];
const SEED: Flag = { name: "seed", value: "SEED", help: "repeat what goes wrong, though not the timing" };
const FLAGS: readonly Flag[] = [
  ...NUMBERS.map(({ name, help, otherwise }) => ({
    name,
    value: "NUMBER",
    help: `${help} (default ${otherwise})`,
  })),
  SEED,
];

/**
 * Reads the arguments of a run.
 *
 * @param newSeed Used where none is given.
 */
export function parseOptions(args: readonly string[], newSeed: () => string): ParsedOptions {
  const parsed = parseArguments(args, FLAGS);
  if (parsed.kind === "usage") return parsed;
  if (parsed.kind !== "parsed") return { kind: "help", text: HELP };
  const [extra] = parsed.positionals;
  if (extra !== undefined) return { kind: "usage", message: `"${extra}" means nothing here` };
  const numbers = new Map<string, number>();
  for (const rule of NUMBERS) {
    const text = parsed.values.get(rule.name) ?? `${rule.otherwise}`;
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < rule.least || number > rule.most) {
      const message = `--${rule.name} takes a whole number from ${rule.least} to ${rule.most}, not "${text}"`;
      return { kind: "usage", message };
    }
    numbers.set(rule.name, number);
  }
  const seed = parsed.values.get("seed") ?? newSeed();
  if (seed === "") return { kind: "usage", message: "--seed takes a text that is not empty" };
  return {
    kind: "run",
    options: {
      seed,
      nodes: numbers.get("nodes")!,
      seconds: numbers.get("seconds")!,
      largeMib: numbers.get("large")!,
    },
  };
}

const HELP = `Usage: deno task chaos [flags]

Runs a ring of real node processes, does to them what happens to machines, and
checks that no client is told anything but the truth.

${FLAGS.map(({ name, value, help }) => `  --${`${name} ${value}`.padEnd(16)} ${help}`).join("\n")}

Exit codes: 0 only unavailability was seen, if anything; 1 a promise was broken, or
too little happened, and the named directory has the evidence; 2 not understood; 130 interrupted.
`;
