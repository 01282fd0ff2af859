import { assert, assertEquals } from "@std/assert";
import { MemoryDisk, type MemoryStoreHooks } from "../../lib/adapters/memory_store.ts";
import { type Mutation, type Store, StoreUnknownError } from "../../lib/ports/store.ts";
import {
  assertFails,
  assertReadable,
  blob,
  keysOnDisk,
  listKeys,
  openStorage,
  place,
  read,
  storeBlob,
  upload,
  value,
  version,
  wallMsOf,
  write,
} from "./storage_fixture.ts";

const CHUNKED_BYTES = 150_000;

Deno.test("storage given the disk is full, then writes are refused, reads go on, and later writes succeed", async () => {
  const { storage, disk } = await openStorage();
  await write(storage, "a", value(1));
  disk.full = true;
  const refused = await Promise.allSettled([write(storage, "a", value(2)), write(storage, "b", value(2))]);
  assertEquals(refused.map(({ status }) => status), ["rejected", "rejected"]);
  await assertFails("disk_full", () => write(storage, "a", value(3)));
  await assertFails("disk_full", () => storage.flush());
  assertEquals(await wallMsOf(storage, "a"), 1);
  assertEquals(await read(storage, "b"), undefined);
  disk.full = false;
  assertEquals(await write(storage, "a", value(2)), { kind: "stored", hadValue: true });
  await storage.flush();
  assertEquals(await wallMsOf(storage, "a"), 2);
});

Deno.test("storage given the disk is full when a blob's record is stored, then its upload is still there", async () => {
  const { storage, disk } = await openStorage();
  const { record, chunks } = blob(1, "x", CHUNKED_BYTES);
  await storeBlob(storage, "a", 1, "old", CHUNKED_BYTES);
  await upload(storage, "x", chunks);
  disk.full = true;
  await assertFails("disk_full", () => write(storage, "a", { ...record, version: version(2) }));
  await assertFails("disk_full", () => storage.blobs.openUpload("y"));
  disk.full = false;
  assertEquals(storage.stats().openUploads, 1);
  assertEquals(storage.stats().garbageBlobs, 0);
  assertEquals((await write(storage, "a", { ...record, version: version(2) })).kind, "stored");
  assertEquals(storage.stats().garbageBlobs, 1);
});

Deno.test("storage given the disk is full when a superseded blob is revived, then it can be revived later", async () => {
  const { storage, disk } = await openStorage();
  await storeBlob(storage, "a", 1, "x", CHUNKED_BYTES);
  await write(storage, "a", value(2));
  const again = blob(3, "x", CHUNKED_BYTES).record;
  disk.full = true;
  await assertFails("disk_full", () => write(storage, "a", again));
  disk.full = false;
  assertEquals((await write(storage, "a", again)).kind, "stored");
  await assertReadable(storage, again);
});

Deno.test("storage given the disk fills up while records are applied, then none is lost", async () => {
  let records = 0;
  const disk = new MemoryDisk();
  const beforeCommit = (mutations: readonly Mutation[]) => {
    if (mutations[0]?.key[0] === "record" && ++records === 2) disk.full = true;
  };
  const { storage } = await openStorage({ disk, hooks: { beforeCommit } });
  await Promise.all(Array.from({ length: 3_000 }, (_, i) => write(storage, `k${i}`, value(i + 1))));
  await assertFails("disk_full", () => storage.flush());
  assertEquals(storage.stats().failedApplies, 1);
  assertEquals(storage.stats().tableRecords, 3_000);
  disk.full = false;
  assertEquals(await wallMsOf(storage, "k2999"), 3_000);
  await storage.flush();
  assertEquals(storage.stats().tableRecords, 0);
  assertEquals((await listKeys(storage, { prefix: "k", limit: 10_000 })).entries.length, 3_000);
});

Deno.test("storage given a failed apply, when garbage is collected, then the apply is tried again", async () => {
  const { storage, disk } = await openStorage();
  await write(storage, "a", value(1));
  disk.full = true;
  await assertFails("disk_full", () => storage.flush());
  disk.full = false;
  await storage.collectGarbage();
  while (storage.stats().tableRecords > 0) await null;
  assertEquals(await keysOnDisk(disk, ["journal"]), []);
});

