/** Records that are mended while they are written: what was acknowledged meanwhile must stay. */
import { assertEquals } from "@std/assert";
import {
  assertFails,
  type Opened,
  openStorage,
  place,
  read,
  tombstone,
  value,
  write,
} from "./storage_fixture.ts";

const { partition } = place("a");

/** A storage whose record of "a" has bad bytes, and has been found out. */
async function withBadBytes(): Promise<Opened> {
  const opened = await openStorage();
  const { storage, disk } = opened;
  await write(storage, "a", value(1, "x".repeat(1_000)));
  await storage.flush();
  // The last byte of the value; eight of the head's checksum come behind it.
  disk.corrupt(["record", partition, "a"], (bytes) => bytes.fill(0, bytes.length - 9, bytes.length - 8));
  await storage.digests();
  await assertFails("corrupt_value", () => read(storage, "a"));
  return opened;
}

Deno.test("storage given a damaged record is written and mended in one commit, then what was written stays", async () => {
  const { storage } = await withBadBytes();
  const pulled = storage.tombstones.pullTicket(partition);
  const mend = { partition, key: "a", record: value(1, "y"), mode: "merge", pulled, mends: true } as const;
  const [written, mended] = await Promise.all([write(storage, "a", value(5)), storage.write(mend)]);
  assertEquals([written.kind, mended.kind], ["stored", "stale"]);
  assertEquals(await read(storage, "a"), value(5));
});

Deno.test("storage given a damaged record is written and forgotten in one commit, then what was written stays", async () => {
  const { storage } = await withBadBytes();
  const ticket = storage.tombstones.pullTicket(partition);
  const [written, forgotten] = await Promise.all([
    write(storage, "a", value(5)),
    storage.forgetDamaged(place("a"), ticket),
  ]);
  assertEquals([written.kind, forgotten], ["stored", false]);
  assertEquals(await read(storage, "a"), value(5));
});

Deno.test("storage given a damaged record is deleted and mended in one commit, then it stays deleted", async () => {
  const { storage } = await withBadBytes();
  const pulled = storage.tombstones.pullTicket(partition);
  const mend = { partition, key: "a", record: value(1, "y"), mode: "merge", pulled, mends: true } as const;
  await Promise.all([write(storage, "a", tombstone(5)), storage.write(mend)]);
  assertEquals(await read(storage, "a"), tombstone(5));
});

Deno.test("storage given a client's write below a damaged record, then it does not say that this is held, as it may be given up", async () => {
  const { storage } = await withBadBytes();
  const answer = await write(storage, "a", value(0));
  assertEquals([answer.kind, "held" in answer && answer.held], ["collected", value(1).version]);
});
