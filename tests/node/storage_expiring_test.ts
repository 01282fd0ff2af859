import { assertEquals } from "@std/assert";
import type { Storage } from "../../lib/node/storage.ts";
import { keysOnDisk, openStorage, partitionOfTest, tombstone, value, write } from "./storage_fixture.ts";

function expiring(wallMs: number, expiresMs: number) {
  return { ...value(wallMs), expiresMs };
}

async function namesOf(storage: Storage): Promise<string[]> {
  return (await storage.expiring(undefined, 100)).map(({ key, expiresMs }) => `${key} ${expiresMs}`);
}

Deno.test("storage given values that expire among others, then it lists just those, with their times", async () => {
  const { storage } = await openStorage();
  await write(storage, "a", expiring(1, 100));
  await write(storage, "b", value(1));
  await write(storage, "c", expiring(1, 200));
  assertEquals((await namesOf(storage)).sort(), ["a 100", "c 200"]);
  await storage.close();
});

for (
  const [what, next] of [
    ["a value that stays", value(2)],
    ["a deletion", tombstone(2)],
    ["its expiry", tombstone(1, true)],
  ] as const
) {
  for (const applied of [true, false]) {
    const when = applied ? "in its place" : "in the journal";
    Deno.test(`storage given a value that expires ${when}, when replaced by ${what}, then lists it no more`, async () => {
      const { storage, disk } = await openStorage();
      await write(storage, "a", expiring(1, 100));
      if (applied) await storage.flush();
      await write(storage, "a", next, "merge");
      assertEquals(await namesOf(storage), []);
      assertEquals(await keysOnDisk(disk, ["expiring"]), []);
      await storage.close();
    });
  }
}

Deno.test("storage given a replaced value that expires, when opened again before it was applied, then lists it no more", async () => {
  const first = await openStorage();
  await write(first.storage, "a", expiring(1, 100));
  await first.storage.flush();
  await write(first.storage, "a", value(2));
  const { storage } = await openStorage({ disk: first.disk });
  assertEquals(await namesOf(storage), []);
  await storage.close();
});

Deno.test("storage given many values that expire, then pages of them follow one another", async () => {
  const { storage } = await openStorage();
  const keys = Array.from({ length: 10 }, (_, i) => `k${i}`);
  for (const key of keys) await write(storage, key, expiring(1, 100));
  const first = await storage.expiring(undefined, 6);
  const second = await storage.expiring(first.at(-1), 6);
  assertEquals([...first, ...second].map(({ key }) => key).sort(), keys);
  assertEquals([...first, ...second].every(({ key, partition }) => partition === partitionOfTest(key)), true);
  await storage.close();
});

Deno.test("storage given a dropped value that expired, then lists it no more", async () => {
  const { storage } = await openStorage();
  await write(storage, "a", expiring(1, 100));
  await storage.flush();
  await storage.drop(partitionOfTest("a"), "a", { wallMs: 1, counter: 0, writer: "w.1" });
  assertEquals(await namesOf(storage), []);
  await storage.close();
});
