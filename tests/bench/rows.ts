import type { Row } from "./row.ts";
import { BARE_ROW } from "./rows/bare_row.ts";
import { CLI_ROW } from "./rows/cli_row.ts";
import { FILE_ROWS } from "./rows/file_rows.ts";
import { GROW_ROW } from "./rows/grow_row.ts";
import { IDLE_ROW } from "./rows/idle_row.ts";
import { LATENCY_ROW } from "./rows/latency_row.ts";
import { LIST_ROW } from "./rows/list_row.ts";
import { LOAD_ROWS } from "./rows/load_rows.ts";
import { REBALANCE_ROW } from "./rows/rebalance_row.ts";
import { REPAIR_ROW } from "./rows/repair_row.ts";

/** All rows, in the order of the table. */
export const ROWS: readonly Row[] = [
  ...LOAD_ROWS,
  LATENCY_ROW,
  BARE_ROW,
  ...FILE_ROWS,
  LIST_ROW,
  GROW_ROW,
  REBALANCE_ROW,
  REPAIR_ROW,
  IDLE_ROW,
  CLI_ROW,
];
