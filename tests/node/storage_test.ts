import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  assertFails,
  listKeys,
  openStorage,
  place,
  read,
  tombstone,
  value,
  version,
  wallMsOf,
  write,
} from "./storage_fixture.ts";

Deno.test("storage given a value was written, then it is read, and read again after a restart", async () => {
  const { storage, disk } = await openStorage();
  assertEquals(await write(storage, "a", value(1)), { kind: "stored", hadValue: false });
  assertEquals(await read(storage, "a"), value(1));
  const restarted = await openStorage({ disk });
  assertEquals(await read(restarted.storage, "a"), value(1));
  await restarted.storage.close();
  const again = await openStorage({ disk });
  assertEquals(await read(again.storage, "a"), value(1));
  assertEquals(await read(again.storage, "b"), undefined);
});

Deno.test("storage given many writes at once, then few commits carry them", async () => {
  const { storage, store } = await openStorage();
  const before = store.commits;
  await Promise.all(Array.from({ length: 500 }, (_, i) => write(storage, `k${i}`, value(i + 1))));
  assertEquals(store.commits - before, 1);
});

Deno.test("storage given writes of one key in one commit, then they are decided in their order", async () => {
  const { storage, store } = await openStorage();
  const before = store.commits;
  const outcomes = await Promise.all([
    write(storage, "a", value(5)),
    write(storage, "a", value(4)),
    write(storage, "a", value(5)),
    write(storage, "a", tombstone(6)),
    write(storage, "a", value(7)),
  ]);
  assertEquals(outcomes, [
    { kind: "stored", hadValue: false },
    { kind: "stale", held: version(5), hadValue: true },
    { kind: "duplicate", hadValue: true },
    { kind: "stored", hadValue: true },
    { kind: "stored", hadValue: false },
  ]);
  assertEquals(store.commits - before, 1);
  assertEquals(await wallMsOf(storage, "a"), 7);
});

const HELD_BY: Record<string, (storage: Awaited<ReturnType<typeof openStorage>>) => Promise<void>> = {
  "the journal": async () => {},
  "the key's entry": ({ storage }) => storage.flush(),
  "the cache": async ({ storage }) => {
    await storage.flush();
    await read(storage, "a");
  },
};

for (const [where, settle] of Object.entries(HELD_BY)) {
  Deno.test(`storage given the held record is in ${where}, when an older is written, then it is stale`, async () => {
    const opened = await openStorage();
    await write(opened.storage, "a", value(5));
    await settle(opened);
    const stale = { kind: "stale", held: version(5), hadValue: true } as const;
    assertEquals(await write(opened.storage, "a", value(4)), stale);
    assertEquals(await write(opened.storage, "a", value(4), "merge"), stale);
    assertEquals(await write(opened.storage, "a", value(5), "merge"), { kind: "duplicate", hadValue: true });
    assertEquals(await write(opened.storage, "a", value(6), "merge"), { kind: "stored", hadValue: true });
    assertEquals(await read(opened.storage, "a"), value(6));
  });
}

Deno.test("storage given a value expired, when both are merged, then the expiry wins in either order", async () => {
  const { storage } = await openStorage();
  await write(storage, "a", value(5), "merge");
  assertEquals((await write(storage, "a", tombstone(5, true), "merge")).kind, "stored");
  assertEquals((await write(storage, "a", value(5), "merge")).kind, "stale");
  assertEquals(await read(storage, "a"), tombstone(5, true));
});

Deno.test("storage given an answer of stale, then what it lost to is on the disk", async () => {
  let hold = false;
  let release = () => {};
  const beforeCommit = () => hold ? new Promise<void>((resolve) => release = resolve) : undefined;
  const { storage } = await openStorage({ hooks: { beforeCommit } });
  hold = true;
  let answered = 0;
  const both = [write(storage, "a", value(5)), write(storage, "a", value(4))];
  for (const one of both) one.then(() => answered++);
  for (let i = 0; i < 50; i++) await null;
  assertEquals(answered, 0);
  assertEquals(await read(storage, "a"), undefined);
  release();
  assertEquals((await Promise.all(both)).map(({ kind }) => kind), ["stored", "stale"]);
});

Deno.test("storage given a floor, then client writes must be above it", async () => {
  const { storage, disk } = await openStorage();
  const { partition } = place("a");
  await storage.tombstones.raiseFloor(partition, version(10));
  await storage.tombstones.raiseFloor(partition, version(8));
  assertEquals(await write(storage, "a", value(10)), {
    kind: "collected",
    held: version(10),
    hadValue: false,
  });
  assertEquals((await write(storage, "a", tombstone(9), "merge")).kind, "stored");
  assertEquals(await write(storage, "a", tombstone(9)), { kind: "duplicate", hadValue: false });
  assertEquals((await write(storage, "a", value(11))).kind, "stored");
  const restarted = await openStorage({ disk });
  assertEquals(restarted.storage.tombstones.floor(partition), version(10));
  assertEquals(restarted.storage.tombstones.floor(partition + 1), undefined);
});

