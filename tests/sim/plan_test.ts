/** A plan says what happens then: the same owners, and no more bytes. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { addressOf } from "../../lib/core/layout.ts";
import { type Plan, type PlannedChange, plannedLayouts } from "../../lib/core/plan.ts";
import type { Host } from "./host.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";

const VALUE_BYTES = 20_000;
const KEYS = 150;
const PARTITIONS = 64;

/** Plans a change, has it made, and compares. */
async function planned(
  size: number,
  change: (hosts: readonly Host[]) => PlannedChange,
  make: (sim: Simulation, hosts: readonly Host[]) => Promise<void>,
  before: (sim: Simulation, hosts: readonly Host[]) => Promise<void> = () => Promise.resolve(),
): Promise<Plan> {
  const sim = new Simulation({ partitions: PARTITIONS });
  return await sim.run(async () => {
    const hosts = await sim.startRing(size);
    for (let i = 0; i < KEYS; i++) {
      const body = ReadableStream.from([new Uint8Array(VALUE_BYTES)]);
      await nodeAt(hosts[i % size]!).put(`key ${i}`, body, { contentType: "text/plain" });
    }
    // The last owner of a key may get it behind the answer.
    await sim.sleep(1_000);
    await before(sim, hosts);
    const { keeper } = runningAt(hosts[0]!);
    const plan = await nodeAt(hosts[0]!).plan(change(hosts));
    const { after } = plannedLayouts(keeper.state, change(hosts));
    const ringBefore = nodeAt(hosts[0]!).ring();
    const leaver = change(hosts).kind === "leave" ? change(hosts).address : undefined;
    const heldBefore = await heldBytes(sim, leaver);
    const fetchedBefore = await fetchedBytes(sim);
    await make(sim, hosts);
    await sim.until("the ring has settled", () => {
      const ring = nodeAt(hosts[0]!).ring();
      return ring.layout !== ringBefore.layout && sim.isSettled(ring.nodes.length);
    });
    for (let partition = 0; partition < PARTITIONS; partition++) {
      assertEquals(
        keeper.live.newest.owners(partition).map(addressOf),
        after.owners(partition).map(addressOf),
        `partition ${partition}`,
      );
    }
    for (const node of nodeAt(hosts[0]!).ring().nodes) {
      const foreseen = plan.nodes.find(({ address }) => address === node.address);
      assertEquals(foreseen?.after, node.ownedPartitions, node.address);
    }
    const fetched = (await fetchedBytes(sim)) - fetchedBefore;
    assert(plan.total.bytes > 0 && plan.total.unknown === 0);
    assert(fetched <= plan.total.bytes * 1.1, `fetched ${fetched}, planned ${plan.total.bytes}`);
    assertEquals(await heldBytes(sim, leaver) - heldBefore, plan.total.bytes);
    assertEquals(sum(plan.moves.map(({ bytes }) => bytes)), plan.total.bytes);
    assertEquals(sum(plan.nodes.map(({ gained }) => gained.partitions)), plan.total.partitions);
    return plan;
  });
}

/** Bytes of all copies, without those of a node that is to go. */
async function heldBytes(sim: Simulation, without: string | undefined): Promise<number> {
  const views = await Promise.all(sim.ready.map((host) => nodeAt(host).status()));
  return sum(views.filter(({ ring }) => ring.self !== without).map(({ localBytes }) => localBytes));
}

/** What was fetched because the ring changed; what repairs have brought meanwhile is not in it. */
async function fetchedBytes(sim: Simulation): Promise<number> {
  const views = await Promise.all(sim.ready.map((host) => nodeAt(host).status()));
  return sum(views.map(({ background }) => background.find(({ name }) => name === "transfer")!.bytes));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, number) => all + number, 0);
}

Deno.test("plan given a node is to join, then just that moves when it does", async () => {
  const plan = await planned(
    4,
    () => ({ kind: "join", address: "n5:50144", weight: 2 }),
    (sim, hosts) => {
      const joiner = sim.addHost();
      joiner.share = { weight: 2 };
      joiner.boot([hosts[0]!.address]);
      return sim.until("it is in the ring", () => joiner.ready);
    },
  );
  assertEquals(plan.obstacles, []);
  assertEquals(plan.moves.every(({ to }) => to === "n5:50144"), true);
});

Deno.test("plan given a node is to leave, then just that moves when it does", async () => {
  const plan = await planned(
    5,
    (hosts) => ({ kind: "leave", address: hosts[2]!.address }),
    async (sim, hosts) => {
      // As long as it leaves it counts as a node of the ring: what the others fetched is counted before it goes.
      await nodeAt(hosts[2]!).leave({ lingerMs: 0 });
      await sim.until("it has left", () => hosts[2]!.gone);
    },
  );
  assertEquals(plan.obstacles, []);
  assertEquals(plan.nodes.find(({ address }) => address === "n3:50142")?.after, 0);
});

Deno.test("plan given a dead node is to be removed, then just that is copied anew when it is", async () => {
  const plan = await planned(
    5,
    (hosts) => ({ kind: "remove", address: hosts[4]!.address }),
    async (_sim, hosts) => {
      await nodeAt(hosts[0]!).remove(hosts[4]!.address, { force: false });
    },
    async (sim, hosts) => {
      hosts[4]!.crash();
      hosts[4]!.gone = true;
      await sim.until("it counts as down", () => !nodeAt(hosts[0]!).ring().nodes[4]!.reachable);
    },
  );
  assertEquals(plan.obstacles, []);
  assertEquals(plan.moves.some(({ from }) => from === "n5:50144"), false);
});

Deno.test("plan given a node is to have another weight, then just that moves when it restarts with it", async () => {
  await planned(
    5,
    (hosts) => ({ kind: "weight", address: hosts[1]!.address, weight: 3 }),
    async (sim, hosts) => {
      await hosts[1]!.stop();
      hosts[1]!.share = { weight: 3 };
      hosts[1]!.boot();
      await sim.until("it is back", () => hosts[1]!.ready);
    },
  );
});

Deno.test("plan given two nodes are dead, then removing one is said to wait for the other, and what nobody can tell is unknown", async () => {
  const sim = new Simulation({ partitions: PARTITIONS });
  await sim.run(async () => {
    const hosts = await sim.startRing(4);
    await nodeAt(hosts[0]!).put("key", undefined, { contentType: "text/plain" });
    for (const host of hosts.slice(2)) host.crash();
    await sim.until(
      "both count as down",
      () => nodeAt(hosts[0]!).ring().nodes.slice(2).every(({ reachable }) => !reachable),
    );
    const plan = await nodeAt(hosts[0]!).plan({ kind: "remove", address: hosts[3]!.address });
    assert(
      plan.obstacles[0]!.startsWith(`${hosts[2]!.address} does not answer, and every node`),
      plan.obstacles.join(),
    );
    assert(plan.obstacles[1]!.startsWith("Only 2 of 4 nodes answer here"), plan.obstacles.join());
    assert(plan.obstacles[2]!.includes("too few owners answer to be copied from"), plan.obstacles.join());
    assertEquals(plan.warnings, []);
  });
});

Deno.test("plan given no such node, one that is in the ring already, or the last node, then it is refused in words", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const [host] = await sim.startRing(1);
    const refused = async (change: PlannedChange) =>
      (await assertRejects(() => nodeAt(host!).plan(change), DhtError)).code;
    assertEquals(await refused({ kind: "leave", address: "nobody:1" }), "unknown_node");
    assertEquals(await refused({ kind: "join", address: host!.address }), "node_reachable");
    assertEquals(await refused({ kind: "leave", address: host!.address }), "last_node");
  });
});
