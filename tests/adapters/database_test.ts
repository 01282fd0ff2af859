import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  databaseSetAside,
  isRemoteDatabase,
  openDatabase,
  setDatabaseAside,
} from "../../lib/adapters/database.ts";
import { DatabaseError, type Store } from "../../lib/ports/store.ts";
import {
  filledDatabase,
  overwritePages,
  SILENT,
  uncleanDatabase,
  withDirectory,
} from "./database_fixture.ts";

async function refused(open: () => Promise<Store>): Promise<DatabaseError> {
  return await assertRejects(open, DatabaseError);
}

Deno.test("openDatabase() given no directory yet, then makes it and those above", () =>
  withDirectory(async (directory) => {
    const store = await openDatabase(`${directory}/a/b`, SILENT);
    await store.commit([{ kind: "set", key: ["k"], value: Uint8Array.of(1) }]);
    await store.close();
    const again = await openDatabase(`${directory}/a/b`, SILENT);
    assertEquals((await again.getMany([["k"]]))[0]?.value, Uint8Array.of(1));
    await again.close();
  }));

Deno.test("openDatabase() given a directory in use, then refuses it and names the process", () =>
  withDirectory(async (directory) => {
    const store = await openDatabase(directory, SILENT);
    const error = await refused(() => openDatabase(directory, SILENT));
    assertEquals(error.code, "locked");
    assertMatch(error.message, new RegExp(`another process \\(${Deno.pid}\\) has it open`));
    await store.close();
  }));

Deno.test("openDatabase() given a lock file whose process is gone, then opens", () =>
  withDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/lock`, "4242\n");
    await (await openDatabase(directory, SILENT)).close();
  }));

Deno.test("openDatabase() given a file where the directory should be, then says it cannot be used", () =>
  withDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/file`, "");
    const error = await refused(() => openDatabase(`${directory}/file/data`, SILENT));
    assertEquals(error.code, "unwritable");
    assertMatch(error.message, /Cannot use the directory .*\/file\/data .*--data$/);
  }));

Deno.test("openDatabase() given a damaged file, then says what to do, and lets go of the directory", () =>
  withDirectory(async (directory) => {
    await overwritePages(await filledDatabase(directory), [300]);
    const error = await refused(() => openDatabase(directory, SILENT));
    assertEquals(error.code, "damaged");
    assertMatch(
      error.message,
      /node\.db: it is damaged \(.*\); move the directory .* aside and start .* again/,
    );
    await Deno.remove(`${directory}/node.db`);
    await (await openDatabase(directory, SILENT)).close();
  }));

Deno.test("openDatabase() given an unclean stop, then has what was committed", () =>
  withDirectory(async (directory) => {
    await uncleanDatabase(directory, `${directory}/copy`);
    const store = await openDatabase(`${directory}/copy`, SILENT);
    assertEquals((await store.getMany([["last"]]))[0]?.value, Uint8Array.of(1));
    await store.close();
  }));

Deno.test("openDatabase() given an unclean stop of too large a database, then logs that it was not checked", () =>
  withDirectory(async (directory) => {
    await uncleanDatabase(directory, `${directory}/copy`);
    const events: string[] = [];
    const log = { event: (level: string, event: string) => void events.push(`${level} ${event}`) };
    const store = await openDatabase(`${directory}/copy`, log, { alwaysBytes: 0, uncleanBytes: 0 });
    await store.close();
    assertEquals(events, ["warn database_check_skipped"]);
  }));

for (
  const [location, remote] of [
    ["https://kv.example/db", true],
    ["HTTP://localhost:4512", true],
    ["./data", false],
    ["https", false],
    ["/var/http://x", false],
  ] as const
) {
  Deno.test(`isRemoteDatabase() given ${location}, then ${remote}`, () => {
    assertEquals(isRemoteDatabase(location), remote);
  });
}

Deno.test("databaseSetAside() given a database that was set aside, then says where it is until there is a new one", () =>
  withDirectory(async (directory) => {
    assertEquals(await databaseSetAside(directory), undefined);
    await (await openDatabase(directory, SILENT)).close();
    assertEquals(await databaseSetAside(directory), undefined);
    const aside = await setDatabaseAside(directory, 1_700);
    assertEquals([aside, await databaseSetAside(directory)], [`${directory}/retired-1700`, aside]);
    await (await openDatabase(directory, SILENT)).close();
    assertEquals(await databaseSetAside(directory), undefined);
  }));
