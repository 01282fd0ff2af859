import { assertEquals, assertLess, assertNotEquals } from "@std/assert";
import { unpackIndexEntry } from "../../lib/core/index_entry.ts";
import type { PackedKey } from "../../lib/core/key_page.ts";
import type { ScanRange, Storage } from "../../lib/node/storage.ts";
import {
  listKeys,
  openStorage,
  partitionOfTest,
  place,
  read,
  storeBlob,
  tombstone,
  value,
  version,
  write,
} from "./storage_fixture.ts";
import { SeededRandom } from "../support/seeded_random.ts";

/** Where an index entry has the last byte of its partition. */
const PARTITION_END = 5;

// In the order of their UTF-8 bytes, which is not that of JavaScript: U+1F600 comes after U+FFFD.
const IN_BYTE_ORDER = [
  "a",
  "a!",
  "a/b",
  "aa",
  "b",
  "\u00e9",
  "\ud7ff",
  "\ue000",
  "\ufffd",
  "\u{1f600}",
  "\u{1f601}",
];

async function allKeys(storage: Storage, prefix: string, limit: number): Promise<string[]> {
  const keys: string[] = [];
  let after: string | undefined;
  do {
    const page = await listKeys(storage, { prefix, limit, ...(after === undefined ? {} : { after }) });
    keys.push(...page.entries.map(({ key }) => key));
    after = page.next;
  } while (after !== undefined);
  return keys;
}

for (const limit of [1, 2, 3, 100]) {
  Deno.test(`listKeys() given pages of ${limit}, then every key comes once, in the order of its bytes`, async () => {
    const { storage } = await openStorage();
    await Promise.all(IN_BYTE_ORDER.toReversed().map((key) => write(storage, key, value(1))));
    assertEquals(await allKeys(storage, "", limit), IN_BYTE_ORDER);
    assertEquals(await allKeys(storage, "a", limit), ["a", "a!", "a/b", "aa"]);
    assertEquals(await allKeys(storage, "a/", limit), ["a/b"]);
    assertEquals(await allKeys(storage, "\u{1f600}", limit), ["\u{1f600}"]);
    assertEquals(await allKeys(storage, "zz", limit), []);
  });
}

const PAGES: Record<string, [query: { prefix: string; after: string }, keys: string[]]> = {
  "before the prefix": [{ prefix: "b", after: "a" }, ["b"]],
  "the prefix itself": [{ prefix: "a", after: "a" }, ["a!", "a/b", "aa"]],
  "within the prefix": [{ prefix: "a", after: "a/" }, ["a/b", "aa"]],
  "behind the prefix": [{ prefix: "a", after: "b" }, []],
  "not a key": [{ prefix: "", after: "\ufffe" }, ["\u{1f600}", "\u{1f601}"]],
};

for (const [name, [query, keys]] of Object.entries(PAGES)) {
  Deno.test(`listKeys() given an "after" that is ${name}, then it goes on behind it`, async () => {
    const { storage } = await openStorage();
    await Promise.all(IN_BYTE_ORDER.map((key) => write(storage, key, value(1))));
    const page = await listKeys(storage, { ...query, limit: 100 });
    assertEquals(page.entries.map(({ key }) => key), keys);
  });
}

Deno.test("listKeys() given a deleted key, then it is listed with its tombstone", async () => {
  const { storage } = await openStorage();
  await write(storage, "a", value(1));
  await write(storage, "a", tombstone(2));
  const { entries } = await listKeys(storage, { prefix: "", limit: 9 });
  const [{ key, packed }] = entries as [PackedKey];
  const { partition, head } = unpackIndexEntry(packed);
  assertEquals([entries.length, key, partition, head.kind, head.version.wallMs], [
    1,
    "a",
    partitionOfTest("a"),
    "tombstone",
    2,
  ]);
});

Deno.test("scan() given records that were just written, then they come in pages with the partition's floor", async () => {
  const { storage } = await openStorage();
  const keys = ["k1", "k2", "k3", "k4", "k5"];
  await Promise.all(
    keys.map((key) => storage.write({ partition: 7, key, record: value(1), mode: "client" })),
  );
  await storage.write({ partition: 8, key: "other", record: value(1), mode: "client" });
  await storage.tombstones.raiseFloor(7, version(3));
  const first = await storage.scan(7, { limit: 3 });
  assertEquals(first.entries.map(({ key }) => key), ["k1", "k2", "k3"]);
  assertEquals([first.next, first.floor], ["k3", version(3)]);
  const second = await storage.scan(7, { after: "k3", limit: 3 });
  assertEquals(second.entries.map(({ key }) => key), ["k4", "k5"]);
  assertEquals(second.next, undefined);
  assertEquals(await storage.scan(9, { limit: 3 }), { entries: [], damaged: false });
});

