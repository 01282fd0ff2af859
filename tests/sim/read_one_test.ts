import { assertEquals } from "@std/assert";
import { nodeAt, sentence, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

Deno.test("read of one copy given that the owners adopt another layout meanwhile, then asks them again", async () => {
  const sim = new Simulation({});
  const workload = new Workload(sim);
  await sim.run(async () => {
    const [a, b, c] = await sim.startRing(3);
    for (const key of workload.keys) await workload.put("c1", key, { host: a! });
    const failures: string[] = [];
    let isJoined = false;
    const readers = [a!, b!, c!].map(async (host) => {
      while (!isJoined) {
        for (const key of workload.keys) {
          const read = nodeAt(host).get(key, { consistency: "one" });
          await read.catch((error) => failures.push(`${host.address}: ${sentence(error)}`));
        }
        await sim.sleep(1);
      }
    });
    for (let joins = 0; joins < 4; joins++) {
      sim.addHost().boot([b!.address]);
      await sim.untilSettled(4 + joins);
    }
    isJoined = true;
    await Promise.all(readers);
    assertEquals(failures, []);
  });
});
