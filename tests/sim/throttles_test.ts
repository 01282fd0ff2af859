/** Background work that keeps to its rate, and says how far it is. */
import { assert, assertEquals } from "@std/assert";
import type { BackgroundName, BackgroundView } from "../../lib/node/background.ts";
import { runTask } from "./convergence.ts";
import type { Host } from "./host.ts";
import { nodeAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

const SLOW = 100_000;

async function taskAt(host: Host, name: BackgroundName): Promise<BackgroundView> {
  const { background } = await nodeAt(host).status();
  return background.find((view) => view.name === name)!;
}

/** Stores values of 300 kB together, of which one is in chunks. */
async function fill(work: Workload, host: Host): Promise<void> {
  const small = Array.from({ length: 6 }, (_, i) => ({ key: `k${i}`, bytes: 25_000 }));
  for (const { key, bytes } of [...small, { key: "large", bytes: 150_000 }]) {
    // Clients of a simulation hang up at times.
    while ((await work.put("c1", key, { host, bytes })).outcome.kind !== "acknowledged");
  }
}

Deno.test("join given a rate for transfers, then fetching takes as long as that rate asks, and its progress is seen", async () => {
  const sim = new Simulation({ rates: { transfer: SLOW, repair: Infinity, scrub: Infinity } });
  const work = new Workload(sim);
  await sim.run(async () => {
    const [first, second] = await sim.startRing(2);
    await fill(work, first!);
    const beganMs = sim.nowMs;
    const third = sim.addHost();
    third.boot([first!.address]);
    await sim.until("it fetches", () => third.ready);
    await sim.sleep(1_000);
    const halfway = await taskAt(third, "transfer");
    assert(halfway.running && halfway.done > 0 && halfway.left > 0, JSON.stringify(halfway));
    assert(halfway.bytesPerSecond > 0 && halfway.bytesPerSecond <= SLOW, JSON.stringify(halfway));
    await sim.untilSettled(3);
    // All of it once from one owner; of the other it holds all then.
    assert(sim.nowMs - beganMs > 2_500 && sim.nowMs - beganMs < 6_000, `${sim.nowMs - beganMs} ms`);
    const after = await taskAt(third, "transfer");
    assertEquals([after.running, after.left, after.done], [false, 0, 64]);
    assert(after.bytes >= 300_000 && after.bytesPerSecond <= SLOW, JSON.stringify(after));
    assert(after.completedMs !== undefined && second!.ready);
  });
});

Deno.test("hints given a rate for repairs, then their delivery takes as long as that rate asks", async () => {
  const sim = new Simulation({ rates: { transfer: Infinity, repair: SLOW, scrub: Infinity } });
  const work = new Workload(sim);
  await sim.run(async () => {
    const [first, , third] = await sim.startRing(3);
    third!.crash();
    await sim.sleep(10_000);
    await fill(work, first!);
    await sim.sleep(10_000);
    third!.boot();
    const beganMs = sim.nowMs;
    await sim.until("no hint is left", () => {
      const kept = nodeAt(first!).metrics().find(({ name }) => name === "hints_kept");
      return kept?.values[0]?.value === 0;
    });
    assert(sim.nowMs - beganMs > 2_500, `${sim.nowMs - beganMs} ms`);
    assert((await taskAt(first!, "hints")).bytes >= 300_000);
  });
});

Deno.test("balance given slow rates for background tasks, then it does not keep to them", async () => {
  const sim = new Simulation({ rates: { transfer: SLOW, repair: 1, scrub: 1 } });
  const work = new Workload(sim);
  await sim.run(async () => {
    const [first, second, third] = await sim.startRing(3);
    sim.network.cutWhere((from, to) => from === first!.address && to === third!.address);
    sim.network.cutWhere((from, to) => from === second!.address && to === third!.address);
    await sim.sleep(10_000);
    await fill(work, first!);
    sim.network.healAll();
    await sim.until(
      "all reach one another",
      () => nodeAt(first!).ring().nodes.every((node) => node.reachable),
    );
    const beganMs = sim.nowMs;
    await runTask(sim, first!, "balance", 3);
    assert(sim.nowMs - beganMs < 5_000, `${sim.nowMs - beganMs} ms`);
  });
});

Deno.test("status given a large value was overwritten, then it shows that its bytes are freed", async () => {
  const sim = new Simulation();
  const work = new Workload(sim);
  await sim.run(async () => {
    const [first] = await sim.startRing(1);
    await fill(work, first!);
    while ((await work.put("c1", "large", { host: first!, bytes: 10 })).outcome.kind !== "acknowledged");
    await sim.sleep(10_000);
    assertEquals((await taskAt(first!, "garbage")).left, 1);
    await sim.sleep(70_000);
    const { bytes, left, completedMs } = await taskAt(first!, "garbage");
    assert(bytes >= 150_000 && left === 0 && completedMs !== undefined);
  });
});
