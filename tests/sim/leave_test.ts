/** What an operator sees of a leave, and the ways out of it. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import type { TaskView } from "../../lib/node/service.ts";
import { checkConvergence } from "./convergence.ts";
import type { Host } from "./host.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { checkHistory } from "./swarm.ts";
import { Workload } from "./workload.ts";

const VALUE_BYTES = 20_000;

async function fill(host: Host, keys: number): Promise<void> {
  for (let i = 0; i < keys; i++) {
    const body = ReadableStream.from([new Uint8Array(VALUE_BYTES).fill(i)]);
    await nodeAt(host).put(`key ${i}`, body, { contentType: "text/plain" });
  }
}

/** Plays a story of a ring in use, then checks that nothing was lost. */
async function inUse(nodes: number, story: (sim: Simulation, hosts: Host[]) => Promise<void>): Promise<void> {
  const sim = new Simulation();
  const workload = new Workload(sim, { keys: ["a", "b", "c", "d"], thinkMs: 30 });
  await sim.run(async () => {
    const hosts = await sim.startRing(nodes);
    workload.start();
    await sim.sleep(500);
    await story(sim, hosts);
    await sim.sleep(500);
    await workload.stop();
    const violations = await checkConvergence(sim, workload);
    assertEquals([...checkHistory(workload, { readsStick: true }), ...violations], []);
  });
}

async function ended(sim: Simulation, task: TaskView): Promise<TaskView> {
  await sim.until("the task has ended", () => task.done);
  return task;
}

Deno.test("leave given data to be moved, then its task shows partitions and bytes that become fewer, until it has left", async () => {
  let slow = false;
  const sim: Simulation = new Simulation({
    tampering: {
      storage: (storage, host) => {
        const write = storage.write.bind(storage);
        storage.write = async (request) => {
          if (slow) await host.sleep(500);
          return await write(request);
        };
      },
    },
  });
  await sim.run(async () => {
    const hosts = await sim.startRing(5);
    await fill(hosts[0]!, 100);
    const leaver = hosts[4]!;
    slow = true;
    const task = await nodeAt(leaver).leave();
    const seen: number[] = [];
    let rate = 0;
    while (!task.done) {
      await sim.sleep(250);
      const { change } = task;
      if (change?.bytesLeft === undefined || change.bytesLeft === seen.at(-1)) continue;
      seen.push(change.bytesLeft);
      rate = Math.max(rate, change.bytesPerSecond);
      // It may not have said yet that it lives by the new layout, but has nothing to fetch for it.
      assertEquals(change.fetching.find(({ address }) => address === leaver.address)?.bytesLeft ?? 0, 0);
    }
    assertEquals(task.error, undefined);
    assert(seen.length >= 2, `seen only ${seen}`);
    assert(seen.every((bytes, i) => i === 0 || bytes < seen[i - 1]!), `${seen}`);
    // Three copies of a hundred values, spread over five nodes.
    const share = 100 * VALUE_BYTES * 3 / 5;
    assert(seen[0]! > 0.3 * share && seen[0]! < 1.7 * share, `${seen[0]} of about ${share}`);
    assert(rate > 0);
    await sim.until("it has left", () => leaver.gone);
    await sim.untilSettled(4);
  });
});

Deno.test("leave given it is cancelled, then the node stays, nothing is lost, and leaving again works", async () => {
  await inUse(4, async (sim, hosts) => {
    const leaver = hosts[3]!;
    const task = await nodeAt(leaver).leave();
    await sim.until("it is leaving", () => nodeAt(hosts[0]!).ring().nodes[3]!.state === "leaving");
    const cancelled = await nodeAt(leaver).cancelLeave();
    assertMatch(cancelled.error!, /^It was cancelled, and the node stays in the ring/);
    assertEquals(cancelled, task);
    await sim.untilSettled(4);
    assertEquals(leaver.gone, false);
    assertEquals((await ended(sim, await nodeAt(leaver).leave())).error, undefined);
    await sim.until("it has left", () => leaver.gone);
    await sim.untilSettled(3);
  });
});

Deno.test("leave given it is cancelled at any moment, then the node either stays or has left, and all agree", async () => {
  for (let pauseMs = 0; pauseMs <= 600; pauseMs += 60) {
    const sim = new Simulation({ seed: pauseMs });
    await sim.run(async () => {
      const hosts = await sim.startRing(4);
      const leaver = hosts[3]!;
      const node = nodeAt(leaver);
      const task = await node.leave();
      await sim.sleep(pauseMs);
      const stays = await node.cancelLeave().then(() => true, () => false);
      await ended(sim, task);
      assertEquals(task.error !== undefined, stays);
      if (!stays) await sim.until("it has left", () => leaver.gone);
      await sim.untilSettled(stays ? 4 : 3);
    });
  }
});