Deno.test("storage given the tables are at their bound, then writers wait for the apply, or fail with it", async () => {
  const disk = new MemoryDisk();
  let stuck = true;
  const beforeCommit = (mutations: readonly Mutation[]) => {
    if (stuck && mutations[0]?.key[0] === "record") throw new Error("the disk is slow");
  };
  const { storage } = await openStorage({ disk, hooks: { beforeCommit } });
  const text = "x".repeat(32_000);
  let failed = 0;
  let most = 0;
  for (let i = 0; i < 1_500; i += 50) {
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, (_, j) => write(storage, `k${i + j}`, value(1, text))),
    );
    failed += results.filter(({ status }) => status === "rejected").length;
    most = Math.max(most, storage.stats().tableBytes);
  }
  assert(failed > 0, "nobody was held back");
  assert(most < 34 * 1024 * 1024, `tables grew to ${most}`);
  await assertFails("store_failed", () => write(storage, "z", value(1)));
  stuck = false;
  await write(storage, "z", value(1));
  assertEquals(await wallMsOf(storage, "k0"), 1);
  assert(storage.stats().tableBytes < 32 * 1024 * 1024);
});

Deno.test("storage given too many writes wait, then more are refused as overload", async () => {
  let hold = false;
  let release = () => {};
  const beforeCommit = () => hold ? new Promise<void>((resolve) => release = resolve) : undefined;
  const { storage } = await openStorage({ hooks: { beforeCommit } });
  hold = true;
  const text = "x".repeat(32_000);
  const writes = Array.from({ length: 2_500 }, (_, i) => write(storage, `k${i}`, value(1, text)));
  const settled = Promise.allSettled(writes);
  await assertFails("overloaded", () => write(storage, "more", value(1)));
  hold = false;
  while (storage.stats().commits === 0) {
    release();
    await new Promise<void>((resolve) => queueMicrotask(resolve));
  }
  const outcomes = await settled;
  assert(outcomes.some(({ status }) => status === "rejected"));
  assert(outcomes.some(({ status }) => status === "fulfilled"));
});

Deno.test("storage given another claims its database, then it commits nothing more and says so once", async () => {
  const first = await openStorage();
  await write(first.storage, "a", value(1));
  assertEquals(await first.storage.confirmClaim(), true);
  const second = await openStorage({ disk: first.disk });
  assertEquals(await first.storage.confirmClaim(), false);
  await Promise.all([
    assertFails("stopping", () => write(first.storage, "a", value(2))),
    assertFails("stopping", () => first.storage.flush()),
  ]);
  await assertFails("stopping", () => write(first.storage, "a", value(3)));
  await assertFails("stopping", () => read(first.storage, "a"));
  assertEquals(first.claimLosses(), 1);
  assertEquals(await wallMsOf(second.storage, "a"), 1);
  await write(second.storage, "a", value(4));
  assertEquals(second.claimLosses(), 0);
  await first.storage.close();
});

/** Hooks whose next commit with such an entry ends in an unknown outcome. */
function unknownOutcome(entry: string, landed: boolean): { hooks: MemoryStoreHooks; arm(): void } {
  let armed = false;
  const fail = (mutations: readonly Mutation[]): void => {
    if (!armed || !mutations.some(({ key }) => key[0] === entry)) return;
    armed = false;
    throw new StoreUnknownError("the connection broke");
  };
  return { hooks: landed ? { afterCommit: fail } : { beforeCommit: fail }, arm: () => void (armed = true) };
}

