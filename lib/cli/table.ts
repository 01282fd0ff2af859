import { visible } from "./format.ts";

/** A column of a table. */
export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/**
 * Lines of a table for people: aligned columns below their titles.
 *
 * @param withTitles False for the later pages of one listing.
 */
export async function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  withTitles = true,
): Promise<string[]> {
  // Only terminals need it.
  const { default: Table } = await import("cli-table3");
  const table = new Table({
    head: withTitles ? columns.map((column) => column.title) : [],
    colAligns: columns.map((column) => column.align ?? "left"),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2, compact: true },
    chars: NO_LINES,
  });
  for (const row of rows) table.push(row.map(visible));
  const text = table.toString();
  return text === "" ? [] : text.split("\n").map((line) => line.trimEnd());
}

/** One line of a table for programs: columns separated by tabs. */
export function tabbedLine(row: readonly string[]): string {
  return row.map(visible).join("\t");
}

const NO_LINES = {
  "top": "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  "bottom": "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  "left": "",
  "left-mid": "",
  "mid": "",
  "mid-mid": "",
  "right": "",
  "right-mid": "",
  "middle": "",
};