Deno.test("scanRecords() given short partitions before many long ones, then it reads a few times what it gives, and all comes in the end", async () => {
  const LONG = 60;
  const bounds = { limit: 1_000, bytes: 10_000 };
  let bytesRead = 0;
  const { storage } = await openStorage({
    tamper: (store) => ({
      list: async function* (range, options) {
        for await (const entry of store.list(range, options)) {
          bytesRead += entry.value.length;
          yield entry;
        }
      },
    }),
  });
  for (let partition = 0; partition < 4 + LONG; partition++) {
    const keys = partition < 4 ? ["k0"] : Array.from({ length: 10 }, (_, i) => `k${i}`);
    await Promise.all(keys.map((key) => {
      const record = value(1, "x".repeat(partition < 4 ? 1 : 1_000));
      return storage.write({ partition, key: `${partition} ${key}`, record, mode: "client" });
    }));
  }
  await storage.flush();
  let found = 0;
  let ranges: ScanRange[] = Array.from({ length: 4 + LONG }, (_, partition) => ({ partition }));
  for (let round = 0; ranges.length > 0; round++) {
    bytesRead = 0;
    const pages = await storage.scanRecords(ranges, bounds);
    if (round === 0) assertLess(bytesRead, 4 * bounds.bytes + LONG * 1_200);
    found += pages.reduce((sum, { entries }) => sum + entries.length, 0);
    const more = pages.flatMap(({ next }, i) => next === undefined ? [] : [{ ...ranges[i]!, after: next }]);
    ranges = [...more, ...ranges.slice(pages.length)];
  }
  assertEquals(found, 4 + 10 * LONG);
});

Deno.test("digests() given the same content written in other orders, then they are equal", async () => {
  const random = new SeededRandom(7);
  const writes = Array.from({ length: 200 }, (_, i) => [`k${i % 90}`, i + 1] as const);
  const digests = [];
  for (let run = 0; run < 3; run++) {
    const { storage } = await openStorage();
    const shuffled = writes.map((item) => [random.next(), item] as const).sort((a, b) => a[0] - b[0]);
    for (const [, [key, wallMs]] of shuffled) {
      await write(storage, key, wallMs % 5 === 0 ? tombstone(wallMs) : value(wallMs), "merge");
      if (random.below(40) === 0) await storage.digests();
    }
    digests.push(new Map([...await storage.digests()].sort((a, b) => a[0] - b[0])));
  }
  assertEquals(digests[1], digests[0]!);
  assertEquals(digests[2], digests[0]!);
});

Deno.test("digests() given records, then they count them, and change with every version", async () => {
  const { storage } = await openStorage();
  const { partition } = place("a");
  assertEquals([...await storage.digests()], []);
  await write(storage, "a", value(1, "12345"));
  const first = (await storage.digests()).get(partition)!;
  assertEquals({ ...first, hash: "" }, { records: 1, values: 1, valueBytes: 5, damaged: 0, hash: "" });
  await storeBlob(storage, "a", 2, "x", 70_000);
  const second = (await storage.digests()).get(partition)!;
  assertEquals({ ...second, hash: "" }, { records: 1, values: 1, valueBytes: 70_000, damaged: 0, hash: "" });
  await write(storage, "a", tombstone(3));
  const third = (await storage.digests()).get(partition)!;
  assertEquals({ ...third, hash: "" }, { records: 1, values: 0, valueBytes: 0, damaged: 0, hash: "" });
  assertEquals(new Set([first.hash, second.hash, third.hash]).size, 3);
  await storage.drop(partition, "a", version(3));
  assertEquals((await storage.digests()).get(partition), undefined);
});

Deno.test("digests() given a value and its expiry at one version, then they differ", async () => {
  const { storage } = await openStorage();
  await write(storage, "a", value(1));
  const before = (await storage.digests()).get(place("a").partition)!;
  await write(storage, "a", tombstone(1, true), "merge");
  assertNotEquals((await storage.digests()).get(place("a").partition)!.hash, before.hash);
});

Deno.test("storage given more records than the cache takes, then memory stays within its bound", async () => {
  const { storage } = await openStorage({ cacheBytes: 100_000 });
  const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
  await Promise.all(keys.map((key) => write(storage, key, value(1, "x".repeat(2_000)))));
  await storage.flush();
  for (const key of keys) await storage.read(partitionOfTest(key), key);
  const { cacheBytes, tableBytes } = storage.stats();
  assertEquals([cacheBytes > 20_000, cacheBytes <= 100_000, tableBytes], [true, true, 0]);
});

for (const where of ["in memory", "on the disk"] as const) {
  Deno.test(`listKeys() given a disk has changed the partition of an index entry, when the record is ${where}, then it is listed where its key belongs`, async () => {
    const { storage, disk } = await openStorage({ cacheBytes: where === "in memory" ? 100_000 : 0 });
    await write(storage, "a", value(1));
    await storage.flush();
    if (where === "in memory") await read(storage, "a");
    const wrong = (partitionOfTest("a") + 1) % 64;
    disk.corrupt(["key", "a"], (bytes) => bytes.with(PARTITION_END, wrong));
    const { entries, damaged } = await listKeys(storage, { prefix: "", limit: 9 });
    const listed = entries.map(({ key, packed }) => [key, unpackIndexEntry(packed).partition]);
    assertEquals([listed, damaged], [[["a", partitionOfTest("a")]], []]);
  });
}
