import type { Row } from "./row.ts";
import { BARE_ROW } from "./rows/bare_row.ts";
import { CLI_ROW } from "./rows/cli_row.ts";
import { FILE_ROWS } from "./rows/file_rows.ts";
import { LATENCY_ROW } from "./rows/latency_row.ts";
import { LOAD_ROWS } from "./rows/load_rows.ts";

/** All rows, in the order of the table. */
export const ROWS: readonly Row[] = [
  ...LOAD_ROWS,
  LATENCY_ROW,
  BARE_ROW,
  ...FILE_ROWS,
  CLI_ROW,
];
