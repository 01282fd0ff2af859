import { assertEquals, assertRejects } from "@std/assert";
import { partitionOf } from "../../lib/core/partition.ts";
import { runTask } from "./convergence.ts";
import type { Host } from "./host.ts";
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

for (const [what, at] of [["head", 6], ["bytes", -9]] as const) {
  Deno.test(`purge given the copies of all owners have a damaged ${what}, and their floors are above it, then the last good copy is kept`, async () => {
    const place = { partition: 0, key: "k" };
    const still = 100 * 60_000;
    const pauses = { antiEntropyMs: still, scrubMs: still, tombstoneMs: still };
    const sim = new Simulation({ partitions: 1, pauses });
    const work = new Workload(sim, { keys: ["k"] });
    await sim.run(async () => {
      const hosts = await sim.startRing(3);
      await work.put("c1", "k");
      const added = sim.addHost();
      // One of the first three gives up the only partition.
      added.share = { weight: 1_000 };
      added.boot([hosts[0]!.address]);
      await sim.untilSettled(4);
      const { live } = runningAt(added).keeper;
      const isOwner = (host: Host) => live.newest.owners(0).includes(runningAt(host).keeper.selfId);
      const loser = sim.hosts.find((host) => !isOwner(host))!;
      const owners = sim.hosts.filter(isOwner);
      for (const host of owners) {
        const { storage } = runningAt(host);
        const floor = { wallMs: 2_000_000_000_000, counter: 0, writer: "other.1" };
        await storage.tombstones.raiseFloor(0, floor);
        await storage.flush();
        host.disk.corrupt(["record", 0, "k"], (bytes) => bytes.with(at, bytes.at(at)! ^ 1));
      }
      // All at once: one that is damaged alone is mended by the others.
      for (const host of owners) host.crash();
      for (const host of owners) host.boot();
      await sim.until("they are back", () => owners.every((host) => host.ready));
      for (const host of owners) await runningAt(host).storage.read(0, "k").catch(() => {});
      await sim.sleep(10_000);
      assertEquals(owners.map((host) => runningAt(host).storage.damagedRecords().length), [1, 1, 1]);
      await assertRejects(() => runTask(sim, loser, "purge"));
      assertEquals((await runningAt(loser).storage.heads([place]))[0]?.kind, "value");
    });
  });
}
