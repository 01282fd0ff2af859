import { assert, assertEquals } from "@std/assert";
import { SeededRandom } from "../support/seeded_random.ts";
import { ByteCache } from "../../lib/node/byte_cache.ts";

const SEED = 0x5eed;

function bytesOf(length: number, fill: number): Uint8Array {
  return new Uint8Array(length).fill(fill);
}

Deno.test("byte cache given any changes, then it gives the last bytes of a key or none, within its bound", () => {
  const random = new SeededRandom(7);
  const int = (below: number) => Math.floor(random.next() * below);
  for (const maxBytes of [0, 1_000, 20_000, 400_000]) {
    const cache = new ByteCache(maxBytes, SEED);
    const model = new Map<string, Uint8Array>();
    let hits = 0;
    for (let step = 0; step < 20_000; step++) {
      const key = `${int(2) === 0 ? "k" : "schlüssel"}/${int(1_000)}`;
      const choice = random.next();
      if (choice < 0.45) {
        const bytes = bytesOf(int(2) === 0 ? 21 : int(300), step & 0xff);
        cache.set(key, bytes);
        model.set(key, bytes);
      } else if (choice < 0.55) {
        cache.delete(key);
        model.delete(key);
      } else if (choice < 0.5501) {
        cache.clear();
        model.clear();
      } else {
        const found = cache.get(key);
        if (found === undefined) continue;
        hits++;
        assertEquals(found, model.get(key));
      }
    }
    assert(cache.bytes <= maxBytes + 64, `${cache.bytes} of ${maxBytes}`);
    assert(cache.size <= model.size);
    // Where there is room for all, hardly any read misses: a third of the keys is not there when it is asked for.
    assert(maxBytes < 400_000 ? maxBytes > 0 === hits > 0 : hits > 4_000, `${hits} hits of ${maxBytes}`);
  }
});

Deno.test("byte cache given no room for the next, then what was asked for since stays, and the rest goes", () => {
  const cache = new ByteCache(40_000, SEED);
  for (let i = 0; i < 2_000; i++) {
    cache.set(`k${i}`, bytesOf(100, i & 0xff));
    cache.get("k0");
  }
  assertEquals([cache.get("k0")?.[0], cache.get("k1"), cache.get("k1999")?.[0]], [0, undefined, 1999 & 0xff]);
  assert(cache.bytes <= 40_000 && cache.size > 150, `${cache.size} entries in ${cache.bytes} bytes`);
});

Deno.test("byte cache given all were asked for, when there is no room, then some go all the same", () => {
  const cache = new ByteCache(40_000, SEED);
  for (let i = 0; i < 2_000; i++) {
    cache.set(`k${i}`, bytesOf(100, 1));
    for (let j = 0; j < i; j += 50) cache.get(`k${j}`);
  }
  assert(cache.bytes <= 40_000 && cache.size < 400);
  assert(cache.get("k1999") !== undefined);
});

Deno.test("byte cache given bytes that are too many for it, then it keeps none, and forgets what it had", () => {
  const cache = new ByteCache(4_000, SEED);
  cache.set("a", bytesOf(10, 1));
  cache.set("a", bytesOf(1_000, 2));
  assertEquals([cache.get("a"), cache.size], [undefined, 0]);
});

Deno.test("byte cache given a key that begins as another, or is no ASCII, then they are two", () => {
  const cache = new ByteCache(100_000, SEED);
  const keys = ["", "a", "ab", "ä", "ab\u0000", "\u{1f600}", "x".repeat(1_000), "x".repeat(999) + "é"];
  keys.forEach((key, i) => cache.set(key, bytesOf(3, i)));
  assertEquals(keys.map((key) => cache.get(key)?.[0]), keys.map((_, i) => i));
});

Deno.test("byte cache given many entries, then nearly all are found, and each takes little room", () => {
  const cache = new ByteCache(8 * 1024 * 1024, SEED);
  const keys = Array.from({ length: 100_000 }, (_, i) => `k${String(i).padStart(8, "0")}`);
  keys.forEach((key) => cache.set(key, bytesOf(21, 1)));
  const found = keys.filter((key) => cache.get(key) !== undefined).length;
  assert(found > 99_000, `${found} of 100,000`);
  assert(cache.bytes / found < 80, `${cache.bytes / found} bytes for each`);
});