Deno.test("leave given the node has said that it left, when it is cancelled, then it is refused, and the node goes", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const hosts = await sim.startRing(4);
    const leaver = hosts[3]!;
    const { keeper } = runningAt(leaver);
    await nodeAt(leaver).leave();
    await sim.until("the others have taken over", () => !keeper.live.base.has(keeper.selfId));
    const heal = sim.network.cutWhere((from, to) => from === leaver.address || to === leaver.address);
    await sim.until("it has said so to itself", () => keeper.selfMember?.state === "left");
    const error = await assertRejects(() => nodeAt(leaver).cancelLeave(), DhtError);
    assertEquals(error.code, "unknown_task");
    heal();
    await sim.until("it has left", () => leaver.gone);
    await sim.untilSettled(3);
  });
});

Deno.test("leave given no node is leaving, when it is cancelled, then it is refused in words", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const [host] = await sim.startRing(3);
    const error = await assertRejects(() => nodeAt(host!).cancelLeave(), DhtError);
    assertEquals([error.code, error.message], [
      "unknown_task",
      "Cannot cancel: node n1:50140 is not leaving",
    ]);
  });
});

Deno.test("leave given a member is dead, then task and status say whom it waits for and what to do, and its removal ends it", async () => {
  await inUse(5, async (sim, hosts) => {
    const dead = hosts[2]!;
    dead.crash();
    dead.gone = true;
    await sim.sleep(4_000);
    const task = await nodeAt(hosts[4]!).leave();
    await sim.sleep(6_000);
    assertEquals(task.done, false);
    assertEquals(
      task.change!.fetching.filter(({ reachable }) => !reachable).map(({ address }) => address),
      [dead.address],
    );
    const { warnings } = await nodeAt(hosts[0]!).status();
    assert(
      warnings.some((warning) =>
        warning.startsWith("The ring is changing") &&
        warning.includes(
          `${dead.address} does not answer: start it again, or \`mydht remove ${dead.address}\``,
        )
      ),
      warnings.join("\n"),
    );
    await hosts[0]!.request((node) => node.remove(dead.address, { force: false }));
    assertEquals((await ended(sim, task)).error, undefined);
    await sim.until("it has left", () => hosts[4]!.gone);
    await sim.untilSettled(3);
  });
});

Deno.test("leave given the node crashes meanwhile, then it stays after its start, and leaves when told again", async () => {
  await inUse(4, async (sim, hosts) => {
    const leaver = hosts[3]!;
    await nodeAt(leaver).leave();
    await leaver.crashAtCommit(2, "after");
    await sim.sleep(2_000);
    leaver.boot();
    await sim.untilSettled(4);
    assert(
      sim.trace.lines().some((line) =>
        line.includes("This node stopped while leaving, and stays in the ring")
      ),
    );
    await nodeAt(leaver).leave();
    await sim.until("it has left", () => leaver.gone);
    await sim.untilSettled(3);
  });
});

Deno.test("leave given all nodes of a ring of two leave at once, then both keep everything and are back at their next start", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const hosts = await sim.startRing(2);
    await fill(hosts[0]!, 5);
    await Promise.all(hosts.map((host) => nodeAt(host).leave()));
    await sim.until("both have gone", () => hosts.every((host) => host.gone));
    for (const host of hosts) host.boot([]);
    await sim.until("both are back", () => hosts.every((host) => host.ready));
    const read = await nodeAt(hosts[1]!).get("key 3", { consistency: "quorum" });
    assertEquals(read?.valueBytes, VALUE_BYTES);
  });
});

Deno.test("leave given the leaver's disk is full when the others have taken over, when there is room again, then it goes", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const hosts = await sim.startRing(4);
    const leaver = hosts[3]!;
    const { keeper } = runningAt(leaver);
    await nodeAt(leaver).leave();
    await sim.until("the others have taken over", () => !keeper.live.base.has(keeper.selfId));
    leaver.disk.full = true;
    await sim.sleep(20_000);
    assertEquals(leaver.gone, false);
    leaver.disk.full = false;
    await sim.until("it has left", () => leaver.gone);
    await sim.untilSettled(3);
  });
});
