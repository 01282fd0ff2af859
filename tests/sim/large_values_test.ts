/** Values in chunks: their lengths, and downloads that outlive an owner or a layout. */
import { assertEquals } from "@std/assert";
import { CHUNK_BYTES, INLINE_MAX_BYTES } from "../../lib/core/record.ts";
import { CHUNKS_PER_MESSAGE } from "../../lib/node/exchange.ts";
import { Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

const MESSAGE_BYTES = CHUNKS_PER_MESSAGE * CHUNK_BYTES;

for (
  const bytes of [
    INLINE_MAX_BYTES,
    INLINE_MAX_BYTES + 1,
    CHUNK_BYTES,
    MESSAGE_BYTES - 1,
    MESSAGE_BYTES,
    MESSAGE_BYTES + 1,
    2 * MESSAGE_BYTES,
  ]
) {
  Deno.test(`put() given a value of ${bytes} bytes, then it is read back whole`, async () => {
    const sim = new Simulation();
    const work = new Workload(sim);
    await sim.run(async () => {
      const [host] = await sim.startRing(3);
      const written = await work.put("c1", "a", { host: host!, bytes });
      assertEquals(written.outcome.kind, "acknowledged", JSON.stringify(written.outcome));
      const read = await work.get("c2", "a");
      assertEquals(read?.outcome.kind === "read" && read.outcome.value, written.value);
    });
    assertEquals(work.violations, []);
  });
}
