import { assert, assertEquals } from "@std/assert";
import { HINT_LIMITS, type Hints } from "../../lib/node/hints.ts";
import { openStorage } from "./storage_fixture.ts";

const A = "a:1/s1";
const B = "b:1/s2";

function place(i: number): { partition: number; key: string } {
  return { partition: i % 64, key: `key ${i}` };
}

/** Keys of all hints for an owner, taken as a delivery takes them. */
async function takeAll(hints: Hints, target: string): Promise<string[]> {
  const keys: string[] = [];
  for (let page = await hints.first(target); page !== undefined; page = await hints.first(target)) {
    keys.push(...page.places.map(({ key }) => key));
    await hints.remove(page);
  }
  return keys;
}

Deno.test("hints given they were written, then a later run has them, in their order", async () => {
  const { storage, disk } = await openStorage();
  const keys = Array.from({ length: 1_300 }, (_, i) => place(i).key);
  keys.forEach((_, i) => storage.hints.add(A, place(i)));
  storage.hints.add(B, place(7));
  await storage.hints.flush();
  await storage.close();
  const { storage: later } = await openStorage({ disk });
  assertEquals((await later.hints.targets()).sort(), [A, B]);
  assertEquals(later.hints.counts, { kept: 1_301, dropped: 0 });
  assertEquals(await takeAll(later.hints, A), keys);
  assertEquals(later.hints.counts.kept, 1);
  await later.close();
});

Deno.test("hints given some were delivered, then a later run does not have those", async () => {
  const { storage, disk } = await openStorage();
  for (let i = 0; i < 600; i++) storage.hints.add(A, place(i));
  await storage.hints.flush();
  const page = await storage.hints.first(A);
  await storage.hints.remove(page!);
  await storage.close();
  const { storage: later } = await openStorage({ disk });
  const left = await takeAll(later.hints, A);
  assertEquals(left.length, 600 - page!.places.length);
  assert(!left.includes(page!.places[0]!.key));
  await later.close();
});

Deno.test("hints given a process that ends before they are written, then they are gone", async () => {
  const { storage, store, disk } = await openStorage();
  storage.hints.add(A, place(1));
  store.crash();
  const { storage: later } = await openStorage({ disk });
  assertEquals(await later.hints.targets(), []);
  await later.close();
});

Deno.test("hints given the same key again and again, then there is one for it", async () => {
  const { storage } = await openStorage();
  for (let i = 0; i < 50; i++) {
    storage.hints.add(A, place(1));
    storage.hints.add(A, place(2));
    await storage.hints.flush();
  }
  assertEquals(await takeAll(storage.hints, A), ["key 1", "key 2"]);
  await storage.close();
});

Deno.test("hints given a key is missed again while it is being delivered, then that is a hint of its own", async () => {
  const { storage } = await openStorage();
  storage.hints.add(A, place(1));
  await storage.hints.flush();
  const page = await storage.hints.first(A);
  storage.hints.add(A, place(1));
  await storage.hints.remove(page!);
  assertEquals(await takeAll(storage.hints, A), ["key 1"]);
  await storage.close();
});

Deno.test("hints given more than there is room for, then the rest is dropped, for that owner alone", async () => {
  const { storage } = await openStorage();
  const { targetPlaces } = HINT_LIMITS;
  for (let i = 0; i < targetPlaces + 1_000; i++) {
    storage.hints.add(A, place(i));
    if (i % 5_000 === 0) await storage.hints.flush();
  }
  const { kept, dropped } = storage.hints.counts;
  assertEquals(kept + dropped, targetPlaces + 1_000);
  assert(kept <= targetPlaces && kept > targetPlaces - 1_000, `kept ${kept}`);
  assert(storage.hints.add(B, place(1)));
  await takeAll(storage.hints, A);
  assert(storage.hints.add(A, place(1)), "no room after they were delivered");
  await storage.close();
});

Deno.test("hints given a disk that takes nothing, then they are dropped, and later ones are kept", async () => {
  let full = true;
  const { storage } = await openStorage({
    tamper: (store) => ({
      commit: (mutations, checks) => {
        const isHint = mutations.some(({ key }) => key[0] === "hint");
        return full && isHint ? Promise.reject(new Error("broken")) : store.commit(mutations, checks);
      },
    }),
  });
  storage.hints.add(A, place(1));
  await storage.hints.flush();
  assertEquals(storage.hints.counts, { kept: 0, dropped: 1 });
  full = false;
  storage.hints.add(A, place(1));
  await storage.hints.flush();
  assertEquals(await takeAll(storage.hints, A), ["key 1"]);
  await storage.close();
});

Deno.test("hints given a disk that is full when they were delivered, then their entry goes once there is room", async () => {
  let full = false;
  const { storage, disk } = await openStorage({
    tamper: (store) => ({
      commit: (mutations, checks) =>
        full ? Promise.reject(new Error("broken")) : store.commit(mutations, checks),
    }),
  });
  storage.hints.add(A, place(1));
  await storage.hints.flush();
  full = true;
  assertEquals(await takeAll(storage.hints, A), ["key 1"]);
  await storage.hints.sweep();
  full = false;
  await storage.hints.sweep();
  await storage.close();
  const { storage: later } = await openStorage({ disk });
  assertEquals(await later.hints.targets(), []);
  await later.close();
});

Deno.test("hints given an owner's are dropped, then nothing of them is left on the disk", async () => {
  const { storage, disk } = await openStorage();
  for (let i = 0; i < 600; i++) storage.hints.add(A, place(i));
  storage.hints.add(B, place(1));
  await storage.hints.flush();
  await storage.hints.drop(A);
  assertEquals(storage.hints.counts, { kept: 1, dropped: 600 });
  await storage.close();
  const { storage: later } = await openStorage({ disk });
  assertEquals(await later.hints.targets(), [B]);
  await later.close();
});

Deno.test("hints given an entry that is damaged, then it is left out", async () => {
  const { storage, disk } = await openStorage();
  storage.hints.add(A, place(1));
  await storage.hints.flush();
  await storage.close();
  disk.corrupt(["hint", A, 0], () => Uint8Array.of(0xc1));
  const { storage: later } = await openStorage({ disk });
  assertEquals(await takeAll(later.hints, A), []);
  await later.close();
});
