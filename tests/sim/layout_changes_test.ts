/** Rings that grow, shrink and lose nodes while they are used, step by step. */
import { assert, assertEquals } from "@std/assert";
import { checkConvergence } from "./convergence.ts";
import type { Host } from "./host.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { checkHistory } from "./swarm.ts";
import { Workload } from "./workload.ts";

/** A ring in use. */
interface Stage {
  readonly sim: Simulation;
  readonly hosts: readonly Host[];
}

/**
 * Plays a story on a ring in use, then heals it and checks everything.
 *
 * @param copies The fewest a key ever has. With two a read asks one owner: what nobody acknowledged may show
 * and be gone again.
 */
async function play(
  nodes: number,
  story: (stage: Stage) => Promise<void>,
  { copies = 3 } = {},
): Promise<void> {
  const sim = new Simulation();
  const workload = new Workload(sim, { keys: ["a", "b", "c", "d", "e", "f"], thinkMs: 30 });
  await sim.run(async () => {
    const hosts = await sim.startRing(nodes);
    workload.start();
    await sim.sleep(1_000);
    await story({ sim, hosts });
    await sim.sleep(1_000);
    await workload.stop();
    const violations = await checkConvergence(sim, workload);
    violations.unshift(...checkHistory(workload, { readsStick: copies >= 3 }));
    assertEquals(violations, []);
    assert(workload.history.operations.length > 100);
  });
}

async function join({ sim }: Stage, through: Host, waits = true): Promise<Host> {
  const host = sim.addHost();
  host.boot([through.address]);
  if (waits) await sim.until("the new node is in the ring", () => host.ready);
  return host;
}

async function leave({ sim }: Stage, host: Host): Promise<void> {
  await nodeAt(host).leave();
  await sim.until(`${host.address} has left`, () => host.gone, 120_000);
}

Deno.test("ring given it grows from one node to three to five in use, then nothing is lost and all see the same ring", async () => {
  await play(1, async (stage) => {
    for (let size = 2; size <= 5; size++) {
      await join(stage, stage.hosts[0]!);
      await stage.sim.untilSettled(size);
    }
  }, { copies: 1 });
});

Deno.test("ring given it shrinks from five nodes to one in use, then the last one holds everything", async () => {
  await play(5, async (stage) => {
    for (const host of stage.hosts.slice(1)) await leave(stage, host);
    await stage.sim.untilSettled(1);
  }, { copies: 1 });
});

Deno.test("ring given three nodes join and two leave at the same time in use, then nothing is lost", async () => {
  await play(5, async (stage) => {
    for (let i = 0; i < 3; i++) await join(stage, stage.hosts[i]!, false);
    await Promise.all(stage.hosts.slice(3).map((host) => leave(stage, host)));
    await stage.sim.untilSettled(6);
  });
});

Deno.test("ring given every node is replaced by another in use, then nothing is lost", async () => {
  await play(3, async (stage) => {
    for (const host of stage.hosts) {
      await join(stage, stage.sim.ready.at(-1)!);
      await leave(stage, host);
    }
  });
});

Deno.test("ring given a node dies in the middle of leaving, then it is back as a member when it starts again", async () => {
  await play(4, async ({ sim, hosts }) => {
    const leaver = hosts[3]!;
    await nodeAt(leaver).leave();
    await leaver.crashAtCommit(2, "after");
    await sim.sleep(2_000);
    leaver.boot();
    await sim.untilSettled(4);
  });
});

Deno.test("ring given a node dies in the middle of joining, then it holds its share when it starts again", async () => {
  await play(3, async (stage) => {
    const { sim, hosts } = stage;
    const joiner = await join(stage, hosts[0]!, false);
    await joiner.crashAtCommit(4, "before");
    await sim.sleep(2_000);
    joiner.boot();
    await sim.untilSettled(4);
  });
});

Deno.test("ring given a previous owner dies while others pull from it, then the change is carried out when it is removed", async () => {
  await play(4, async (stage) => {
    const { sim, hosts } = stage;
    const dead = hosts[2]!;
    const dying = dead.crashAtCommit(1, "after");
    await join(stage, hosts[0]!, false);
    await dying;
    dead.gone = true;
    await sim.sleep(4_000);
    await hosts[0]!.request((node) => node.remove(dead.address, { force: false }));
    await sim.untilSettled(4);
  });
});

Deno.test("ring given a removed node comes back on its old disk, then it joins as a new one with nothing of its own", async () => {
  await play(4, async ({ sim, hosts }) => {
    const removed = hosts[3]!;
    const storeId = removed.running!.keeper.self.storeId;
    removed.crash();
    removed.gone = true;
    await sim.sleep(4_000);
    await hosts[0]!.request((node) => node.remove(removed.address, { force: false }));
    await sim.untilSettled(3);
    removed.boot([hosts[0]!.address]);
    await sim.untilSettled(4);
    assert(removed.running!.keeper.self.storeId !== storeId);
  });
});

Deno.test("ring given all nodes restart one after the other in use, then no layout changes and nothing is lost", async () => {
  await play(3, async ({ sim, hosts }) => {
    const { layout } = nodeAt(hosts[0]!).ring();
    for (const host of hosts) {
      await host.stop();
      await sim.sleep(500);
      host.boot();
      await sim.until(`${host.address} is back`, () => host.ready);
      await sim.sleep(2_000);
    }
    assertEquals(nodeAt(hosts[0]!).ring().layout, layout);
  });
});

Deno.test("ring given a leaver is cut off when it says that it has left, then it goes on saying so until another has heard", async () => {
  await play(4, async ({ sim, hosts }) => {
    const leaver = hosts[3]!;
    const { keeper } = runningAt(leaver);
    await nodeAt(leaver).leave();
    await sim.until("the others have taken over", () => !keeper.live.base.has(keeper.selfId));
    const heal = sim.network.cutWhere((from, to) => from === leaver.address || to === leaver.address);
    await sim.sleep(20_000);
    heal();
    await sim.until("it has left", () => leaver.gone);
    await sim.untilSettled(3);
  });
});

Deno.test("ring given a node is told to leave while it still starts, then it leaves", async () => {
  await play(4, async ({ sim, hosts }) => {
    const leaver = hosts[3]!;
    await leaver.stop();
    // Its start waits for an answer of this one.
    const heal = sim.network.cutWhere((from) => from === hosts[2]!.address);
    leaver.boot();
    await sim.until("it answers", () => leaver.ready);
    await nodeAt(leaver).leave();
    await sim.sleep(2_000);
    heal();
    await sim.until("it has left", () => leaver.gone);
    await sim.untilSettled(3);
  });
});

Deno.test("ring given the node that took in another dies before it could say so, then that one hears it from the others", async () => {
  await play(4, async (stage) => {
    const { sim, hosts } = stage;
    const helper = hosts[1]!;
    const joiner = sim.addHost();
    // The answer never arrives, and nobody else is asked.
    const heal = sim.network.cutWhere((from, to, way) =>
      way === "back" && from === helper.address && to === joiner.address &&
      nodeAt(helper).ring().nodes.length === 5
    );
    joiner.boot([helper.address]);
    await sim.until("it was taken in", () => nodeAt(hosts[0]!).ring().nodes.length === 5);
    helper.crash();
    heal();
    await sim.until("it is in the ring", () => joiner.ready, 10_000);
    helper.boot();
    await sim.untilSettled(5);
  });
});
