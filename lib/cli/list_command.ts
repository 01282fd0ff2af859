import type { KeyEntry } from "../client.ts";
import { EXIT } from "./failures.ts";
import { bytesText, momentText } from "./format.ts";
import type { Session } from "./session.ts";
import { type Column, tabbedLine, tableLines } from "./table.ts";

/** Rows of a table that are laid out together: more would keep whoever waits for the first. */
const ROWS_TOGETHER = 500;

const COLUMNS: readonly Column[] = [
  { title: "KEY" },
  { title: "SIZE", align: "right" },
  { title: "TIME" },
  { title: "TYPE" },
];

/** `ls`: the keys of the ring; a table for people, lines for programs. */
export async function ls(session: Session): Promise<number> {
  const keys = session.client().list({ prefix: session.value("prefix") ?? "" });
  if (session.has("json")) {
    for await (const entry of keys) await session.print(JSON.stringify(entry));
  } else if (session.io.stdout.isTerminal()) {
    await printTable(session, keys);
  } else {
    for await (const { key, size, timestamp, type } of keys) {
      await session.print(tabbedLine([key, String(size), momentText(timestamp), type]));
    }
  }
  return EXIT.ok;
}

async function printTable(session: Session, keys: AsyncIterable<KeyEntry>): Promise<void> {
  let rows: string[][] = [];
  let isFirst = true;
  const flush = async () => {
    for (const line of await tableLines(COLUMNS, rows, isFirst)) await session.print(line);
    isFirst = false;
    rows = [];
  };
  for await (const { key, size, timestamp, type } of keys) {
    rows.push([key, bytesText(size), momentText(timestamp), type]);
    if (rows.length === ROWS_TOGETHER) await flush();
  }
  if (rows.length > 0) await flush();
  else if (isFirst) await session.complain("there are no such keys");
}
