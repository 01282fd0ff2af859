import { assertEquals } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { addressOf } from "../../lib/core/layout.ts";
import { partitionOf } from "../../lib/core/partition.ts";
import type { Store } from "../../lib/ports/store.ts";
import { type Call, decodeRequest } from "../../lib/wire.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

/** A store each of whose commits waits for `before` first. */
function delayed(store: Store, before: () => Promise<void>): Store {
  return {
    getMany: (keys) => store.getMany(keys),
    list: (range, options) => store.list(range, options),
    close: () => store.close(),
    commit: async (mutations, checks) => {
      await before();
      return await store.commit(mutations, checks);
    },
  };
}

/** A key that one node loses to another when that joins. */
function keyThatMoves(sim: Simulation, from: string, to: string): string {
  const { keeper } = runningAt(sim.hosts[0]!);
  for (let i = 0;; i++) {
    const owners = keeper.live.newest.owners(partitionOf(`k${i}`, keeper.state.partitions)).map(addressOf);
    if (!owners.includes(from) && owners.includes(to)) return `k${i}`;
  }
}

Deno.test("transfer given a write that a previous owner took before it adopted the new layout and commits after, then it is pulled", async () => {
  let slow = false;
  let adopting = 0;
  const beforeCommit = async (): Promise<void> => {
    if (!slow) return;
    adopting++;
    await sim.sleep(150);
  };
  const isSlow = (address: string) => address.startsWith("n1:") || address.startsWith("n3:");
  const sim: Simulation = new Simulation({
    tampering: { store: (store, host) => isSlow(host.address) ? delayed(store, beforeCommit) : store },
  });
  const workload = new Workload(sim);
  await sim.run(async () => {
    const [, b, c] = await sim.startRing(3);
    // Which key moves is seen in a ring that had four once.
    const d = sim.addHost();
    d.boot([b!.address]);
    await sim.untilSettled(4);
    const key = keyThatMoves(sim, c!.address, d.address);
    await nodeAt(d).leave();
    await sim.until("the fourth has left", () => d.process?.alive === false && sim.isSettled(3));

    slow = true;
    d.boot([b!.address]);
    while (adopting < 2) await sim.sleep(1);
    // Both are writing down the new layout, and live by the old one until that is done: they take the write, and
    // commit it afterwards.
    const written = await workload.put("c1", key, { host: c! });
    assertEquals(written.outcome.kind, "acknowledged");
    slow = false;
    await sim.untilSettled(4);
    sim.hosts[0]!.crash();
    const read = await workload.get("c1", key, { host: d });
    assertEquals(read?.outcome.kind === "read" ? read.outcome.value : undefined, written.value);
  });
});

Deno.test("transfer given a ring of three becomes one of two, then an owner that stays pulls what it had missed", async () => {
  let missing: string | undefined;
  const sim = new Simulation({
    partitions: 4,
    pauses: { antiEntropyMs: 3_600_000 },
    tampering: {
      transport: (transport) => ({
        call: async (address, message, options) => {
          const { calls } = decodeRequest(message);
          const brings = ({ op }: Call) => op === "write" || op === "mergeRecords" || op === "pullRecord";
          if (address === missing && calls.some(brings)) {
            throw new DhtError("peer_unreachable", `Cannot reach ${address}: it gets no writes`);
          }
          return await transport.call(address, message, options);
        },
      }),
    },
  });
  const work = new Workload(sim, { keys: ["a", "b", "c"] });
  await sim.run(async () => {
    const [staying, , leaving] = await sim.startRing(3);
    missing = staying!.address;
    for (const key of work.keys) {
      const { outcome } = await work.put("writer", key, { host: leaving! });
      assertEquals(outcome.kind, "acknowledged", JSON.stringify(outcome));
    }
    await leaving!.request((node) => node.leave());
    await sim.untilSettled(2);
    // Of two owners a read asks one.
    const { storage, keeper } = runningAt(staying!);
    const { partitions } = keeper.state;
    const heads = await storage.heads(
      work.keys.map((key) => ({ key, partition: partitionOf(key, partitions) })),
    );
    assertEquals(heads.map((head) => head?.kind), ["value", "value", "value"]);
  });
});
