/** What was accepted before a pull is in its answer, though it was not on the disk yet: a layout may end meanwhile. */
import { assertEquals } from "@std/assert";
import type { Storage } from "../../lib/node/storage.ts";
import { openStorage, partitionOfTest, value, write } from "./storage_fixture.ts";

/** A disk on which nothing is committed while it is held. */
async function heldStorage() {
  let held: Promise<void> = Promise.resolve();
  const { storage } = await openStorage({
    tamper: (store) => ({
      commit: async (mutations, checks) => {
        await held;
        return await store.commit(mutations, checks);
      },
    }),
  });
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    return resolve;
  };
  return { storage, hold };
}

const PULLS: Readonly<Record<string, (storage: Storage, partition: number) => Promise<unknown>>> = {
  "a scan": async (storage, partition) =>
    (await storage.scan(partition, { limit: 10 })).entries.map(({ key }) => key),
  "a scan of records": async (storage, partition) => {
    const [page] = await storage.scanRecords([{ partition }], { limit: 10, bytes: 1_000_000 });
    return page!.entries.map(({ key }) => key);
  },
  "digests": async (storage, partition) => {
    const digest = (await storage.digests()).get(partition);
    return digest?.records === 1 ? ["late"] : [];
  },
};

for (const [name, pull] of Object.entries(PULLS)) {
  Deno.test(`storage given a write was accepted and waits for the disk, then ${name} begun after it has it`, async () => {
    const { storage, hold } = await heldStorage();
    const release = hold();
    const first = write(storage, "early", value(1));
    // The first commit is under way: what comes now is in the next.
    for (let i = 0; i < 20; i++) await Promise.resolve();
    const late = write(storage, "late", value(2));
    const pulled = pull(storage, partitionOfTest("late"));
    for (let i = 0; i < 20; i++) await Promise.resolve();
    release();
    assertEquals(await pulled, ["late"]);
    await Promise.all([first, late]);
    await storage.close();
  });
}