Deno.test("storage given a floor and a write above and below it in one commit, then both are judged by it", async () => {
  const { storage } = await openStorage();
  const [, below, above] = await Promise.all([
    storage.tombstones.raiseFloor(place("a").partition, version(10)),
    write(storage, "a", value(9)),
    write(storage, "a", value(11)),
  ]);
  assertEquals([below.kind, above.kind], ["collected", "stored"]);
});

Deno.test("storage given a record is dropped, then only at the version that is held, and for good", async () => {
  const { storage, disk } = await openStorage();
  await write(storage, "a", value(1));
  assertEquals(await storage.drop(place("a").partition, "a", version(2)), false);
  assertEquals(await storage.drop(place("a").partition, "a", version(1)), true);
  assertEquals(await storage.drop(place("a").partition, "a", version(1)), false);
  assertEquals(await read(storage, "a"), undefined);
  const restarted = await openStorage({ disk });
  assertEquals(await read(restarted.storage, "a"), undefined);
  assertEquals((await listKeys(restarted.storage, { prefix: "", limit: 9 })).entries, []);
});

Deno.test("storage given a key is dropped and written again, then the index has it", async () => {
  const { storage } = await openStorage();
  await write(storage, "a", value(1));
  await storage.flush();
  await Promise.all([storage.drop(place("a").partition, "a", version(1)), write(storage, "a", value(2))]);
  assertEquals((await listKeys(storage, { prefix: "", limit: 9 })).entries.map(({ key }) => key), ["a"]);
});

Deno.test("storage given states, then they are found after a restart, shorter ones without a rest", async () => {
  const { storage, disk } = await openStorage();
  const large = new Uint8Array(200_000).map((_, i) => i);
  await Promise.all([storage.saveState("ring", large), storage.saveState("identity", Uint8Array.of(1))]);
  const second = await openStorage({ disk });
  assertEquals(await second.storage.loadState("ring"), large);
  assertEquals(await second.storage.loadState("identity"), Uint8Array.of(1));
  assertEquals(await second.storage.loadState("other"), undefined);
  await second.storage.saveState("ring", large.slice(0, 70_000));
  await second.storage.saveState("identity", new Uint8Array());
  const third = await openStorage({ disk });
  assertEquals(await third.storage.loadState("ring"), large.slice(0, 70_000));
  assertEquals(await third.storage.loadState("identity"), new Uint8Array());
});

Deno.test("storage given a state past its bound, then saving it is refused", async () => {
  const { storage } = await openStorage();
  await storage.saveState("x", new Uint8Array(737_280));
  await assertRejects(() => storage.saveState("x", new Uint8Array(737_281)), RangeError);
});

Deno.test("storage given it is closed, then it refuses, and the next start finds no journal", async () => {
  const { storage, disk } = await openStorage();
  const last = write(storage, "a", value(1));
  await storage.close();
  await last;
  await assertFails("stopping", () => write(storage, "a", value(2)));
  await assertFails("stopping", () => read(storage, "a"));
  const restarted = await openStorage({ disk });
  assertEquals(restarted.storage.stats().journalBytes, 0);
  assertEquals(await read(restarted.storage, "a"), value(1));
});

Deno.test("storage given heads are asked for, then they come in order, from wherever they are", async () => {
  const { storage } = await openStorage();
  await write(storage, "stored", value(1, "one"));
  await storage.flush();
  await write(storage, "queued", tombstone(2));
  const heads = await storage.heads([place("absent"), place("queued"), place("stored")]);
  assertEquals(heads.map((head) => head?.version.wallMs), [undefined, 2, 1]);
  assertEquals(heads[2], {
    version: version(1),
    kind: "value",
    valueBytes: 3,
    contentType: "text/plain",
    chunked: false,
    expiresMs: undefined,
  });
});

Deno.test("storage given a flush with nothing to do, then it commits nothing", async () => {
  const { storage, store } = await openStorage();
  await write(storage, "a", value(1));
  await storage.flush();
  const before = store.commits;
  await storage.flush();
  await storage.digests();
  assertEquals(store.commits, before);
  assert(storage.stats().appliedRecords === 1);
});

Deno.test("storage given more changes at once than fit into one commit, then several carry them, in order", async () => {
  const { storage, store } = await openStorage();
  const large = "x".repeat(30_000);
  const before = store.commits;
  const outcomes = await Promise.all([
    ...Array.from({ length: 1_500 }, (_, i) => storage.tombstones.raiseFloor(i, version(1))),
    ...Array.from({ length: 60 }, (_, i) => write(storage, `k${i}`, value(2, large))),
    write(storage, "k0", value(1)),
    ...Array.from({ length: 3 }, (_, i) => storage.saveState(`s${i}`, new Uint8Array(700_000))),
  ]);
  assertEquals(outcomes.at(1_560), { kind: "stale", held: version(2), hadValue: true });
  const commits = store.commits - before;
  assert(commits >= 7 && commits <= 10, `${commits} commits`);
});
