/** Listings of keys some of which are not in their places yet, while others go there. */
import { assertEquals } from "@std/assert";
import { unpackIndexEntry } from "../../lib/core/index_entry.ts";
import type { Storage } from "../../lib/node/storage.ts";
import { listKeys, openStorage, place, tombstone, value, version, write } from "./storage_fixture.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const KEYS = Array.from({ length: 40 }, (_, i) => `${"abcd"[i % 4]}/${String(i).padStart(2, "0")}`);

async function listed(storage: Storage, prefix: string, limit: number): Promise<string[]> {
  const found: string[] = [];
  let after: string | undefined;
  for (;;) {
    const { entries, next } = await listKeys(storage, {
      prefix,
      limit,
      ...(after === undefined ? {} : { after }),
    });
    assertEquals(entries.length <= limit, true);
    for (const { key, packed } of entries) {
      const { head } = unpackIndexEntry(packed);
      found.push(`${key} ${head.kind} ${head.version.wallMs}`);
    }
    if (next === undefined) return found;
    after = next;
  }
}

for (let seed = 1; seed <= 20; seed++) {
  Deno.test(`listKeys() given writes, deletions and removals in and out of their places, seed ${seed}, then it shows them all`, async () => {
    const random = new SeededRandom(seed);
    const { storage } = await openStorage();
    const model = new Map<string, string>();
    for (let wallMs = 1; wallMs <= 150; wallMs++) {
      const key = KEYS[random.below(KEYS.length)]!;
      const what = random.below(8);
      const held = Number(model.get(key)?.split(" ").at(-1));
      if (what === 0 && held > 0) {
        await storage.drop(place(key).partition, key, version(held));
        model.delete(key);
      } else {
        const record = what < 3 ? tombstone(wallMs) : value(wallMs);
        await write(storage, key, record);
        model.set(key, `${key} ${record.kind} ${wallMs}`);
      }
      if (random.below(25) === 0) await storage.flush();
      if (random.below(10) !== 0) continue;
      const prefix = ["", "b", "b/", "d/39", "e"][random.below(5)]!;
      const expected = [...model].filter(([one]) => one.startsWith(prefix)).map(([, line]) => line).sort();
      // An apply goes on beside the listing now and then.
      const flushing = random.below(2) === 0 ? storage.flush() : undefined;
      assertEquals(await listed(storage, prefix, 1 + random.below(12)), expected);
      await flushing;
    }
  });
}

Deno.test("listKeys() given writes that go on, then it waits for no apply and shows each key that was there, once", async () => {
  const { storage } = await openStorage();
  await Promise.all(KEYS.map((key) => write(storage, key, value(1))));
  await storage.flush();
  const before = storage.stats().appliedRecords;
  let writing = true;
  const writes = (async () => {
    for (let wallMs = 2; writing; wallMs++) await write(storage, KEYS[wallMs % KEYS.length]!, value(wallMs));
  })();
  for (let turn = 0; turn < 10; turn++) {
    const lines = await listed(storage, "", 7);
    assertEquals(lines.map((line) => line.split(" ")[0]), KEYS.toSorted());
  }
  writing = false;
  await writes;
  assertEquals(storage.stats().appliedRecords, before);
});
