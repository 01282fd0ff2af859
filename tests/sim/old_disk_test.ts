/** A node whose disk was put back to an older state: what it knew since then must not be missed. */
import { assert, assertEquals } from "@std/assert";
import { nodeAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

Deno.test("start given an older copy of the node's disk, then it votes on nothing before it has asked the others", async () => {
  const sim = new Simulation();
  const work = new Workload(sim);
  await sim.run(async () => {
    const [first, second, third] = await sim.startRing(3);
    await work.put("c1", "a");
    await sim.sleep(500);
    first!.crash();
    const old = first!.disk.copy();
    first!.boot([]);
    await sim.untilSettled(3);
    const isThird = (address: string) => address === third!.address;
    const join = sim.network.cutWhere((from, to) => isThird(from) || isThird(to), { refuses: true });
    const last = await work.put("c1", "a", { host: first! });
    assertEquals(last.outcome.kind, "acknowledged");
    first!.crash();
    second!.crash();
    join();
    first!.restore(old);
    // It is asked and answers, and what it asks is lost: it cannot know yet that its disk is an old one.
    sim.network.cutWhere((from, _to, way) => from === first!.address && way === "there");
    first!.boot([]);
    await sim.until("it runs", () => first!.running !== undefined);
    let settled = false;
    const reading = work.get("c2", "a", { host: third! }).finally(() => settled = true);
    await sim.sleep(1_000);
    assert(!settled || (await reading)?.outcome.kind !== "read", "the value before the last write was read");
    second!.boot();
    sim.network.healAll();
    await sim.until("all are back", () => sim.ready.length === 3);
    const read = await reading;
    assertEquals(read?.outcome.kind === "read" && read.outcome.value, last.value);
  });
});

Deno.test("start given a copy of the disk from before the last start, which ended soon, then whoever heard of that is asked", async () => {
  const sim = new Simulation();
  const work = new Workload(sim);
  await sim.run(async () => {
    const hosts = await sim.startRing(5);
    const [first, ...others] = hosts;
    await sim.sleep(3_000);
    for (let i = 0; i < 8; i++) {
      first!.crash();
      const old = first!.disk.copy();
      first!.boot([]);
      await sim.until("it is back", () => first!.ready);
      await work.put("c1", "a", { host: first! });
      first!.crash();
      const { starts } = first!;
      first!.restore(old);
      first!.boot([]);
      await sim.until("it is back", () => first!.ready);
      assertEquals(first!.starts - starts, 2, "it was taken for the same store, and did not begin anew");
      await sim.until("it holds its share", () => others.every((host) => !nodeAt(host).ring().changing));
    }
  });
});
