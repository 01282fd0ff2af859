/** What removing a node must not do: take out one that is alive where the node that was asked is cut off. */
import { assertEquals, assertRejects } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import type { Host } from "./host.ts";
import { nodeAt, Simulation } from "./simulation.ts";

async function refused(host: Host, address: string): Promise<string> {
  return (await assertRejects(() => nodeAt(host).remove(address, { force: false }), DhtError)).code;
}

for (const [cutOff, nodes] of [[1, 3], [2, 5], [2, 4]] as const) {
  Deno.test(`remove given a node that is cut off with ${cutOff} of ${nodes}, when it is asked to remove one beyond, then it asks for force, and nobody is removed`, async () => {
    const sim = new Simulation();
    await sim.run(async () => {
      const hosts = await sim.startRing(nodes);
      const addresses = hosts.map((host) => host.address);
      const [here, there] = [addresses.slice(0, cutOff), addresses.slice(cutOff)];
      sim.network.cut(here, there);
      sim.network.cut(there, here);
      await sim.sleep(20_000);
      for (const address of there) assertEquals(await refused(hosts[0]!, address), "needs_force");
      sim.network.healAll();
      await sim.untilSettled(nodes);
    });
  });
}

Deno.test("remove given most nodes answer, then a dead one is removed; where most are dead, only with force", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const [first, ...others] = await sim.startRing(4) as [Host, Host, Host, Host];
    const kill = (host: Host): void => {
      host.crash();
      host.gone = true;
    };
    kill(others[0]!);
    await nodeAt(first).remove(others[0]!.address, { force: false });
    await sim.untilSettled(3);
    others.slice(1).forEach(kill);
    for (const { address } of others.slice(1)) {
      assertEquals(await refused(first, address), "needs_force");
      await nodeAt(first).remove(address, { force: true });
    }
    assertEquals(nodeAt(first).ring().nodes.map(({ address }) => address), [first.address]);
  });
});
