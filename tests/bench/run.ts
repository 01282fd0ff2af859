import { Arena } from "./arena.ts";
import { FSYNC_SETTINGS, machineFacts } from "./machine.ts";
import { tableOf } from "./markdown.ts";
import type { BenchOptions } from "./options.ts";
import type { Report, RowReport } from "./report.ts";
import type { Row, RowContext } from "./row.ts";
import { hasProgram } from "./wrk.ts";

/** Runs rows, one after the other, and gives the table; a row that fails is told of in it. */
export async function runRows(
  rows: readonly Row[],
  { options, print }: { readonly options: BenchOptions; readonly print: (line: string) => void },
): Promise<Report> {
  const machine = await Arena.run(({ directory }) => machineFacts(directory));
  const has = { wrk: await hasProgram("wrk"), etcd: await hasProgram("etcd") };
  for (const [name, value] of Object.entries({ ...machine, ...FSYNC_SETTINGS })) print(`${name}: ${value}`);
  const reports: RowReport[] = [];
  for (const row of rows) {
    print(`== ${row.name}: ${row.work}`);
    const report = await runRow(row, { quick: options.quick, rounds: options.rounds, has, print });
    reports.push(report);
    for (const note of report.notes) print(note);
    print(
      report.failure === undefined
        ? tableOf([report]).split("\n").slice(2).join("\n")
        : `not measured: ${report.failure}`,
    );
  }
  const settings = {
    ...FSYNC_SETTINGS,
    run: commandOf(options),
    rounds: `${options.rounds} of each side in turn`,
  };
  return { machine, settings, rows: reports };
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
