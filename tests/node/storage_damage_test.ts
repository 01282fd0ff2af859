/** What is on the disk and no longer what was written. */
import { assert, assertEquals } from "@std/assert";
import { MemoryDisk, MemoryStore } from "../../lib/adapters/memory_store.ts";
import { encodeEntry } from "../../lib/node/entries.ts";
import type { Storage } from "../../lib/node/storage.ts";
import { type Store } from "../../lib/ports/store.ts";
import { encode } from "@msgpack/msgpack";
import { assertFails, openStorage, place, read, tombstone, value, write } from "./storage_fixture.ts";

/** Records and damaged records of a partition. */
function damagedOf(digests: Awaited<ReturnType<Storage["digests"]>>, partition: number) {
  const digest = digests.get(partition);
  return [digest?.records, digest?.damaged];
}

Deno.test("storage given a cached record is damaged on the disk, when it is superseded, then digests stay true", async () => {
  const { storage, disk } = await openStorage();
  const { partition } = place("a");
  await write(storage, "a", value(1));
  await storage.flush();
  await read(storage, "a");
  disk.corrupt(["record", partition, "a"], () => Uint8Array.of(0xc1));
  assertEquals(damagedOf(await storage.digests(), partition), [0, 1]);
  await write(storage, "a", value(2));
  const kept = await storage.digests();
  await storage.close();
  assertEquals(await (await openStorage({ disk })).storage.digests(), kept);
});

Deno.test("storage given digests cannot be read once, then the next are right all the same", async () => {
  let fails = false;
  const tamper = (store: Store): Partial<Store> => ({
    list: (range, options) => {
      if (fails) throw new Error("the disk is gone");
      return store.list(range, options);
    },
  });
  const { storage, disk } = await openStorage({ tamper });
  await write(storage, "a", value(1));
  fails = true;
  await assertFails("store_failed", () => storage.digests());
  fails = false;
  const { partition } = place("a");
  assertEquals((await storage.digests()).get(partition)?.values, 1);
  disk.corrupt(["record", partition, "a"]);
  await assertFails("corrupt_value", () => read(storage, "a"));
  fails = true;
  await assertFails("store_failed", () => storage.digests());
  fails = false;
  assertEquals(damagedOf(await storage.digests(), partition), [0, 1]);
});

Deno.test("storage given a record's bytes are damaged, then reading fails and an equal one from elsewhere mends it", async () => {
  const { storage, disk } = await openStorage();
  const good = value(1, "x".repeat(1_000));
  const { partition } = place("a");
  await write(storage, "a", good);
  const whole = (await storage.digests()).get(partition);
  // The last byte of the value; eight of the head's checksum come behind it.
  disk.corrupt(["record", partition, "a"], (bytes) => bytes.fill(0, bytes.length - 9, bytes.length - 8));
  await assertFails("corrupt_value", () => read(storage, "a"));
  assertEquals(storage.stats().damagedRecords, 1);
  // What was accepted is known all the same; to other owners the bytes are missing, so that they send theirs.
  assertEquals((await storage.heads([place("a")], { strict: true }))[0]?.version, good.version);
  assertEquals((await storage.scan(partition, { limit: 9 })).entries, []);
  assertEquals(damagedOf(await storage.digests(), partition), [0, 1]);
  assertEquals((await write(storage, "a", good, "merge")).kind, "stored");
  assertEquals(await read(storage, "a"), good);
  assertEquals((await storage.digests()).get(partition), whole);
  assertEquals((await write(storage, "a", good, "merge")).kind, "duplicate");
  assertEquals(storage.stats().damagedRecords, 0);
});

