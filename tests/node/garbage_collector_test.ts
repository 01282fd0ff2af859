import { assertEquals } from "@std/assert";
import { CHUNK_BYTES } from "../../lib/core/record.ts";
import { backgroundTasks } from "../../lib/node/background.ts";
import { GarbageCollector } from "../../lib/node/garbage_collector.ts";
import { DEFAULT_PAUSES } from "../../lib/node/pauses.ts";
import { blob, openStorage, storeBlob, upload, value, write } from "./storage_fixture.ts";

/** A storage whose disk fails when told, and what frees bytes there. */
async function setUp() {
  const disk = { fails: false };
  const { storage, clock } = await openStorage({
    tamper: (store) => ({
      commit: (mutations) =>
        disk.fails ? Promise.reject(new Error("the disk is gone")) : store.commit(mutations),
    }),
  });
  const background = backgroundTasks(clock);
  const logged: string[] = [];
  const collector = new GarbageCollector({
    storage,
    clock,
    background,
    pauses: DEFAULT_PAUSES,
    log: { event: (_level, event) => logged.push(event) },
  });
  const round = async () => {
    await collector.round(new AbortController().signal);
    const { running, done, left, bytes, failed, error } = background.garbage.view;
    return { running, done, left, bytes, failed, error };
  };
  return { storage, clock, round, disk, logged };
}

const QUIET = { running: false, failed: 0, error: undefined };

Deno.test("garbage given a large value was overwritten, then it is left while it may be read, and then freed", async () => {
  const { storage, clock, round } = await setUp();
  await storeBlob(storage, "a", 1, "x", 2 * CHUNK_BYTES);
  await write(storage, "a", value(2));
  assertEquals(await round(), { ...QUIET, done: 0, left: 1, bytes: 0 });
  clock.advance(61_000);
  assertEquals(await round(), { ...QUIET, done: 1, left: 0, bytes: 2 * CHUNK_BYTES });
  assertEquals(await round(), { ...QUIET, done: 0, left: 0, bytes: 2 * CHUNK_BYTES });
});

Deno.test("garbage given an upload without a call for ten minutes, then it is freed", async () => {
  const { storage, clock, round } = await setUp();
  await upload(storage, "x", blob(1, "x", 3 * CHUNK_BYTES).chunks);
  assertEquals(await round(), { ...QUIET, done: 0, left: 0, bytes: 0 });
  clock.advance(11 * 60_000);
  assertEquals(await round(), { ...QUIET, done: 1, left: 0, bytes: 3 * CHUNK_BYTES });
});

Deno.test("garbage given a disk that fails, then what is left and the error, until it has gone well", async () => {
  const { storage, clock, round, disk, logged } = await setUp();
  await storeBlob(storage, "a", 1, "x", 2 * CHUNK_BYTES);
  await write(storage, "a", value(2));
  await storage.flush();
  clock.advance(61_000);
  disk.fails = true;
  const failed = await round();
  assertEquals([failed.left, failed.failed, failed.error?.includes("the disk is gone")], [1, 1, true]);
  assertEquals(logged, ["background_failed"]);
  disk.fails = false;
  assertEquals(await round(), {
    running: false,
    failed: 1,
    error: undefined,
    done: 1,
    left: 0,
    bytes: 2 * CHUNK_BYTES,
  });
});
