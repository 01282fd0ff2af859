import { assertEquals, assertNotEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { readPayload } from "../sim/payload.ts";
import { LargeValue } from "./large_value.ts";

const MIB = 1024 ** 2;

Deno.test("large value given its stream, then has its length, its checksum and its id in front, twice alike", async () => {
  const { value, sha256 } = await LargeValue.make("large/0#1", 3);
  for (let time = 0; time < 2; time++) {
    const parts = await Array.fromAsync(value.stream());
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    assertEquals([hash.digest("hex"), parts.length * MIB], [sha256, value.bytes]);
    assertEquals(readPayload(parts[0]!), "large/0#1");
  }
});

Deno.test("large value given two ids, or two parts, then no two are alike", async () => {
  const { value, sha256 } = await LargeValue.make("large/0#1", 2);
  assertNotEquals((await LargeValue.make("large/0#2", 2)).sha256, sha256);
  const [first, second] = await Array.fromAsync(value.stream());
  assertNotEquals(first, second);
});
