import { assert, assertEquals, assertLess } from "@std/assert";
import { MemoryDisk } from "../../lib/adapters/memory_store.ts";
import { chunkCount, type StoredRecord } from "../../lib/core/record.ts";
import { compareVersions } from "../../lib/core/hlc.ts";
import type { Storage } from "../../lib/node/storage.ts";
import type { Mutation } from "../../lib/ports/store.ts";
import {
  assertReadable,
  blob,
  keysOnDisk,
  listKeys,
  ManualClock,
  openStorage,
  place,
  read,
  storeBlob,
  tombstone,
  upload,
  value,
  version,
  write,
} from "./storage_fixture.ts";

const MINUTE_MS = 60_000;
const CHUNKED_BYTES = 150_000;

/** What a client knows: per key, the version acknowledged last, and those that may have landed. */
class Expectation {
  readonly acknowledged = new Map<string, number>();
  readonly attempted = new Map<string, Set<number>>();
  /** Keys for which a drop was begun. */
  readonly dropping = new Set<string>();

  async note(key: string, wallMs: number, written: () => Promise<unknown>): Promise<void> {
    this.attempted.set(key, (this.attempted.get(key) ?? new Set()).add(wallMs));
    await written();
    this.acknowledged.set(key, Math.max(wallMs, this.acknowledged.get(key) ?? 0));
  }
}

/** A workload that uses everything that commits; every step may be the last one. */
async function workload(storage: Storage, clock: ManualClock, expected: Expectation): Promise<void> {
  const put = (key: string, record: StoredRecord) =>
    expected.note(key, record.version.wallMs, () => write(storage, key, record));
  const putBlob = (key: string, wallMs: number, id: string, bytes = CHUNKED_BYTES) =>
    expected.note(key, wallMs, () => storeBlob(storage, key, wallMs, id, bytes));
  const drop = async (key: string, wallMs: number) => {
    expected.dropping.add(key);
    await storage.drop(place(key).partition, key, version(wallMs));
  };

  await Promise.all([put("a", value(1)), put("b", value(1)), putBlob("c", 1, "c1"), putBlob("d", 1, "d1")]);
  await storage.saveState("identity", new Uint8Array(100_000).fill(1));
  await Promise.all([put("a", value(2)), put("c", value(2)), put("e", tombstone(1)), putBlob("f", 1, "f1")]);
  await storage.flush();
  await Promise.all([put("d", tombstone(2)), put("a", value(3)), putBlob("f", 2, "f2", 1_000_000)]);
  await upload(storage, "abandoned", blob(1, "abandoned", CHUNKED_BYTES).chunks);
  await upload(storage, "aborted", blob(1, "aborted", CHUNKED_BYTES).chunks);
  await storage.blobs.abortUpload("aborted");
  await Promise.all([drop("b", 1), put("g", value(1)), storage.flush(), putBlob("h", 1, "h1")]);
  await storage.tombstones.raiseFloor(5, version(100));
  clock.advance(2 * MINUTE_MS);
  await Promise.all([storage.collectGarbage(), put("g", value(2)), storage.flush(), put("a", value(4))]);
  // The same blob again, stamped anew: once while it is held, once after it was superseded.
  await put("h", blob(2, "h1", CHUNKED_BYTES).record);
  await put("h", value(3));
  await put("h", blob(4, "h1", CHUNKED_BYTES).record);
  await Promise.all([drop("f", 2), putBlob("b", 5, "b5")]);
  clock.advance(12 * MINUTE_MS);
  await storage.collectGarbage();
  await Promise.all([storage.flush(), put("a", value(6)), drop("a", 4)]);
  await storage.digests();
}

const KEYS = ["a", "b", "c", "d", "e", "f", "g", "h"];

/** Runs the workload on a disk until the given commit, where the process dies. Returns whether it did. */
async function runAndCrash(
  disk: MemoryDisk,
  at: { commit: number; when: "before" | "after" },
  expected: Expectation,
): Promise<boolean> {
  const clock = new ManualClock();
  let left = at.commit;
  let crash = (): void => {};
  const crashed = new Promise<true>((resolve) => crash = () => resolve(true));
  let opened: Awaited<ReturnType<typeof openStorage>> | undefined;
  const die = (): Promise<void> | void => {
    if (left-- > 0) return;
    opened?.store.crash();
    crash();
    return new Promise<void>(() => {});
  };
  const hooks = at.when === "before" ? { beforeCommit: die } : { afterCommit: die };
  const run = async (): Promise<false> => {
    opened = await openStorage({ disk, clock, hooks });
    await workload(opened.storage, clock, expected);
    return false;
  };
  return await Promise.race([run(), crashed]);
}

/** Everything that must hold of a storage that was opened after a crash. */
async function verify(disk: MemoryDisk, expected: Expectation): Promise<void> {
  const { storage, clock } = await openStorage({ disk });
  await verifyRecords(storage, expected);
  await verifyIndex(storage);
  for (let round = 0; round < 4; round++) {
    clock.advance(11 * MINUTE_MS);
    await storage.collectGarbage();
  }
  await verifyRecords(storage, expected);
  await verifyNoLeak(disk, storage);
  await storage.close();
  assertEquals(await keysOnDisk(disk, ["journal"]), []);
}

async function verifyRecords(storage: Storage, expected: Expectation): Promise<void> {
  for (const key of KEYS) {
    const record = await read(storage, key);
    const acknowledged = expected.acknowledged.get(key);
    if (record === undefined) {
      assert(acknowledged === undefined || expected.dropping.has(key), `lost ${key} at ${acknowledged}`);
      continue;
    }
    const found = record.version.wallMs;
    assert(expected.attempted.get(key)?.has(found), `nobody wrote ${key} at ${found}`);
    assert(found >= (acknowledged ?? 0), `${key} went back to ${found} from ${acknowledged}`);
    await assertReadable(storage, record);
  }
}

