import { assert, assertEquals, assertRejects } from "@std/assert";
import { MemoryDisk, MemoryStore } from "../../lib/adapters/memory_store.ts";
import { type Mutation, StoreFullError } from "../../lib/ports/store.ts";

function set(name: string, byte = 1): Mutation {
  return { kind: "set", key: [name], value: Uint8Array.of(byte) };
}

/** Whether a promise has settled once everything that can happen by itself has. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(() => settled = true, () => settled = true);
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  return settled;
}

Deno.test("MemoryStore given a disk another one wrote, then reads what was committed", async () => {
  const disk = new MemoryDisk();
  await new MemoryStore(disk).commit([set("a", 7)]);
  assertEquals((await new MemoryStore(disk).getMany([["a"]]))[0]?.value, Uint8Array.of(7));
  assertEquals(disk.size, 1);
});

Deno.test("MemoryStore given beforeCommit throws, then nothing was stored", async () => {
  const disk = new MemoryDisk();
  const store = new MemoryStore(disk, {
    beforeCommit: () => {
      throw new Error("power cut");
    },
  });
  await assertRejects(() => store.commit([set("a")]), Error, "power cut");
  assertEquals([disk.size, disk.commits, store.commits], [0, 0, 0]);
});

Deno.test("MemoryStore given it crashes as a read arrives, then nobody hears what was read", async () => {
  const disk = new MemoryDisk();
  await new MemoryStore(disk).commit([set("a")]);
  const reads: ((store: MemoryStore) => Promise<unknown>)[] = [
    (store) => store.getMany([["a"]]),
    (store) => Array.fromAsync(store.list({ prefix: [] })),
  ];
  for (const read of reads) {
    const store: MemoryStore = new MemoryStore(disk, { beforeRead: () => store.crash() });
    assert(!await isSettled(read(store)));
  }
});

Deno.test("MemoryStore given afterCommit throws, then it was stored all the same", async () => {
  const disk = new MemoryDisk();
  const store = new MemoryStore(disk, { afterCommit: () => Promise.reject(new Error("power cut")) });
  await assertRejects(() => store.commit([set("a")]), Error, "power cut");
  assertEquals([disk.size, disk.commits, store.commits], [1, 1, 1]);
});

Deno.test("MemoryStore given afterCommit never resolves, then the commit happened and nobody hears", async () => {
  const disk = new MemoryDisk();
  const store = new MemoryStore(disk, { afterCommit: () => new Promise(() => {}) });
  assert(!await isSettled(store.commit([set("a")])));
  assertEquals(disk.size, 1);
});

Deno.test("MemoryStore given a commit that waits, when it crashes, then it never reaches the disk", async () => {
  const disk = new MemoryDisk();
  const arrived = Promise.withResolvers<void>();
  const store = new MemoryStore(disk, { delay: () => arrived.promise });
  const calls = [store.commit([set("a")]), store.getMany([["a"]])];
  store.crash();
  arrived.resolve();
  for (const call of calls) assert(!await isSettled(call));
  assertEquals(disk.size, 0);
});

Deno.test("MemoryStore given a crash in beforeCommit, then the commit never reaches the disk", async () => {
  const disk = new MemoryDisk();
  const store: MemoryStore = new MemoryStore(disk, { beforeCommit: () => store.crash() });
  assert(!await isSettled(store.commit([set("a")])));
  assertEquals(disk.size, 0);
});

Deno.test("MemoryStore given it crashed, then later calls never settle and closing it does", async () => {
  const store = new MemoryStore(new MemoryDisk());
  store.crash();
  assert(!await isSettled(store.commit([set("a")])));
  assert(!await isSettled(store.list({ prefix: [] })[Symbol.asyncIterator]().next()));
  await store.close();
});

Deno.test("MemoryStore given a crash in afterCommit, then the commit is on the disk and nobody hears", async () => {
  const disk = new MemoryDisk();
  const store: MemoryStore = new MemoryStore(disk, { afterCommit: () => store.crash() });
  assert(!await isSettled(store.commit([set("a")])));
  assertEquals(disk.size, 1);
});

Deno.test("MemoryStore given a full disk, then commits throw, reads go on, and it can be emptied", async () => {
  const disk = new MemoryDisk();
  const store = new MemoryStore(disk);
  await store.commit([set("a", 1)]);
  disk.full = true;
  await assertRejects(() => store.commit([set("a", 2)]), StoreFullError);
  assertEquals((await store.getMany([["a"]]))[0]?.value, Uint8Array.of(1));
  disk.full = false;
  assertEquals(await store.commit([set("a", 2)]), true);
});

Deno.test("MemoryStore given a delay, then reads, commits and each page of a listing wait for it", async () => {
  let delays = 0;
  const store = new MemoryStore(new MemoryDisk(), { delay: () => Promise.resolve(void delays++) });
  await store.commit(Array.from({ length: 700 }, (_, i) => set(`${i}`)));
  await store.getMany([["1"], ["2"]]);
  assertEquals(delays, 2);
  await Array.fromAsync(store.list({ prefix: [] }));
  assertEquals(delays, 4);
});

Deno.test("MemoryDisk given an entry is corrupted, then its bytes change and its versionstamp does not", async () => {
  const disk = new MemoryDisk();
  const store = new MemoryStore(disk);
  const value = Uint8Array.of(1, 2, 3);
  await store.commit([{ kind: "set", key: ["a"], value }, {
    kind: "set",
    key: ["empty"],
    value: new Uint8Array(),
  }]);
  const [before] = await store.getMany([["a"]]);
  assertEquals([disk.corrupt(["a"]), disk.corrupt(["empty"]), disk.corrupt(["none"])], [true, true, false]);
  const [after, empty] = await store.getMany([["a"], ["empty"]]);
  assertEquals(after?.value, Uint8Array.of(1, 0xfd, 3));
  assertEquals(after?.versionstamp, before?.versionstamp);
  assertEquals(empty?.value.length, 1);
  assertEquals(value, Uint8Array.of(1, 2, 3));
});

Deno.test("MemoryDisk given an entry is corrupted in a way that is asked for, then in just that", async () => {
  const disk = new MemoryDisk();
  const store = new MemoryStore(disk);
  await store.commit([set("a")]);
  disk.corrupt(["a"], (bytes) => bytes.subarray(1));
  assertEquals((await store.getMany([["a"]]))[0]?.value, new Uint8Array());
});

Deno.test("MemoryStore given two of them on one disk, then each counts its own commits", async () => {
  const disk = new MemoryDisk();
  const [first, second] = [new MemoryStore(disk), new MemoryStore(disk)];
  await first.commit([set("a")]);
  await second.commit([set("a")]);
  await second.commit([set("b")], [{ key: ["b"], versionstamp: "never" }]);
  assertEquals([first.commits, second.commits, disk.commits], [1, 1, 2]);
});
