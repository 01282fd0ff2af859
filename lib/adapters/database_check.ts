import type { DatabaseSync } from "node:sqlite";

/** Sizes in bytes up to which a file is checked whole. Cold, a gigabyte takes 5 to 10 seconds. */
export interface CheckBounds {
  /** At every start. */
  readonly alwaysBytes: number;
  /** After a stop that left a write-ahead log behind. */
  readonly uncleanBytes: number;
}

/** What a start can afford. */
export const CHECK_BOUNDS: CheckBounds = { alwaysBytes: 256 * 1024 ** 2, uncleanBytes: 2 * 1024 ** 3 };

/** What a check found. */
export interface CheckResult {
  /** What is wrong, in a few words; absent: nothing was found. */
  readonly damage?: string;
  /** Whether a whole check was due and left out, for the file's size. */
  readonly partial: boolean;
}

const HEADER = "SQLite format 3\0";
const HEADER_BYTES = 100;

/** What Deno KV reads at once when it opens a file, whatever the file's size. */
const OUTLINE_TABLES = ["migration_state", "data_version", "queue", "queue_running"];
const OUTLINE_READS = [
  "SELECT count(*) FROM kv WHERE expiration_ms >= 0",
  "SELECT k FROM kv ORDER BY k LIMIT 1",
  "SELECT k FROM kv ORDER BY k DESC LIMIT 1",
];

/**
 * Looks for damage in a file of Deno KV that no process has open: its header
 * and what Deno KV reads when opening it always, every page where `bounds`
 * allow. Changes nothing in it. Blocks until it is done. No file, or an empty one, is no damage. Throws `Error`
 * where the file cannot be read, or nothing can be written beside it.
 *
 * Finds what would make Deno KV end the process; a value that was changed in place is for its checksum to find.
 */
export function findDamage(path: string, bounds: CheckBounds): CheckResult {
  const fileBytes = sizeOf(path);
  const unclean = sizeOf(`${path}-wal`) > 0;
  if (fileBytes === 0 && !unclean) return { partial: false };
  const whole = fileBytes <= (unclean ? bounds.uncleanBytes : bounds.alwaysBytes);
  const damage = headerDamage(path, fileBytes) ?? contentDamage(path, whole);
  return { ...(damage === undefined ? {} : { damage }), partial: unclean && !whole };
}

function headerDamage(path: string, fileBytes: number): string | undefined {
  if (fileBytes === 0) return undefined;
  if (fileBytes < HEADER_BYTES) return "it is cut off within its header";
  const header = new Uint8Array(HEADER.length);
  using file = Deno.openSync(path);
  file.readSync(header);
  return new TextDecoder().decode(header) === HEADER ? undefined : "it does not begin as a database does";
}

function contentDamage(path: string, whole: boolean): string | undefined {
  try {
    // Imported at the top, a bundle would load it for every command of the client, too.
    // deno-lint-ignore no-process-global
    const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
    using database = new DatabaseSync(path, { readOnly: true });
    return whole ? quickCheck(database, "1") : outlineDamage(database);
  } catch (error) {
    if (error instanceof Error && isDamage(error.message)) return error.message;
    throw error;
  }
}

/** Whether this is how SQLite says that a file is damaged, as opposed to a disk that is full or refuses. */
export function isDamage(message: string): boolean {
  return /malformed|not a database/.test(message);
}

function outlineDamage(database: DatabaseSync): string | undefined {
  const rows = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
  const tables = rows.map((row) => row.name);
  for (const table of OUTLINE_TABLES) {
    const damage = tables.includes(table) ? quickCheck(database, table) : undefined;
    if (damage !== undefined) return damage;
  }
  if (tables.includes("kv")) { for (const read of OUTLINE_READS) database.prepare(read).get(); }
  return undefined;
}

/** @param argument A table's name, or the number of faults after which to stop. */
function quickCheck(database: DatabaseSync, argument: string): string | undefined {
  const answer = database.prepare(`PRAGMA quick_check(${argument})`).get()?.quick_check;
  return answer === "ok"
    ? undefined
    : String(answer).replace(/^\*+ in database main \*+\s*/, "").split("\n")[0];
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
