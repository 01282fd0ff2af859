import { assertEquals } from "@std/assert";
import { partitionOf } from "../../lib/core/partition.ts";
import { runTask } from "./convergence.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

Deno.test("purge given the node becomes an owner while it drops what is not its own, then it keeps all that it owns", async () => {
  const keys = Array.from({ length: 60 }, (_, i) => `k${i}`);
  let dropped = 0;
  // Few, so that many keys are checked with the owners in one message.
  const partitions = 4;
  const sim: Simulation = new Simulation({
    partitions,
    tampering: {
      storage: (storage, host) => {
        const drop = storage.drop.bind(storage);
        storage.drop = async (partition, key, version) => {
          const done = await drop(partition, key, version);
          dropped++;
          await host.sleep(400);
          return done;
        };
      },
    },
  });
  const work = new Workload(sim, { keys });
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    for (const key of keys) await work.put("c1", key);
    const added = sim.addHost();
    added.boot([hosts[0]!.address]);
    await sim.untilSettled(4);
    await runTask(sim, added, "balance", 3);
    const { live } = runningAt(added).keeper;
    const loser = hosts.find((host) =>
      [0, 1, 2, 3].some((partition) => !live.newest.owners(partition).includes(runningAt(host).keeper.selfId))
    )!;

    const task = await nodeAt(loser).purge();
    await sim.until("the purge has begun", () => dropped > 0);
    await nodeAt(added).leave();
    await sim.untilSettled(3);
    await sim.until("the purge has ended", () => task.done);
    const { storage } = runningAt(loser);
    const held = await storage.heads(keys.map((key) => ({ key, partition: partitionOf(key, partitions) })));
    assertEquals(keys.filter((_, i) => held[i] === undefined), []);
  });
});