for (const landed of [true, false]) {
  const outcome = landed ? "happened" : "did not happen";
  Deno.test(`storage given a commit of unknown outcome that ${outcome}, then later ones see what is on the disk`, async () => {
    const { hooks, arm } = unknownOutcome("journal", landed);
    const { storage, disk, claimLosses } = await openStorage({ hooks });
    await storeBlob(storage, "a", 1, "x", CHUNKED_BYTES);
    await storage.tombstones.raiseFloor(3, version(9));
    await storage.digests();
    arm();
    await assertFails("store_failed", () => write(storage, "a", value(5)));
    const held = landed
      ? { kind: "duplicate", hadValue: true } as const
      : { kind: "stored", hadValue: true } as const;
    assertEquals(await write(storage, "a", value(5)), held);
    assertEquals(await wallMsOf(storage, "a"), 5);
    assertEquals(storage.tombstones.floor(3), version(9));
    assertEquals(claimLosses(), 0);
    const digests = await storage.digests();
    assertEquals((await keysOnDisk(disk, ["garbage"])).length, 1);
    assertEquals(await (await openStorage({ disk })).storage.digests(), digests);
  });

  Deno.test(`storage given chunks whose commit is of unknown outcome and ${outcome}, then the upload goes on`, async () => {
    const { hooks, arm } = unknownOutcome("chunk", landed);
    const { storage } = await openStorage({ hooks });
    const { record, chunks } = blob(1, "x", CHUNKED_BYTES);
    await storage.blobs.openUpload("x");
    arm();
    await assertFails("store_failed", () => storage.blobs.writeChunks("x", 0, chunks));
    await storage.blobs.writeChunks("x", 0, chunks);
    assertEquals((await write(storage, "a", record)).kind, "stored");
    await assertReadable(storage, record);
  });

  Deno.test(`storage given an apply of unknown outcome that ${outcome}, then it is done again`, async () => {
    const { hooks, arm } = unknownOutcome("record", landed);
    const { storage, disk } = await openStorage({ hooks });
    await write(storage, "a", value(1));
    arm();
    await assertFails("store_failed", () => storage.flush());
    await write(storage, "a", value(2));
    await storage.flush();
    assertEquals(await wallMsOf(storage, "a"), 2);
    assertEquals(await keysOnDisk(disk, ["journal"]), []);
  });
}

/** A store that keeps back the next commit with such an entry, and says that its outcome is unknown. */
function keepingBack(entry: string): {
  arm(): void;
  /** Lets the commit arrive late. Resolves to whether it took effect. */
  land(): Promise<boolean>;
  tamper(store: Store): Partial<Store>;
} {
  let armed = false;
  let land = () => Promise.reject<boolean>(new Error("no commit was kept back"));
  return {
    arm: () => void (armed = true),
    land: () => land(),
    tamper: (store) => ({
      commit: (mutations, checks) => {
        if (!armed || !mutations.some(({ key }) => key[0] === entry)) return store.commit(mutations, checks);
        armed = false;
        land = () => store.commit(mutations, checks);
        return Promise.reject(new StoreUnknownError("no answer"));
      },
    }),
  };
}

for (const entry of ["journal", "record"]) {
  Deno.test(`storage given a commit of a ${entry} of unknown outcome, then it cannot land behind a later one`, async () => {
    const late = keepingBack(entry);
    const { storage } = await openStorage({ tamper: late.tamper });
    late.arm();
    await Promise.allSettled([write(storage, "a", value(1)).then(() => storage.flush())]);
    await write(storage, "a", value(2));
    await storage.flush();
    assertEquals(await late.land(), false);
    assertEquals(await wallMsOf(storage, "a"), 2);
  });
}

Deno.test("storage given a commit of unknown outcome, then it cannot land once the database was read again", async () => {
  const late = keepingBack("journal");
  let landed: Promise<boolean> | undefined;
  let watching = false;
  const tamper = (store: Store): Partial<Store> => ({
    ...late.tamper(store),
    list: (range, options) => {
      if (watching) landed ??= late.land();
      return store.list(range, options);
    },
  });
  const { storage } = await openStorage({ tamper });
  late.arm();
  await assertFails("store_failed", () => write(storage, "a", value(1)));
  watching = true;
  await write(storage, "b", value(1));
  assertEquals(await landed, false);
});

Deno.test("storage given a read that ends after the key was written and applied, then it is not kept", async () => {
  let hold: Promise<void> | undefined;
  let release = () => {};
  const tamper = (store: Store): Partial<Store> => ({
    getMany: async (keys) => {
      const entries = await store.getMany(keys);
      await hold;
      return entries;
    },
  });
  const { storage, disk } = await openStorage({ tamper });
  await write(storage, "a", value(1));
  await storage.flush();
  const restarted = (await openStorage({ disk, tamper })).storage;
  await restarted.heads([place("a")]);
  hold = new Promise((resolve) => release = resolve);
  const early = read(restarted, "a");
  for (let i = 0; i < 20; i++) await null;
  hold = undefined;
  await write(restarted, "a", value(2));
  await restarted.flush();
  release();
  assertEquals(await early, value(1));
  assertEquals(await read(restarted, "a"), value(2));
});
