import { assertEquals } from "@std/assert";
import type { StoredRecord } from "../../lib/core/record.ts";
import type { Storage } from "../../lib/node/storage.ts";
import { listKeys, openStorage, tombstone, value } from "./storage_fixture.ts";

const PARTITION = 0;

async function write(storage: Storage, key: string, record: StoredRecord): Promise<void> {
  await storage.write({ partition: PARTITION, key, record, mode: "client" });
}

/** Records that are in their places, and newer ones of the same and other keys that are only in the journal. */
async function filled(): Promise<Awaited<ReturnType<typeof openStorage>>> {
  const opened = await openStorage();
  const { storage } = opened;
  for (const key of ["b", "d", "f", "h"]) await write(storage, key, value(1));
  await storage.flush();
  for (const key of ["a", "d", "g", "i"]) await write(storage, key, value(2));
  await write(storage, "f", tombstone(2));
  await write(storage, "h", value(2));
  await storage.drop(PARTITION, "h", value(2).version);
  return opened;
}

async function pages(storage: Storage, kind: "scan" | "listKeys", limit: number) {
  const found = [];
  let after: string | undefined;
  for (;;) {
    const from = after === undefined ? { limit } : { after, limit };
    const { entries, next } = kind === "scan"
      ? await storage.scan(PARTITION, from)
      : await listKeys(storage, { prefix: "", ...from });
    assertEquals(entries.length <= limit, true);
    found.push(...entries);
    if (next === undefined) return found;
    after = next;
  }
}

for (const limit of [1, 2, 3, 100]) {
  for (const kind of ["scan", "listKeys"] as const) {
    Deno.test(`storage given a full disk, then ${kind} by pages of ${limit} shows what it would otherwise`, async () => {
      const full = await filled();
      full.disk.full = true;
      const expected = await pages((await filled()).storage, kind, limit);
      assertEquals(expected.map(({ key }) => key), ["a", "b", "d", "f", "g", "i"]);
      assertEquals(await pages(full.storage, kind, limit), expected);
    });
  }
}

Deno.test("storage given a full disk, then its digests are those it would have otherwise", async () => {
  const full = await filled();
  full.disk.full = true;
  assertEquals(await full.storage.digests(), await (await filled()).storage.digests());
});

Deno.test("storage given a full disk and a prefix, then lists only its keys", async () => {
  const { storage, disk } = await openStorage();
  await write(storage, "p/1", value(1));
  await storage.flush();
  await write(storage, "p/2", value(1));
  await write(storage, "q", value(1));
  disk.full = true;
  const { entries } = await listKeys(storage, { prefix: "p/", limit: 10 });
  assertEquals(entries.map(({ key }) => key), ["p/1", "p/2"]);
});
