import { assert, assertEquals } from "@std/assert";
import { Layout } from "../../lib/core/layout.ts";
import { partitionOf } from "../../lib/core/partition.ts";
import { checkBalanced } from "./placement_check.ts";
import { heal } from "./convergence.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

function layout(weights: readonly number[], shares?: readonly number[]): Layout {
  const members = weights.map((weight, i) => ({
    address: `n${i}:1`,
    storeId: `${i}`,
    version: 1,
    weight,
  }));
  const made = new Layout({ members, replicas: 3, height: 1 }, 64);
  if (shares !== undefined) made.shares = () => shares.map((owned) => ({ owned, primary: 0 }));
  return made;
}

const CASES: Readonly<Record<string, { of: Layout; found: number }>> = {
  "equal nodes": { of: layout([1, 1, 1, 1, 1]), found: 0 },
  "nodes of several weights": { of: layout([0.5, 1, 1, 2, 2]), found: 0 },
  "a node that owns somewhat more": { of: layout([1, 1, 1, 1, 1], [50, 35, 35, 36, 36]), found: 0 },
  "one node that owns far more than five others": {
    of: layout([1, 1, 1, 1, 1, 1], [64, 25, 25, 26, 26, 26]),
    found: 1,
  },
  "a heavy node that owns next to nothing": { of: layout([1, 1, 1, 2], [64, 64, 62, 2]), found: 1 },
};

for (const [name, { of, found }] of Object.entries(CASES)) {
  Deno.test(`checkBalanced() given ${name}, then ${found} violations are found`, () => {
    assertEquals(checkBalanced(of).length, found);
  });
}

Deno.test("ring given nodes join, leave and change their weight, then only what changed owner is moved", async () => {
  let stored = 0;
  const sim = new Simulation({
    seed: 1,
    tampering: {
      storage: (storage) => {
        const write = storage.write.bind(storage);
        storage.write = async (request) => {
          const outcome = await write(request);
          if (request.mode === "merge" && outcome.kind === "stored") stored++;
          return outcome;
        };
      },
    },
  });
  const keys = Array.from({ length: 300 }, (_, i) => `k${i}`);
  await sim.run(async () => {
    const workload = new Workload(sim, { keys });
    await sim.startRing(3);
    for (const key of keys) await workload.put("c", key);
    await sim.sleep(1_000);
    const newest = () => runningAt(sim.ready[0]!).keeper.live.newest;
    const moves = async (what: string, nodes: number, change: () => void | Promise<void>) => {
      // What a node held before it lost a partition stays, so that less than that may be enough.
      const [before, storedBefore] = [newest(), stored];
      await change();
      await sim.untilSettled(nodes);
      await sim.sleep(1_000);
      const gained = keys.map((key) => {
        const partition = partitionOf(key, runningAt(sim.ready[0]!).keeper.state.partitions);
        const previous = before.owners(partition);
        return newest().owners(partition).filter((owner) => !previous.includes(owner)).length;
      }).reduce((sum, count) => sum + count, 0);
      const moved = stored - storedBefore;
      assert(moved > 0 && moved <= 1.1 * gained, `${what}: ${moved} were moved, ${gained} had to be`);
    };
    for (const nodes of [4, 5, 6]) {
      await moves(`join of node ${nodes}`, nodes, () => sim.addHost().boot([sim.hosts[0]!.address]));
    }
    await moves("another weight", 6, async () => {
      await sim.hosts[4]!.stop();
      sim.hosts[4]!.share = { weight: 2 };
      sim.hosts[4]!.boot();
    });
    for (const index of [5, 1]) {
      await moves(`leave of node ${index + 1}`, index === 5 ? 5 : 4, async () => {
        await nodeAt(sim.hosts[index]!).leave();
        await sim.until("it has gone", () => sim.hosts[index]!.gone);
      });
    }
    await heal(sim);
  });
});
