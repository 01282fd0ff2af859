import { assertEquals } from "@std/assert";
import { Slab } from "../../lib/node/slab.ts";

Deno.test("slab given byte strings of any length, then each copy stays as it was", () => {
  const slab = new Slab();
  const source = new Uint8Array(10_000);
  const copies = Array.from({ length: 500 }, (_, i) => {
    const bytes = source.subarray(0, i * 17).fill(i & 0xff);
    return slab.copy(bytes);
  });
  source.fill(0xaa);
  copies.forEach((copy, i) => assertEquals(copy, new Uint8Array(i * 17).fill(i & 0xff)));
});
