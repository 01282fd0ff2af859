/** Nodes that leave together, come back with an old disk, or are not in a ring yet. */
import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { MemoryDisk, MemoryStore } from "../../lib/adapters/memory_store.ts";
import { DhtError } from "../../lib/core/errors.ts";
import type { Mutation } from "../../lib/ports/store.ts";
import { bodyOf } from "./payload.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

Deno.test("leave given two nodes leave and the third is told to while it takes over, then none waits for another and nothing is lost", async () => {
  let slow = false;
  const sim: Simulation = new Simulation({
    tampering: {
      storage: (storage, host) => {
        const digests = storage.digests.bind(storage);
        storage.digests = async () => {
          if (slow) await host.sleep(3_000);
          return await digests();
        };
      },
    },
  });
  const work = new Workload(sim);
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    const { value } = await work.put("c1", "a");
    slow = true;
    const [first, second, last] = hosts.map(nodeAt);
    await first!.leave();
    await second!.leave();
    const areLeaving = () => last!.ring().nodes.filter(({ state }) => state === "leaving").length === 2;
    await sim.until("the third knows that both leave", areLeaving);
    await last!.leave();
    await sim.until("all have ended", () => hosts.every(({ process }) => process?.alive === false), 20_000);

    slow = false;
    hosts.forEach((host) => host.boot([]));
    await sim.untilSettled(3);
    const read = await work.get("c1", "a");
    assertEquals(read?.outcome.kind === "read" && read.outcome.value, value);
  });
});

Deno.test("leave given it failed, when it is told again, then it leaves", async () => {
  const sim: Simulation = new Simulation();
  await sim.run(async () => {
    const [host] = await sim.startRing(3);
    host!.disk.full = true;
    const failed = await nodeAt(host!).leave();
    await sim.until("it could not", () => failed.error !== undefined);
    host!.disk.full = false;
    await nodeAt(host!).leave();
    await sim.until("it has left", () => host!.gone);
  });
});

Deno.test("start given an older copy of the node's disk, from one start before, then it joins as a new store", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const [host] = await sim.startRing(3);
    const { storeId } = runningAt(host!).keeper.self;
    host!.crash();
    const copy = await copyOf(host!.disk);
    host!.boot([]);
    await sim.untilSettled(3);
    assertEquals(runningAt(host!).keeper.self, { address: host!.address, storeId, incarnation: 2 });
    host!.crash();
    host!.disk = copy;
    host!.boot([]);
    await sim.untilSettled(3);
    assertNotEquals(runningAt(host!).keeper.self.storeId, storeId);
  });
});

Deno.test("node given it could not join yet, then whatever it is asked says that it is in no ring", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const host = sim.addHost();
    host.boot(["nobody:1"]);
    await sim.until("it tries", () => host.running !== undefined);
    const node = nodeAt(host);
    const calls: Record<string, () => Promise<unknown>> = {
      put: () => node.put("a", bodyOf(new Uint8Array(9)), { contentType: "text/plain" }),
      get: () => node.get("a", { consistency: "quorum" }),
      one: () => node.get("a", { consistency: "one" }),
      local: () => node.get("a", { consistency: "local" }),
      delete: () => node.delete("a", {}),
      list: () => node.list({ prefix: "", limit: 10 }),
      localVersion: () => node.localVersion("a"),
      status: () => node.status(),
      join: () => node.join({ address: "x:1", storeId: "s", incarnation: 1 }),
      remove: () => node.remove("x:1", { force: false }),
      leave: () => node.leave(),
      balance: () => node.balance(),
      purge: () => node.purge(),
    };
    for (const [name, call] of Object.entries(calls)) {
      assertEquals((await assertRejects(call, DhtError, undefined, name)).code, "not_in_ring");
    }
    for (const call of [() => node.whereIs("a"), () => node.ring()]) {
      assertEquals(assertThrows(call, DhtError).code, "not_in_ring");
    }
    assertEquals(node.metrics().find(({ name }) => name === "ring_nodes")?.values[0]?.value, 0);
  });
});

async function copyOf(disk: MemoryDisk): Promise<MemoryDisk> {
  const entries = await Array.fromAsync(new MemoryStore(disk).list({ prefix: [] }));
  const copy = new MemoryDisk();
  await new MemoryStore(copy).commit(
    entries.map(({ key, value }): Mutation => ({ kind: "set", key, value })),
  );
  return copy;
}
