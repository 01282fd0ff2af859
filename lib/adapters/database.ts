import { sentence } from "../core/errors.ts";
import type { Log } from "../ports/log.ts";
import { DatabaseError, type Store } from "../ports/store.ts";
import { CHECK_BOUNDS, type CheckBounds, findDamage, isDamage } from "./database_check.ts";
import { DenoKvStore } from "./deno_kv_store.ts";

/** Names in a database directory. SQLite adds `-wal` and `-shm` to the first while it is open. */
const DATABASE_FILE = "node.db";
const LOCK_FILE = "lock";
/** Directories beside it with the databases that were set aside; when follows. */
const RETIRED = "retired-";

/**
 * Opens a node's database for its only user, and frees it when the store is closed.
 *
 * A directory is made where there is none and locked, so that no second
 * process opens it: the lock ends with the process, however that ends. The file is checked first, because
 * Deno KV ends the process, uncatchably, when it meets damage.
 *
 * @param location A directory, or the URL of a remote database (KV Connect), to which none of this applies.
 * @throws {DatabaseError} "unwritable", "locked" or "damaged".
 */
export async function openDatabase(
  location: string,
  log: Log,
  bounds: CheckBounds = CHECK_BOUNDS,
): Promise<Store> {
  if (isRemoteDatabase(location)) return new DenoKvStore(await Deno.openKv(location), { remote: true });
  const lock = await lockDirectory(location);
  const path = `${location}/${DATABASE_FILE}`;
  try {
    checkFile(location, path, log, bounds);
    return new DenoKvStore(await Deno.openKv(path), { remote: false, onClosed: () => lock.close() });
  } catch (error) {
    lock.close();
    if (error instanceof DatabaseError) throw error;
    const reason = sentence(error);
    throw isDamage(reason) ? damaged(location, path, reason, error) : unwritable(location, error);
  }
}

/**
 * Moves a closed database into a directory beside it, named after the time, so that the node can begin anew. Within its own
 * directory, which may be the mount point of a volume, and the only place that may be written.
 *
 * @returns Where it is now.
 */
export async function setDatabaseAside(location: string, nowMs: number): Promise<string> {
  const aside = `${location}/${RETIRED}${nowMs}`;
  await Deno.mkdir(aside);
  for await (const { name: file } of Deno.readDir(location)) {
    if (file.startsWith(DATABASE_FILE)) await Deno.rename(`${location}/${file}`, `${aside}/${file}`);
  }
  return aside;
}

/** Where the last database was set aside to, if there is none in its place. */
export async function databaseSetAside(location: string): Promise<string | undefined> {
  const names: string[] = await Array.fromAsync(Deno.readDir(location), ({ name }) => name).catch(() => []);
  if (names.includes(DATABASE_FILE)) return undefined;
  const last = names.filter((name) => name.startsWith(RETIRED)).sort().at(-1);
  return last === undefined ? undefined : `${location}/${last}`;
}

/** Whether a location of a database is a URL rather than a directory. */
export function isRemoteDatabase(location: string): boolean {
  return /^https?:\/\//i.test(location);
}

/** Takes the lock that the open file stands for: closing it, also by dying, gives it back. */
async function lockDirectory(directory: string): Promise<Deno.FsFile> {
  let lock: Deno.FsFile;
  try {
    await Deno.mkdir(directory, { recursive: true });
    lock = await Deno.open(`${directory}/${LOCK_FILE}`, { read: true, write: true, create: true });
  } catch (error) {
    throw unwritable(directory, error);
  }
  try {
    if (await lock.tryLock(true)) {
      await writeOwner(lock);
      return lock;
    }
    throw new DatabaseError(
      "locked",
      `Cannot open the database in ${directory}: ${await readOwner(lock)} has it open; ` +
        `stop that one, or give this node a directory of its own with --data`,
    );
  } catch (error) {
    lock.close();
    throw error instanceof DatabaseError ? error : unwritable(directory, error);
  }
}

/** For the message of the next one only; a full disk must not stop a node that could still be read from. */
async function writeOwner(lock: Deno.FsFile): Promise<void> {
  try {
    await lock.truncate();
    await lock.write(new TextEncoder().encode(`${Deno.pid}\n`));
  } catch {
    // Without it the message does not say which process.
  }
}

async function readOwner(lock: Deno.FsFile): Promise<string> {
  try {
    const bytes = new Uint8Array(20);
    const pid = parseInt(new TextDecoder().decode(bytes.subarray(0, await lock.read(bytes) ?? 0)));
    return pid > 0 ? `another process (${pid})` : "another process";
  } catch {
    // Where locks are mandatory, the file cannot be read.
    return "another process";
  }
}

function checkFile(directory: string, path: string, log: Log, bounds: CheckBounds): void {
  const { damage, partial } = findDamage(path, bounds);
  if (damage !== undefined) throw damaged(directory, path, damage);
  if (partial) {
    log.event(
      "warn",
      "database_check_skipped",
      `The last stop was unclean and ${path} is too large to be checked whole at start: only its outline was`,
    );
  }
}

function damaged(directory: string, path: string, reason: string, cause?: unknown): DatabaseError {
  return new DatabaseError(
    "damaged",
    `Cannot use the database ${path}: it is damaged (${reason}); move the directory ${directory} aside and ` +
      `start this node again, and it fetches its share from the other nodes`,
    { cause },
  );
}

function unwritable(directory: string, cause: unknown): DatabaseError {
  const reason = sentence(cause);
  return new DatabaseError(
    "unwritable",
    `Cannot use the directory ${directory} for the database (${reason}); make it writable, with space left on ` +
      `its disk, or name another with --data`,
    { cause },
  );
}
