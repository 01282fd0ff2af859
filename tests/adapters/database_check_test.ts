import { assertEquals, assertMatch } from "@std/assert";
import { type CheckBounds, findDamage } from "../../lib/adapters/database_check.ts";
import {
  filledDatabase,
  overwritePages,
  rootPage,
  uncleanDatabase,
  withDirectory,
} from "./database_fixture.ts";

const WHOLE: CheckBounds = { alwaysBytes: Infinity, uncleanBytes: Infinity };
const OUTLINE: CheckBounds = { alwaysBytes: 0, uncleanBytes: 0 };
const AFTER_UNCLEAN: CheckBounds = { alwaysBytes: 0, uncleanBytes: Infinity };
const INNER_PAGE = 300;

const damages: [string, CheckBounds, (path: string) => Promise<void>, RegExp][] = [
  ["garbage", OUTLINE, (path) => Deno.writeTextFile(path, "garbage ".repeat(1_000)), /does not begin/],
  ["a garbage header", OUTLINE, (path) => overwritePages(path, [1]), /does not begin/],
  ["one cut within the header", OUTLINE, (path) => Deno.truncate(path, 50), /cut off within its header/],
  ["one cut within a page", OUTLINE, (path) => Deno.truncate(path, 4096 * 200 + 100), /malformed/],
  ["one cut between two pages", OUTLINE, (path) => Deno.truncate(path, 4096 * 200), /malformed/],
  ["an inner page overwritten", WHOLE, (path) => overwritePages(path, [INNER_PAGE]), /page/],
  ...["kv", "queue", "queue_running", "data_version", "migration_state", "kv_expiration_ms_idx"].map(
    (name): typeof damages[number] => [
      `the first page of ${name} overwritten`,
      OUTLINE,
      (path) => overwritePages(path, [rootPage(path, name)]),
      /malformed|page/,
    ],
  ),
];

for (const [what, bounds, damage, expected] of damages) {
  Deno.test(`findDamage() given ${what}, then says so`, () =>
    withDirectory(async (directory) => {
      const path = await filledDatabase(directory);
      await damage(path);
      assertMatch(findDamage(path, bounds).damage ?? "nothing", expected);
    }));
}

for (const bounds of [WHOLE, OUTLINE]) {
  Deno.test(`findDamage() given a sound database and ${bounds.alwaysBytes} bytes, then finds nothing`, () =>
    withDirectory(async (directory) => {
      assertEquals(findDamage(await filledDatabase(directory), bounds), { partial: false });
    }));
}

Deno.test("findDamage() given no file, then finds nothing", () =>
  withDirectory((directory) => {
    assertEquals(findDamage(`${directory}/node.db`, WHOLE), { partial: false });
    return Promise.resolve();
  }));

Deno.test("findDamage() given an empty file, then finds nothing", () =>
  withDirectory(async (directory) => {
    await Deno.writeFile(`${directory}/node.db`, new Uint8Array());
    assertEquals(findDamage(`${directory}/node.db`, WHOLE), { partial: false });
  }));

Deno.test("findDamage() given an unclean stop, then checks whole where a clean one would not", () =>
  withDirectory(async (directory) => {
    const path = await uncleanDatabase(directory, `${directory}/copy`);
    assertEquals(findDamage(path, AFTER_UNCLEAN), { partial: false });
    await overwritePages(path, [INNER_PAGE]);
    assertMatch(findDamage(path, AFTER_UNCLEAN).damage ?? "nothing", /page/);
  }));

Deno.test("findDamage() given an unclean stop of too large a database, then says it was partial", () =>
  withDirectory(async (directory) => {
    const path = await uncleanDatabase(directory, `${directory}/copy`);
    assertEquals(findDamage(path, OUTLINE), { partial: true });
  }));
