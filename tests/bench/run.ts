import { Arena } from "./arena.ts";
import { FSYNC_SETTINGS, machineFacts } from "./machine.ts";
import { tableOf } from "./markdown.ts";
import type { BenchOptions } from "./options.ts";
import type { Report, RowReport } from "./report.ts";
import type { Row, RowContext } from "./row.ts";
import { hasProgram } from "./wrk.ts";

/** How rows are run. */
export interface RunOptions {
  readonly options: BenchOptions;
  readonly print: (line: string) => void;
  /** Is given the table after each row: a run takes long, and may be cut short. */
  readonly keep: (report: Report) => Promise<void>;
}

/** Runs rows, one after the other, and gives the table; a row that fails is told of in it. */
export async function runRows(rows: readonly Row[], { options, print, keep }: RunOptions): Promise<Report> {
  const machine = await Arena.run(({ directory }) => machineFacts(directory));
  const has = { wrk: await hasProgram("wrk"), etcd: await hasProgram("etcd") };
  for (const [name, value] of Object.entries({ ...machine, ...FSYNC_SETTINGS })) print(`${name}: ${value}`);
  const settings = {
    ...FSYNC_SETTINGS,
    run: commandOf(options),
    rounds: `${options.rounds} of each side in turn, after two seconds to warm up`,
  };
  const reports: RowReport[] = [];
  for (const row of rows) {
    print(`== ${row.name}: ${row.work}`);
    const report = await runRow(row, { quick: options.quick, rounds: options.rounds, has, print });
    reports.push(report);
    for (const line of resultLines(report)) print(line);
    await keep({ machine, settings, rows: reports });
  }
  return { machine, settings, rows: reports };
}

function resultLines(report: RowReport): string[] {
  if (report.failure !== undefined) return [`not measured: ${report.failure}`];
  return [...report.notes, ...tableOf([report]).split("\n").slice(2)];
}

async function runRow(row: Row, context: Omit<RowContext, "arena">): Promise<RowReport> {
  const { name, work } = row;
  try {
    return { name, work, ...await Arena.run((arena) => row.run({ arena, ...context })) };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { name, work, measures: [], commands: [], notes: [], failure };
  }
}

/** The command of a run, as a reader would type it. */
export function commandOf({ only, quick, scale, rounds }: BenchOptions): string {
  const flags = [
    ...(only.length === 0 ? [] : ["--only", only.join(",")]),
    ...(quick ? ["--quick"] : []),
    ...(scale ? ["--scale"] : ["--rounds", `${rounds}`]),
  ];
  return ["deno task bench", ...flags].join(" ");
}
