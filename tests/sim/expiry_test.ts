import { assertEquals } from "@std/assert";
import { partitionOf } from "../../lib/core/partition.ts";
import { bodyOf, makePayload } from "./payload.ts";
import type { Host } from "./host.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";

const HOUR_MS = 3_600_000;
const PAUSES = { expiryMs: 1_000, tombstoneMs: 1_000 };

async function put(host: Host, key: string, ttlSeconds?: number, bytes = 40): Promise<void> {
  const options = { contentType: "text/plain", ...(ttlSeconds === undefined ? {} : { ttlSeconds }) };
  await nodeAt(host).put(key, bodyOf(makePayload(key, bytes)), options);
}

/** Whether each node shows the key. */
async function seenBy(hosts: readonly Host[], key: string): Promise<boolean[]> {
  const found = hosts.map((host) => nodeAt(host).get(key, { consistency: "quorum" }));
  return (await Promise.all(found)).map((value) => value !== undefined);
}

/** What each node has on its disk of the key. */
async function heldBy(hosts: readonly Host[], key: string): Promise<(string | undefined)[]> {
  return await Promise.all(hosts.map(async (host) => {
    const { storage, keeper } = runningAt(host);
    const record = await storage.read(partitionOf(key, keeper.state.partitions), key);
    return record?.kind;
  }));
}

Deno.test("ring given a value that expires, when its time is over, then nobody shows it, and nothing is left of it", async () => {
  const sim = new Simulation({ pauses: PAUSES });
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    for (const [key, bytes] of [["small", 40], ["large", 100_000]] as const) {
      await put(hosts[0]!, key, 10, bytes);
      assertEquals(await seenBy(hosts, key), [true, true, true]);
    }
    await sim.sleep(10_001);
    for (const key of ["small", "large"]) assertEquals(await seenBy(hosts, key), [false, false, false]);
    assertEquals((await nodeAt(hosts[1]!).list({ prefix: "", limit: 10 })).keys, []);
    await sim.sleep(10_000);
    for (const key of ["small", "large"]) {
      assertEquals(await heldBy(hosts, key), [undefined, undefined, undefined]);
    }
  });
});

Deno.test("ring given a value that expires, when nobody reads it, then its owners free it by themselves", async () => {
  const sim = new Simulation({ pauses: PAUSES });
  await sim.run(async () => {
    const hosts = await sim.startRing(4);
    await put(hosts[0]!, "a", 5);
    await sim.sleep(15_000);
    assertEquals(await heldBy(hosts, "a"), [undefined, undefined, undefined, undefined]);
  });
});

Deno.test("ring given a value that expires, when it was written again without an end, then it stays", async () => {
  const sim = new Simulation({ pauses: PAUSES });
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    await put(hosts[0]!, "a", 5);
    await put(hosts[1]!, "a");
    await sim.sleep(20_000);
    assertEquals(await seenBy(hosts, "a"), [true, true, true]);
  });
});

for (const [what, offsetMs] of [["ahead", HOUR_MS], ["behind", -HOUR_MS]] as const) {
  Deno.test(`ring given one clock an hour ${what}, then values end by the clocks of the others, at every node`, async () => {
    const sim = new Simulation({ pauses: PAUSES });
    await sim.run(async () => {
      const hosts = await sim.startRing(3);
      hosts[2]!.wall.offsetMs = offsetMs;
      await put(hosts[0]!, "a", 30);
      await sim.sleep(20_000);
      assertEquals(await seenBy(hosts, "a"), [true, true, true]);
      await sim.sleep(10_001);
      assertEquals(await seenBy(hosts, "a"), [false, false, false]);
    });
  });
}

Deno.test("ring given a value whose time is over while an owner is down, when that one is back, then it stays ended", async () => {
  const sim = new Simulation({ pauses: PAUSES });
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    await put(hosts[0]!, "a", 5);
    hosts[2]!.crash();
    await sim.sleep(10_000);
    assertEquals(await seenBy(hosts.slice(0, 2), "a"), [false, false]);
    // Its clock stood still meanwhile: it would show the value for five seconds more.
    hosts[2]!.wall.offsetMs = -10_000;
    hosts[2]!.boot();
    await sim.until("it is back", () => hosts[2]!.ready);
    assertEquals(await seenBy(hosts, "a"), [false, false, false]);
    await sim.sleep(15_000);
    assertEquals(await heldBy(hosts, "a"), [undefined, undefined, undefined]);
  });
});
