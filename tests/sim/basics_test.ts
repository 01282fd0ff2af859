import { assertEquals, assertNotEquals } from "@std/assert";
import { nodeAt, Simulation } from "./simulation.ts";

// Not a Blob's stream: that one reads in a thread of its own, and would not replay.
function text(body: string): ReadableStream<Uint8Array> {
  return ReadableStream.from([new TextEncoder().encode(body)]);
}

Deno.test("simulation given three nodes, when a value is put at one, then the others return it", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const [a, , c] = await sim.startRing(3);
    await nodeAt(a!).put("k", text("hello"), { contentType: "text/plain" });
    const found = await nodeAt(c!).get("k", { consistency: "quorum" });
    assertEquals(new TextDecoder().decode(found?.bytes), "hello");
  });
});

Deno.test("simulation given the same seed twice, then the same happens; given another, then not", async () => {
  const digestOf = async (seed: number): Promise<string> => {
    const sim = new Simulation({ seed });
    await sim.run(async () => {
      const [a] = await sim.startRing(3);
      await nodeAt(a!).put("k", text("x".repeat(100_000)), { contentType: "text/plain" });
      await sim.sleep(5_000);
    });
    return sim.trace.digest();
  };
  assertEquals(await digestOf(7), await digestOf(7));
  assertNotEquals(await digestOf(7), await digestOf(8));
});
