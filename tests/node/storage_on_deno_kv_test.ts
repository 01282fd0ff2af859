import { assertEquals } from "@std/assert";
import { DenoKvStore } from "../../lib/adapters/deno_kv_store.ts";
import { Storage } from "../../lib/node/storage.ts";
import {
  assertFails,
  assertReadable,
  listKeys,
  ManualClock,
  openStorage,
  place,
  read,
  storageDeps,
  storeBlob,
  tombstone,
  value,
  wallMsOf,
  write,
} from "./storage_fixture.ts";

const BLOB_BYTES = 1_500_000;

async function onDenoKv(
  body: (open: (clock?: ManualClock) => Promise<Storage>) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await body(async (clock = new ManualClock()) => {
      const kv = await Deno.openKv(`${directory}/kv.sqlite3`);
      return await Storage.open(storageDeps(new DenoKvStore(kv, { remote: false }), clock));
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function fill(storage: Storage): Promise<void> {
  const keys = Array.from({ length: 3_000 }, (_, i) => `${"key ".repeat(20)}\u{1f600}${i}`);
  await Promise.all(keys.map((key) => write(storage, key, value(1))));
  await storeBlob(storage, "large", 1, "x", BLOB_BYTES);
  await Promise.all(keys.slice(0, 500).map((key) => write(storage, key, tombstone(2))));
  await storage.saveState("ring", new Uint8Array(700_000).fill(3));
}

Deno.test("storage on Deno KV given a restart, then everything is there", async () => {
  await onDenoKv(async (open) => {
    const first = await open();
    await fill(first);
    await first.close();
    const second = await open();
    assertEquals(await second.loadState("ring"), new Uint8Array(700_000).fill(3));
    await assertReadable(second, (await read(second, "large"))!);
    const memory = await openStorage();
    await fill(memory.storage);
    assertEquals(await second.digests(), await memory.storage.digests());
    const query = { prefix: "k", limit: 10_000 };
    assertEquals(await listKeys(second, query), await listKeys(memory.storage, query));
    await second.close();
  });
});

Deno.test("storage on Deno KV given a second one claims the database, then the first commits no more", async () => {
  await onDenoKv(async (open) => {
    const first = await open();
    await write(first, "a", value(1));
    const second = await open();
    await assertFails("stopping", () => write(first, "a", value(2)));
    await write(second, "a", value(3));
    assertEquals(await wallMsOf(second, "a"), 3);
    await first.close();
    await second.close();
  });
});

Deno.test("storage on Deno KV given a blob is superseded, then its chunks are freed", async () => {
  await onDenoKv(async (open) => {
    const clock = new ManualClock();
    const storage = await open(clock);
    await storeBlob(storage, "a", 1, "x", BLOB_BYTES);
    await storage.drop(place("a").partition, "a", value(1).version);
    clock.advance(60_000);
    await storage.collectGarbage();
    await assertFails("corrupt_value", () => storage.blobs.readChunks("x", 0, 1));
    assertEquals(storage.stats().garbageBlobs, 0);
    await storage.close();
  });
});
