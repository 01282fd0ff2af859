/** Nodes that join under an address that is not theirs, or cannot be reached there. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { nodeAt, Simulation } from "./simulation.ts";

for (const [name, index] of [["the asked node itself", 0], ["another member", 1]] as const) {
  Deno.test(`join given a new store under the address of ${name}, which answers, then it is refused and that node stays`, async () => {
    const sim = new Simulation();
    await sim.run(async () => {
      const hosts = await sim.startRing(3);
      const { address } = hosts[index]!;
      const join = () => nodeAt(hosts[0]!).join({ address, storeId: "impostor", incarnation: 1 });
      assertEquals((await assertRejects(join, DhtError)).code, "node_reachable");
      await sim.sleep(5_000);
      assert(sim.isSettled(3));
    });
  });
}

Deno.test("join given nobody answers at the address, then it is refused and the ring does not wait for it", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const [host] = await sim.startRing(1);
    const join = () => nodeAt(host!).join({ address: "nobody:1", storeId: "s", incarnation: 1 });
    assertEquals((await assertRejects(join, DhtError)).code, "peer_unreachable");
    assert(!nodeAt(host!).ring().changing);
  });
});

Deno.test("join given the disk of a member was replaced, then the new store takes its place", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    hosts[2]!.crash();
    hosts[2]!.wipe();
    hosts[2]!.boot();
    await sim.untilSettled(3);
  });
});

Deno.test("join given the new node is killed before it is in the ring, when started again without a server, then it joins all the same", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const [first, second] = [...await sim.startRing(1), sim.addHost()];
    const heal = sim.network.cut([second!.address], [first!.address]);
    second!.boot([first!.address]);
    await sim.sleep(2_000);
    assert(!second!.ready);
    second!.crash();
    heal();
    second!.boot([]);
    await sim.untilSettled(2);
  });
});

Deno.test("join given the new node has asked in vain for a while, when the ring hears it and greets it, then it joins all the same", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const [first, second] = [...await sim.startRing(1), sim.addHost()];
    const heal = sim.network.cut([second!.address], [first!.address]);
    second!.boot([first!.address]);
    // By then it takes the other for down, and would look again as soon as it hears from it.
    await sim.sleep(10_000);
    heal();
    await sim.untilSettled(2);
    assertEquals(second!.starts, 1);
  });
});

Deno.test("join given a node that left and is killed before it has joined again, when started once more, then it founds no ring", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    const founder = hosts[0]!;
    await nodeAt(founder).leave();
    await sim.until("it has left", () => founder.gone);
    const heal = sim.network.cut([founder.address], hosts.map(({ address }) => address));
    founder.boot();
    await sim.sleep(3_000);
    assert(!founder.ready);
    founder.crash();
    heal();
    founder.boot();
    await sim.untilSettled(3);
  });
});
