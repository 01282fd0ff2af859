import { bytesText } from "../../lib/cli/format.ts";
import type { Measure, Report, RowReport, SideFigures } from "./report.ts";

const COLUMNS = [
  "row",
  "figure",
  "MyDHT",
  "compared with",
  "ratio",
  "to reach",
  "memory",
  "CPU s / 1,000",
] as const;

/** A run as a page: the table, what it was made with, and what was run for each row. */
export function markdownOf({ machine, settings, rows }: Report): string {
  const facts = (all: Readonly<Record<string, string>>) =>
    Object.entries(all).map(([name, value]) => `- ${name}: ${value}`);
  return [
    ...facts(machine),
    ...facts(settings),
    "",
    tableOf(rows),
    "",
    "Medians of the rounds; behind ± half the distance of the outermost from one another. Memory: the most that any one process",
    "of a side has had at once; CPU seconds of all its processes. Of each pair MyDHT comes first.",
    "",
    ...rows.flatMap(detailsOf),
  ].join("\n").trimEnd() + "\n";
}

/** The table alone. */
export function tableOf(rows: readonly RowReport[]): string {
  const lines = rows.flatMap((row) =>
    row.measures.length === 0
      ? [[row.name, row.failure === undefined ? "" : "not measured", "", "", "", "", "", ""]]
      : row.measures.map((measure, i) => [i === 0 ? row.name : "", ...cellsOf(measure)])
  );
  const table = [[...COLUMNS], COLUMNS.map(() => "---"), ...lines];
  return table.map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`).join(
    "\n",
  );
}

/** A figure with as many digits as mean something: `12,345`, `3.21`, `0.045`. */
export function numberText(value: number): string {
  const digits = Math.abs(value) >= 100
    ? 0
    : Math.abs(value) >= 10
    ? 1
    : Math.abs(value) >= 0.1 || value === 0
    ? 2
    : 4;
  return value.toLocaleString("en-US", { minimumFractionDigits: 0, maximumFractionDigits: digits });
}

function cellsOf({ what, unit, ours, theirs, ratio, target }: Measure): string[] {
  const reached = target === undefined ? "" : `${target.text}: ${target.reached ? "reached" : "not reached"}`;
  return [
    what,
    figureText(ours, unit),
    theirs === undefined ? "" : `${figureText(theirs, unit)} ${theirs.name}`,
    ratio === undefined ? "" : `${numberText(ratio)} x`,
    reached,
    pair(ours, theirs, (side) => side.use && bytesText(side.use.peakBytes)),
    pair(ours, theirs, (side) => side.use && numberText(side.use.cpuPer1000)),
  ];
}

function figureText({ median, least, most, rounds }: SideFigures, unit: string): string {
  const around = rounds > 1 ? ` ± ${numberText((most - least) / 2)}` : "";
  return `${numberText(median)}${around}${unit.startsWith("/") ? "" : " "}${unit}`;
}

function pair(
  ours: SideFigures,
  theirs: SideFigures | undefined,
  text: (side: SideFigures) => string | undefined,
): string {
  return [ours, theirs].map((side) => side && text(side)).filter((one) => one !== undefined).join(" / ");
}

function detailsOf({ name, work, commands, notes, failure }: RowReport): string[] {
  return [
    `**${name}**: ${work}.`,
    ...(failure === undefined ? [] : [`Not measured: ${failure}`]),
    ...notes,
    ...(commands.length === 0 ? [] : ["", "```sh", ...commands, "```"]),
    "",
  ];
}
