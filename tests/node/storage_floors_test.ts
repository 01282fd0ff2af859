/** What may be stored once deletions have been forgotten. */
import { assertEquals } from "@std/assert";
import type { Storage, TombstoneName } from "../../lib/node/storage.ts";
import {
  assertReadable,
  blob,
  keysOnDisk,
  listKeys,
  openStorage,
  place,
  read,
  storeBlob,
  tombstone,
  upload,
  value,
  version,
  wallMsOf,
  write,
} from "./storage_fixture.ts";

const { partition } = place("a");

function named(wallMs: number, { key = "a", expired = false } = {}): TombstoneName {
  return { key, version: version(wallMs), expired };
}

/** A storage in which key a was deleted at 10, and that forgotten. */
async function afterCollection(): Promise<Storage> {
  const { storage } = await openStorage();
  await write(storage, "a", value(5));
  await write(storage, "a", tombstone(10));
  assertEquals(await storage.tombstones.collect(partition, [named(10)]), 1);
  return storage;
}

Deno.test("storage given a tombstone is collected, then record, index entry and digest are gone, and the floor stands, also after a restart", async () => {
  const { storage, disk } = await openStorage();
  await write(storage, "a", value(5));
  await storage.flush();
  await write(storage, "a", tombstone(10));
  assertEquals((await storage.digests()).get(partition)?.records, 1);
  assertEquals(await storage.tombstones.collect(partition, [named(10)]), 1);
  const assertCollected = async (one: Storage): Promise<void> => {
    assertEquals(await read(one, "a"), undefined);
    assertEquals((await one.digests()).size, 0);
    assertEquals((await listKeys(one, { prefix: "", limit: 9 })).entries, []);
    assertEquals(one.tombstones.floor(partition), version(10));
    assertEquals([...one.tombstones.flooredPartitions()], [partition]);
  };
  await assertCollected(storage);
  const restarted = await openStorage({ disk });
  await assertCollected(restarted.storage);
  await restarted.storage.close();
  assertEquals(await keysOnDisk(disk, ["key"]), []);
  assertEquals(await keysOnDisk(disk, ["record"]), []);
});

/** What key a holds when a tombstone of version 10 is collected, and what becomes of it. */
const COLLECTED = {
  "nothing": { held: undefined, stays: undefined, floor: 10 },
  "that tombstone": { held: tombstone(10), stays: undefined, floor: 10 },
  "an older tombstone": { held: tombstone(9), stays: undefined, floor: 10 },
  "a value that it has deleted": { held: value(9), stays: undefined, floor: 10 },
  "a newer value": { held: value(11), stays: 11, floor: undefined },
  "a newer tombstone": { held: tombstone(11), stays: 11, floor: undefined },
  "the expiry of a value of the same version": { held: tombstone(10, true), stays: 10, floor: undefined },
} as const;

for (const [what, { held, stays, floor }] of Object.entries(COLLECTED)) {
  Deno.test(`storage given ${what} is held, when a tombstone is collected, then ${stays ? "it stays" : "nothing is left"}`, async () => {
    const { storage } = await openStorage();
    if (held !== undefined) await write(storage, "a", held, "merge");
    await storage.tombstones.collect(partition, [named(10)]);
    assertEquals(await wallMsOf(storage, "a"), stays);
    assertEquals(storage.tombstones.floor(partition)?.wallMs, floor);
  });
}

Deno.test("storage given an expired value's tombstone is collected, then the value does not come back", async () => {
  const { storage } = await openStorage();
  await write(storage, "a", tombstone(10, true), "merge");
  await storage.tombstones.collect(partition, [named(10, { expired: true })]);
  assertEquals((await write(storage, "a", value(10), "merge")).kind, "collected");
});

Deno.test("storage given tombstones of several keys are collected at once, then the floor is the greatest, and one commit carries them", async () => {
  const { storage, store } = await openStorage();
  const keys = [4, 9, 2].map((wallMs, i) => ({ key: `k${i}`, wallMs }));
  for (const { key, wallMs } of keys) {
    await storage.write({ partition, key, record: tombstone(wallMs), mode: "merge" });
  }
  const before = store.commits;
  const names = keys.map(({ key, wallMs }) => named(wallMs, { key }));
  assertEquals(await storage.tombstones.collect(partition, names), 3);
  assertEquals(store.commits - before, 1);
  assertEquals(storage.tombstones.floor(partition), version(9));
});

Deno.test("storage given a deletion was collected, when older records come late, then none is stored", async () => {
  const storage = await afterCollection();
  const refused = { kind: "collected", held: version(10), hadValue: false } as const;
  assertEquals(await write(storage, "a", value(5), "merge"), refused);
  assertEquals(await write(storage, "a", value(5), "client"), refused);
  assertEquals(await read(storage, "a"), undefined);
  assertEquals((await write(storage, "a", value(11), "merge")).kind, "stored");
});

