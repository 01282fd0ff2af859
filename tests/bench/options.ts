import { type Flag, parseArguments } from "../../lib/cli/arguments.ts";
import { didYouMean } from "../../lib/cli/suggest.ts";

/** What a run of the benchmark is asked for. */
export interface BenchOptions {
  /** Rows to run, in the order of the table; all where empty. */
  readonly only: readonly string[];
  /** Short loads and a tenth of the keys: shows that all works, not how fast it is. */
  readonly quick: boolean;
  /** Instead of the rows: how cost grows with the number of nodes. */
  readonly scale: boolean;
  /** Alternating rounds of each row. */
  readonly rounds: number;
  /** Files that the table is written to. */
  readonly json?: string;
  readonly markdown?: string;
}

/** Arguments taken apart, or what to print instead of a run. */
export type ParsedOptions =
  | { readonly kind: "run"; readonly options: BenchOptions }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "usage"; readonly message: string };

const ROUNDS = 5;
const QUICK_ROUNDS = 1;
const MAX_ROUNDS = 99;

const FLAGS: readonly Flag[] = [
  { name: "only", value: "NAME[,NAME]", help: "only these rows" },
  { name: "quick", help: "a short pass: shows that it works, not how fast it is" },
  { name: "scale", help: "how cost grows with the number of nodes, computed and simulated" },
  {
    name: "rounds",
    value: "N",
    help: `alternating rounds of a row (default ${ROUNDS}; ${QUICK_ROUNDS} with --quick)`,
  },
  { name: "json", value: "FILE", help: "write the table there, as JSON" },
  { name: "markdown", value: "FILE", help: "write the table there, as Markdown" },
];

/**
 * Reads the arguments of a run.
 *
 * @param names Of the rows there are.
 */
export function parseOptions(args: readonly string[], names: readonly string[]): ParsedOptions {
  const parsed = parseArguments(args, FLAGS);
  if (parsed.kind === "usage") return parsed;
  if (parsed.kind !== "parsed") return { kind: "help", text: help(names) };
  const [extra] = parsed.positionals;
  if (extra !== undefined) return { kind: "usage", message: `"${extra}" means nothing here` };
  const only = (parsed.values.get("only") ?? "").split(",").filter((name) => name !== "");
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    return { kind: "usage", message: `there is no row "${unknown}"${didYouMean(unknown, names)}` };
  }
  if (parsed.values.has("only") && only.length === 0) {
    return { kind: "usage", message: "--only takes names of rows" };
  }
  const quick = parsed.switches.has("quick");
  const scale = parsed.switches.has("scale");
  if (scale && only.length > 0) return { kind: "usage", message: "--scale has no rows to choose from" };
  const rounds = parsed.values.get("rounds") ?? `${quick ? QUICK_ROUNDS : ROUNDS}`;
  if (!/^\d+$/.test(rounds) || Number(rounds) < 1 || Number(rounds) > MAX_ROUNDS) {
    return {
      kind: "usage",
      message: `--rounds takes a whole number from 1 to ${MAX_ROUNDS}, not "${rounds}"`,
    };
  }
  const [json, markdown] = [parsed.values.get("json"), parsed.values.get("markdown")];
  if (json === "" || markdown === "") {
    return { kind: "usage", message: "--json and --markdown take the name of a file" };
  }
  return {
    kind: "run",
    options: {
      only,
      quick,
      scale,
      rounds: Number(rounds),
      ...(json === undefined ? {} : { json }),
      ...(markdown === undefined ? {} : { markdown }),
    },
  };
}

function help(names: readonly string[]): string {
  const flags = FLAGS.map(({ name, value, help }) =>
    `  --${`${name}${value === undefined ? "" : ` ${value}`}`.padEnd(18)} ${help}`
  );
  return `Usage: deno task bench [flags]

Measures a ring of three real nodes, and beside it, where they are installed, three
nodes of etcd 3.4 under the same load by wrk, in alternating rounds. All of it is on
this machine; the data is in a temporary directory (TMPDIR), and gone at the end.

${flags.join("\n")}

Rows: ${wrapped(names)}

A row that is not reached fails nothing. Exit codes: 0 measured; 1 could not be
measured; 2 not understood; 130 interrupted.
`;
}

function wrapped(names: readonly string[]): string {
  const lines = [""];
  for (const name of names) {
    if (`${lines.at(-1)}${name}, `.length > 76) lines.push("");
    lines[lines.length - 1] += `${name}, `;
  }
  return lines.join("\n      ").replace(/, $/, "").replaceAll(" \n", "\n");
}
