/** What nodes compare by themselves, and what that costs. */
import { assert, assertEquals } from "@std/assert";
import { partitionOf } from "../../lib/core/partition.ts";
import { decodeRequest, type Operation } from "../../lib/wire.ts";
import type { Tampering } from "./host.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

const MINUTE_MS = 60_000;

/** Counts messages by their first operation. */
function counting(counts: Map<Operation, { messages: number; bytes: number }>): Tampering {
  return {
    transport: (transport) => ({
      async call(address, message, options) {
        const answer = await transport.call(address, message, options);
        const { op } = decodeRequest(message).calls[0]!;
        const count = counts.get(op) ?? { messages: 0, bytes: 0 };
        counts.set(op, {
          messages: count.messages + 1,
          bytes: count.bytes + message.length + answer.length,
        });
        return answer;
      },
    }),
  };
}

Deno.test("anti-entropy given an owner lost a record, when nobody reads it, then a round brings it back", async () => {
  const sim = new Simulation();
  const work = new Workload(sim, { keys: ["a"] });
  await sim.run(async () => {
    const [first, second] = await sim.startRing(3);
    await work.put("c", "a", { host: first! });
    await sim.sleep(1_000);
    const { storage } = runningAt(second!);
    const partition = partitionOf("a", 64);
    const [head] = await storage.heads([{ partition, key: "a" }]);
    await storage.drop(partition, "a", head!.version);
    const isBack = async () => (await storage.heads([{ partition, key: "a" }]))[0] !== undefined;
    const endMs = sim.nowMs + 2 * MINUTE_MS;
    while (!await isBack()) {
      assert(sim.nowMs < endMs, "not within two minutes");
      await sim.sleep(1_000);
    }
  });
});

Deno.test("anti-entropy given an owner holds what all others missed, when nobody reads it, then a round spreads it", async () => {
  const sim = new Simulation();
  const work = new Workload(sim, { keys: ["a"] });
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    await work.put("c", "a", { host: hosts[0]!, bytes: 100_000 });
    await sim.sleep(1_000);
    const partition = partitionOf("a", 64);
    const [head] = await runningAt(hosts[0]!).storage.heads([{ partition, key: "a" }]);
    for (const host of hosts.slice(1)) await runningAt(host).storage.drop(partition, "a", head!.version);
    await sim.sleep(2 * MINUTE_MS);
    for (const host of hosts) {
      assertEquals(await runningAt(host).storage.heads([{ partition, key: "a" }]), [head]);
    }
  });
});

Deno.test("anti-entropy given nodes that hold the same, then each compares with one small message a peer and round", async () => {
  const counts = new Map<Operation, { messages: number; bytes: number }>();
  const sim = new Simulation({ tampering: counting(counts) });
  const work = new Workload(sim, { keys: ["a", "b", "c", "d"] });
  await sim.run(async () => {
    const [first] = await sim.startRing(3);
    for (const key of work.keys) await work.put("c", key, { host: first! });
    await sim.sleep(2 * MINUTE_MS);
    counts.clear();
    await sim.sleep(10 * MINUTE_MS);
  });
  const { messages, bytes } = counts.get("tree")!;
  assert(messages >= 3 * 2 * 6 && messages <= 3 * 2 * 20, `${messages} messages`);
  assert(bytes / messages < 400, `${bytes / messages} bytes a message`);
  for (const op of ["digests", "scan", "heads"] as const) assertEquals(counts.get(op), undefined, op);
});

Deno.test("anti-entropy given one owner is down, then what it shares grows old until it is back", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    const { node } = runningAt(hosts[0]!);
    assertEquals((await node.status()).unverifiedPartitions, node.ring().partitions);
    await sim.sleep(3 * MINUTE_MS);
    const { oldestVerifiedMs, unverifiedPartitions } = await node.status();
    assertEquals(unverifiedPartitions, 0);
    assert(oldestVerifiedMs < 2 * MINUTE_MS, `${oldestVerifiedMs} ms at rest`);
    hosts[2]!.crash();
    await sim.sleep(5 * MINUTE_MS);
    const { oldestVerifiedMs: withoutOne, background } = await node.status();
    assert(withoutOne >= 5 * MINUTE_MS, `${withoutOne} ms while one is down`);
    const task = background.find(({ name }) => name === "anti-entropy")!;
    assert(task.error?.includes(hosts[2]!.address), task.error);
    hosts[2]!.boot();
    await sim.sleep(3 * MINUTE_MS);
    assert((await node.status()).oldestVerifiedMs < 2 * MINUTE_MS);
  });
});

Deno.test("anti-entropy given a host that asks for a round by a schedule, when the node has made one of late, then it makes none", async () => {
  const counts = new Map<Operation, { messages: number; bytes: number }>();
  const sim = new Simulation({ tampering: counting(counts) });
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    await sim.sleep(3 * MINUTE_MS);
    counts.clear();
    await Promise.all(hosts.map((host) => nodeAt(host).compareAll()));
    assertEquals(counts.get("tree"), undefined);
  });
});

Deno.test("anti-entropy given the node's own rounds never come, when its host asks for one, then it makes one", async () => {
  const counts = new Map<Operation, { messages: number; bytes: number }>();
  const sim = new Simulation({ tampering: counting(counts), pauses: { antiEntropyMs: 10 * 3_600_000 } });
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    counts.clear();
    await nodeAt(hosts[0]!).compareAll();
    assertEquals(counts.get("tree")?.messages, 2);
  });
});