Deno.test("storage given a record is damaged beyond reading, then nothing takes its place but what mends it", async () => {
  const { storage: first, disk } = await openStorage();
  await Promise.all([write(first, "a", value(1)), write(first, "b", value(1))]);
  await first.close();
  const { partition } = place("a");
  disk.corrupt(["record", partition, "a"], () => Uint8Array.of(0xc1));
  const { storage } = await openStorage({ disk });
  await assertFails("corrupt_value", () => read(storage, "a"));
  await assertFails("corrupt_value", () => write(storage, "a", value(9)));
  await assertFails("corrupt_value", () => write(storage, "a", value(9), "merge"));
  assertEquals(await storage.scan(partition, { limit: 10 }), { entries: [], damaged: true });
  assertEquals(damagedOf(await storage.digests(), partition), [0, 1]);
  assertEquals((await write(storage, "b", value(2))).kind, "stored");
  assertEquals(storage.damagedRecords(), [{ partition, key: "a" }]);
  const pulled = storage.tombstones.pullTicket(partition);
  const mend = { partition, key: "a", record: value(1), mode: "merge", pulled, mends: true } as const;
  assertEquals((await storage.write(mend)).kind, "stored");
  assertEquals(await read(storage, "a"), value(1));
  assertEquals(damagedOf(await storage.digests(), partition), [1, 0]);
  assertEquals(storage.damagedRecords(), []);
});

Deno.test("storage given a damaged record whose head is in memory, then a write is compared with that", async () => {
  const { storage, disk } = await openStorage();
  await write(storage, "a", value(5));
  await storage.flush();
  const { partition } = place("a");
  disk.corrupt(["record", partition, "a"], () => Uint8Array.of(0xc1));
  await assertFails("corrupt_value", () => read(storage, "a"));
  assertEquals((await write(storage, "a", value(4), "merge")).kind, "stale");
  assertEquals(damagedOf(await storage.digests(), partition), [0, 1]);
  assertEquals((await write(storage, "a", value(6))).kind, "stored");
  assertEquals(await read(storage, "a"), value(6));
  assertEquals(damagedOf(await storage.digests(), partition), [1, 0]);
});

Deno.test("storage given a record is damaged and no other owner holds any, when it is forgotten, then it is no more", async () => {
  const { storage, disk } = await openStorage();
  await Promise.all([write(storage, "a", value(1)), write(storage, "b", value(1))]);
  await storage.flush();
  const { partition } = place("a");
  assertEquals(await storage.forgetDamaged(place("a"), storage.tombstones.pullTicket(partition)), false);
  disk.corrupt(["record", partition, "a"]);
  await storage.scan(partition, { limit: 10 });
  assertEquals(await storage.forgetDamaged(place("a"), storage.tombstones.pullTicket(partition)), true);
  assertEquals(await read(storage, "a"), undefined);
  assertEquals((await storage.digests()).get(partition), undefined);
});

Deno.test("storage given a tombstone whose version was changed by the disk, then it is damaged and no other version", async () => {
  const { storage, disk } = await openStorage();
  await write(storage, "a", tombstone(3));
  await storage.flush();
  const { partition } = place("a");
  const change = (bytes: Uint8Array) => bytes.with(bytes.indexOf(3), 4);
  disk.corrupt(["record", partition, "a"], change);
  await storage.close();
  const { storage: restarted } = await openStorage({ disk });
  await assertFails("corrupt_value", () => restarted.heads([place("a")], { strict: true }));
  assertEquals(await restarted.heads([place("a")]), [undefined]);
});

Deno.test("storage given a database of a newer format, then it does not open, and says what to do", async () => {
  const disk = new MemoryDisk();
  await new MemoryStore(disk).commit([{ kind: "set", key: ["claim"], value: encode([2, 1, "owner"]) }]);
  const error = await assertFails("store_failed", () => openStorage({ disk }));
  assert(error.message.includes("format 2"), error.message);
});

Deno.test("storage given a damaged journal, then it does not open", async () => {
  const disk = new MemoryDisk();
  const { storage } = await openStorage({ disk });
  await write(storage, "a", value(1));
  disk.corrupt(["journal", 0], () => encodeEntry([1]));
  await assertFails("corrupt_value", () => openStorage({ disk }));
});
