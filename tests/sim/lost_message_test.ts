import { assert } from "@std/assert";
import { nodeAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

Deno.test("node given a message that was lost in silence, then what it asks that peer next does not wait for its end", async () => {
  const sim = new Simulation({ seed: 1 });
  await sim.run(async () => {
    const [first, second] = await sim.startRing(3);
    const workload = new Workload(sim);
    await workload.put("c", "a");
    const heal = sim.network.cut([first!.address], [second!.address]);
    await workload.put("c", "a", { host: first! });
    heal();
    const startMs = sim.nowMs;
    await nodeAt(first!).get("a", { consistency: "all" });
    assert(sim.nowMs - startMs < 2_500, `it took ${sim.nowMs - startMs} ms`);
  });
});
