import { assertEquals, assertGreater } from "@std/assert";
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

Deno.test("read of one copy given a ring at rest, then each owner's memory alone tells what asking all tells", async () => {
  const sim = new Simulation({});
  await sim.run(async () => {
    const hosts = await sim.startRing(4);
    const keys = Array.from({ length: 30 }, (_, i) => `key ${i}`);
    const how = { contentType: "text/plain" };
    for (const [i, key] of keys.entries()) {
      const node = nodeAt(hosts[i % 4]!);
      await node.put(key, new TextEncoder().encode(key), { ...how, ...(i % 3 === 1 && { ttlSeconds: 1 }) });
      if (i % 3 === 2) await node.delete(key, {});
    }
    await sim.sleep(5_000);
    let told = 0;
    for (const key of keys) {
      const all = await nodeAt(hosts[0]!).get(key, { consistency: "all" });
      const owners = nodeAt(hosts[0]!).whereIs(key).nodes;
      for (const host of hosts) {
        // What is in the database only is in memory from then on.
        await nodeAt(host).get(key, { consistency: "local" });
        const now = nodeAt(host).getNow(key, "one");
        if (!owners.includes(host.address)) assertEquals(now, "unknown");
        if (now === "unknown") continue;
        told++;
        assertEquals([now?.version, now?.bytes], [all?.version, all?.bytes]);
        assertEquals(nodeAt(host).getNow(key, "quorum"), "unknown");
      }
    }
    assertGreater(told, 50);
  });
});

Deno.test("read of one copy given a key this node has never seen, then memory does not tell, but that it has none itself", async () => {
  const sim = new Simulation({});
  await sim.run(async () => {
    const [a] = await sim.startRing(3);
    await nodeAt(a!).get("a", { consistency: "local" });
    assertEquals(nodeAt(a!).getNow("a", "one"), "unknown");
  });
});