async function verifyIndex(storage: Storage): Promise<void> {
  const { entries } = await listKeys(storage, { prefix: "", limit: 100 });
  const held = [];
  for (const key of KEYS) if (await read(storage, key) !== undefined) held.push(key);
  assertEquals(entries.map(({ key }) => key), held);
}

async function verifyNoLeak(disk: MemoryDisk, storage: Storage): Promise<void> {
  const live = new Map<string, number>();
  for (const key of KEYS) {
    const record = await read(storage, key);
    if (record?.kind !== "value" || record.body.kind !== "blob") continue;
    live.set(record.body.id, chunkCount(record.valueBytes));
  }
  const chunks = await keysOnDisk(disk, ["chunk"]);
  for (const [, id] of chunks) assert(live.has(String(id)), `chunks of ${id} leaked`);
  assertEquals(chunks.length, [...live.values()].reduce((sum, count) => sum + count, 0));
  assertEquals(await keysOnDisk(disk, ["upload"]), []);
  assertEquals(await keysOnDisk(disk, ["garbage"]), []);
}

for (const when of ["before", "after"] as const) {
  Deno.test(`storage given a crash ${when} any commit, then nothing acknowledged is lost and nothing leaks`, async () => {
    let commit = 0;
    for (;; commit++) {
      const disk = new MemoryDisk();
      const expected = new Expectation();
      const crashed = await runAndCrash(disk, { commit, when }, expected);
      await verify(disk, expected).catch((cause) => {
        throw new Error(`after a crash ${when} commit ${commit}: ${cause.message}`, { cause });
      });
      if (!crashed) break;
    }
    assert(commit > 30, `only ${commit} crash points`);
  });
}

Deno.test("storage given crashes during every recovery, then it still recovers", async () => {
  for (let commit = 5; commit < 50; commit += 3) {
    const disk = new MemoryDisk();
    const expected = new Expectation();
    await runAndCrash(disk, { commit, when: "after" }, expected);
    for (let second = 0; second < 8; second++) await recoverAndCrash(disk, second);
    await verify(disk, expected);
  }
});

/** Starts on what a crash left and dies again while moving the journal to its keys. */
async function recoverAndCrash(disk: MemoryDisk, commit: number): Promise<void> {
  let left = commit;
  let crash = (): void => {};
  const crashed = new Promise<void>((resolve) => crash = resolve);
  const afterCommit = (): Promise<void> | void => {
    if (left-- > 0) return;
    crash();
    return new Promise<void>(() => {});
  };
  const run = async (): Promise<void> => {
    const { storage } = await openStorage({ disk, hooks: { afterCommit } });
    await storage.flush();
  };
  await Promise.race([run(), crashed]);
}

Deno.test("storage given versions of one key in the journal, when it is replayed, then the greatest is held", async () => {
  const disk = new MemoryDisk();
  const { storage } = await openStorage({ disk });
  for (let i = 1; i <= 20; i++) await write(storage, "a", value(i));
  const { storage: restarted } = await openStorage({ disk });
  assertEquals(compareVersions((await read(restarted, "a"))!.version, version(20)), 0);
});

Deno.test("storage given a removal is the last of a key in the journal, when it is replayed, then nothing is held", async () => {
  const disk = new MemoryDisk();
  const { storage } = await openStorage({ disk });
  await write(storage, "a", value(1));
  await write(storage, "b", value(1));
  assert(await storage.drop(place("a").partition, "a", version(1)));
  const { storage: restarted } = await openStorage({ disk });
  assertEquals([await read(restarted, "a"), await read(restarted, "b")], [undefined, value(1)]);
  await restarted.flush();
  assertEquals((await keysOnDisk(disk, ["record"])).map(([, , key]) => key), ["b"]);
});

Deno.test("storage given few keys are written over and over, then the journal is emptied before a start takes long", async () => {
  const { storage } = await openStorage();
  const text = "x".repeat(30_000);
  for (let i = 1; i <= 4_000; i++) await write(storage, `key ${i % 8}`, value(i, text));
  assertLess(storage.stats().journalBytes, 64 * 1024 * 1024);
});

Deno.test("storage given it dies after every write, then each start goes on behind the last", async () => {
  const disk = new MemoryDisk();
  for (const key of KEYS) {
    const { storage, store } = await openStorage({ disk });
    await write(storage, key, value(1));
    store.crash();
  }
  const { storage } = await openStorage({ disk });
  for (const key of KEYS) assertEquals(await read(storage, key), value(1));
});

Deno.test("storage given a crash while a long journal is dropped, then what is left of it does no harm", async () => {
  const disk = new MemoryDisk();
  let crash = (): void => {};
  const crashed = new Promise<void>((resolve) => crash = resolve);
  const afterCommit = (mutations: readonly Mutation[]): Promise<void> | void => {
    if (mutations[0]?.kind !== "delete") return;
    crash();
    return new Promise<void>(() => {});
  };
  const { storage } = await openStorage({ disk, hooks: { afterCommit } });
  for (let i = 1; i <= 1_500; i++) await write(storage, "a", value(i));
  await Promise.race([storage.flush(), crashed]);
  assert((await keysOnDisk(disk, ["journal"])).length > 0);
  const { storage: restarted } = await openStorage({ disk });
  assertEquals(await read(restarted, "a"), value(1_500));
});
