/** What memory knows of records, so that the store need not be asked. */
import { assertEquals } from "@std/assert";
import type { Storage } from "../../lib/node/storage.ts";
import type { Store, StoreKey } from "../../lib/ports/store.ts";
import { openStorage, place, read, tombstone, value, write } from "./storage_fixture.ts";

/** A storage, and the records that its store was asked for since that was called last. */
async function openCounted(options: Parameters<typeof openStorage>[0] = {}) {
  const asked: StoreKey[] = [];
  const tamper = (store: Store): Partial<Store> => ({
    getMany: (keys) => {
      asked.push(...keys.filter((key) => key[0] === "record"));
      return store.getMany(keys);
    },
  });
  const opened = await openStorage({ ...options, tamper });
  return { ...opened, asked: () => asked.splice(0).length };
}

async function writeAll(storage: Storage, keys: readonly string[]): Promise<void> {
  await Promise.all(keys.map((key, i) => write(storage, key, value(i + 1))));
  await storage.flush();
}

const KEYS = Array.from({ length: 100 }, (_, i) => `k${i}`);

Deno.test("storage given keys it has written, when they are written again or compared, then it reads none of them", async () => {
  const { storage, asked } = await openCounted();
  await writeAll(storage, KEYS);
  asked();
  await Promise.all(KEYS.map((key) => write(storage, key, value(1_000))));
  const heads = await storage.heads(KEYS.map((key) => place(key)));
  assertEquals([heads.every((head) => head?.version.wallMs === 1_000), asked()], [true, 0]);
});

Deno.test("storage given digests were computed, when keys are new or written again, then it reads nothing for them", async () => {
  const { storage: first, disk } = await openCounted();
  await writeAll(first, KEYS);
  await first.close();
  const { storage, asked } = await openCounted({ disk });
  const others = KEYS.map((key) => `${key}/new`);
  assertEquals([await storage.read(place("a").partition, "a"), asked()], [undefined, 1]);
  await storage.digests();
  asked();
  assertEquals([storage.readNow("a"), storage.readNow(KEYS[0]!)], [undefined, "unknown"]);
  await writeAll(storage, others);
  await Promise.all(KEYS.map((key) => write(storage, key, value(1_000))));
  assertEquals(asked(), 0);
  await storage.flush();
  assertEquals(await read(storage, KEYS[7]!), value(1_000));
  assertEquals(asked(), 1);
});

Deno.test("storage given a key was deleted or dropped, then what memory knows of it is that", async () => {
  const { storage, disk } = await openCounted();
  await storage.digests();
  await writeAll(storage, ["a", "b"]);
  await Promise.all([read(storage, "a"), read(storage, "b")]);
  await write(storage, "a", tombstone(9));
  await storage.drop(place("b").partition, "b", value(2).version);
  await storage.flush();
  for (const storage2 of [storage, (await openStorage({ disk })).storage]) {
    assertEquals([await read(storage2, "a"), await read(storage2, "b")], [tombstone(9), undefined]);
    if (storage2 === storage) await storage.close();
  }
});
