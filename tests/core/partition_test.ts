import { assert, assertEquals, assertLess } from "@std/assert";
import { DEFAULT_PARTITIONS, partitionOf } from "../../lib/core/partition.ts";
import { hash128 } from "../../lib/core/hash.ts";

// Where keys lie decides where their data is: these must never change.
const KNOWN: Record<string, readonly [key: string, of16384: number]> = {
  "an empty key": ["", 9_834],
  "a letter": ["a", 10_843],
  "three letters": ["abc", 428],
};

for (const [name, [key, partition]] of Object.entries(KNOWN)) {
  Deno.test(`partitionOf() given ${name}, then always partition ${partition} of 16,384`, () => {
    assertEquals(partitionOf(key, DEFAULT_PARTITIONS), partition);
  });
}

Deno.test("partitionOf() given any number of partitions, then it is the slice the hash lies in", () => {
  for (const partitions of [1, 2, 3, 64, 1_000, 16_384, 65_536]) {
    for (let i = 0; i < 200; i++) {
      const top = new DataView(hash128(`key ${i}`).buffer).getUint32(0);
      const model = BigInt(top) * BigInt(partitions) >> 32n;
      assertEquals(partitionOf(`key ${i}`, partitions), Number(model));
    }
  }
});

Deno.test("partitionOf() given keys that differ little, then all partitions get about as many", () => {
  const counts = new Array<number>(64).fill(0);
  for (let i = 0; i < 64_000; i++) counts[partitionOf(`user/${i}`, 64)]!++;
  for (const count of counts) {
    assertLess(Math.abs(count - 1_000), 150);
    assert(count > 0);
  }
});
