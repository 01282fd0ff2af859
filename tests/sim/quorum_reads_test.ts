/** Reads that meet copies which are damaged, stale or slow to be repaired. */
import { assertEquals, assertRejects } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { partitionOf } from "../../lib/core/partition.ts";
import { SeveredLinks } from "./severed_links.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

Deno.test("quorum read given one owner's copy is damaged and another missed the write, then the key is not taken for absent", async () => {
  const links = new SeveredLinks();
  const sim = new Simulation({ tampering: links.tampering });
  const work = new Workload(sim);
  await sim.run(async () => {
    const [a, b, c] = await sim.startRing(3);
    links.sever(a!, c!);
    links.sever(b!, c!);
    const written = await work.put("c1", "a", { host: a! });
    assertEquals(written.outcome.kind, "acknowledged");
    await runningAt(a!).storage.flush();
    a!.crash();
    a!.disk.corrupt(["record", partitionOf("a", 64), "a"], () => Uint8Array.of(0xc1));
    b!.crash();
    links.mend();
    a!.boot();
    await sim.until("the two reach one another", () => a!.ready && nodeAt(c!).ring().nodes[0]!.reachable);
    const read = () => nodeAt(c!).get("a", { consistency: "quorum" });
    assertEquals((await assertRejects(read, DhtError)).code, "read_quorum_unreachable");
    b!.boot();
    const found = await work.get("c1", "a", { host: c! });
    assertEquals(found?.outcome.kind === "read" && found.outcome.value, written.value);
  });
});