Deno.test("storage given a value not above the floor was pulled since the last collection, then it is stored", async () => {
  const storage = await afterCollection();
  const pulled = storage.tombstones.pullTicket(partition);
  const record = value(7);
  assertEquals((await storage.write({ ...place("a"), record, mode: "merge", pulled })).kind, "stored");
  assertEquals((await write(storage, "a", value(6), "merge")).kind, "stale");
  assertEquals((await write(storage, "a", value(7), "merge")).kind, "duplicate");
  assertEquals((await write(storage, "a", value(8), "merge")).kind, "collected");
});

Deno.test("storage given a pull began before a collection that left the floor as it was, then what it brings is not stored", async () => {
  const { storage } = await openStorage();
  await storage.tombstones.raiseFloor(partition, version(20));
  const pulled = storage.tombstones.pullTicket(partition);
  await write(storage, "a", tombstone(10), "merge");
  const [, late] = await Promise.all([
    storage.tombstones.collect(partition, [named(10)]),
    storage.write({ ...place("a"), record: value(5), mode: "merge", pulled }),
  ]);
  assertEquals(late.kind, "collected");
  assertEquals(storage.tombstones.floor(partition), version(20));
});

Deno.test("storage given a pull of one partition, when another's tombstones are collected, then it goes on", async () => {
  const { storage } = await openStorage();
  await storage.tombstones.raiseFloor(partition, version(20));
  const pulled = storage.tombstones.pullTicket(partition);
  await storage.tombstones.collect(partition + 1, [named(30, { key: "other" })]);
  assertEquals(
    (await storage.write({ ...place("a"), record: value(5), mode: "merge", pulled })).kind,
    "stored",
  );
});

Deno.test("storage given a large value is refused for the floor, then its upload can be tried again, and freed", async () => {
  const storage = await afterCollection();
  const { record, chunks } = blob(7, "big", 100_000);
  await upload(storage, "big", chunks);
  assertEquals((await write(storage, "a", record, "merge")).kind, "collected");
  const pulled = storage.tombstones.pullTicket(partition);
  assertEquals((await storage.write({ ...place("a"), record, mode: "merge", pulled })).kind, "stored");
  await assertReadable(storage, (await read(storage, "a"))!);
});

Deno.test("storage given a large value that a collected tombstone has deleted, then its chunks become garbage", async () => {
  const { storage, clock, disk } = await openStorage();
  await storeBlob(storage, "a", 5, "big", 100_000);
  await storage.tombstones.collect(partition, [named(10)]);
  clock.advance(60_000);
  await storage.collectGarbage();
  assertEquals(await keysOnDisk(disk, ["chunk"]), []);
});

/** What key a holds when a tombstone of version 10 is to be confirmed. */
const CONFIRMED = {
  "nothing": { held: undefined, confirmed: true, after: 10 },
  "that tombstone": { held: tombstone(10), confirmed: true, after: 10 },
  "the value that it deletes": { held: value(9), confirmed: true, after: 10 },
  "a newer value": { held: value(11), confirmed: false, after: 11 },
} as const;

for (const [what, { held, confirmed, after }] of Object.entries(CONFIRMED)) {
  Deno.test(`storage given ${what} is held, when a tombstone is to be confirmed, then it is ${confirmed ? "held" : "not"}`, async () => {
    const { storage } = await openStorage();
    await storage.tombstones.raiseFloor(partition, version(50));
    const pulled = storage.tombstones.pullTicket(partition);
    if (held !== undefined) await storage.write({ ...place("a"), record: held, mode: "merge", pulled });
    assertEquals(await storage.tombstones.confirm(partition, [named(10)]), [confirmed]);
    assertEquals(await wallMsOf(storage, "a"), after);
  });
}

Deno.test("storage given a damaged record, then no tombstone beside it is confirmed, and collecting leaves it", async () => {
  const { storage, disk } = await openStorage({ cacheBytes: 0 });
  await write(storage, "a", value(5));
  await storage.flush();
  disk.corrupt(["record", partition, "a"], () => Uint8Array.of(0xc1));
  const restarted = await openStorage({ disk });
  assertEquals(await restarted.storage.tombstones.confirm(partition, [named(10)]), [false]);
  assertEquals(await restarted.storage.tombstones.collect(partition, [named(10)]), 0);
  assertEquals((await keysOnDisk(disk, ["record"])).length, 1);
  assertEquals(restarted.storage.tombstones.floor(partition), undefined);
});
