/** Weights and zones: nodes that own more or less than others, and copies that are kept apart. */
import { assert, assertEquals } from "@std/assert";
import { addressOf } from "../../lib/core/layout.ts";
import type { MemberShare } from "../../lib/core/membership.ts";
import { checkConvergence } from "./convergence.ts";
import type { Host } from "./host.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { checkHistory } from "./swarm.ts";
import { Workload } from "./workload.ts";

/** Starts a ring of nodes that are told what to own, one after the other. */
async function startRing(sim: Simulation, shares: readonly MemberShare[]): Promise<Host[]> {
  const hosts: Host[] = [];
  for (const share of shares) {
    const host = sim.addHost();
    host.share = share;
    host.boot(hosts.length === 0 ? [] : [hosts[0]!.address]);
    await sim.until(`${host.address} is ready`, () => host.ready);
    hosts.push(host);
  }
  await sim.untilSettled(hosts.length);
  return hosts;
}

async function restart(sim: Simulation, host: Host, share: MemberShare): Promise<void> {
  await host.stop();
  host.share = share;
  host.boot();
  await sim.until(`${host.address} is back`, () => host.ready);
}

function ownedBy(host: Host): number {
  const { nodes } = nodeAt(host).ring();
  return nodes.find(({ address }) => address === host.address)!.ownedPartitions;
}

Deno.test("ring given a node of twice the weight, then it owns about twice as much", async () => {
  const sim = new Simulation({ partitions: 1_024, replicas: 1 });
  await sim.run(async () => {
    const hosts = await startRing(sim, [{ weight: 2 }, {}, {}]);
    const [heavy, ...light] = hosts.map(ownedBy);
    assert(Math.abs(heavy! - 512) < 4 * Math.sqrt(512), `${heavy} of 1,024`);
    for (const owned of light) assert(Math.abs(owned - 256) < 4 * Math.sqrt(256), `${owned} of 1,024`);
  });
});

Deno.test("ring given zones, then every partition has a copy in each, also after a node joins and one leaves", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const zones = ["a", "b", "c", "a"];
    const hosts = await startRing(sim, zones.map((zone) => ({ zone })));
    const { keeper } = runningAt(hosts[1]!);
    const zoneOf = (address: string) => keeper.state.members.get(address)!.zone;
    const check = () => {
      for (let partition = 0; partition < keeper.state.partitions; partition++) {
        const owners = keeper.live.newest.owners(partition).map(addressOf);
        assertEquals(owners.map(zoneOf).sort(), ["a", "b", "c"]);
      }
    };
    check();
    const joiner = sim.addHost();
    joiner.share = { zone: "b" };
    joiner.boot([hosts[0]!.address]);
    await sim.untilSettled(5);
    check();
    await nodeAt(hosts[0]!).leave();
    await sim.until("it has left", () => hosts[0]!.gone);
    await sim.untilSettled(4);
    check();
  });
});

Deno.test("ring given nodes restart with other weights and zones in use, then data moves and nothing is lost", async () => {
  const sim = new Simulation();
  const workload = new Workload(sim, { keys: ["a", "b", "c", "d", "e", "f"], thinkMs: 30 });
  await sim.run(async () => {
    const hosts = await startRing(sim, [{}, {}, {}, {}, {}]);
    workload.start();
    await sim.sleep(500);
    const before = ownedBy(hosts[1]!);
    await restart(sim, hosts[1]!, { weight: 3 });
    await sim.untilSettled(5);
    assert(ownedBy(hosts[1]!) > before, "a greater weight owns more");
    await restart(sim, hosts[2]!, { zone: "x" });
    await restart(sim, hosts[3]!, { zone: "x", weight: 0.5 });
    await sim.untilSettled(5);
    const shown = nodeAt(hosts[0]!).ring().nodes.map(({ weight, zone }) => [weight, zone]);
    assertEquals(shown, [[1, undefined], [3, undefined], [1, "x"], [0.5, "x"], [1, undefined]]);
    await workload.stop();
    const violations = await checkConvergence(sim, workload);
    assertEquals([...checkHistory(workload, { readsStick: true }), ...violations], []);
  });
});

Deno.test("node given it restarts without a weight and zone, then it keeps those it had; - takes it out of its zone", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const hosts = await startRing(sim, [{}, { weight: 2, zone: "a" }, {}]);
    const { layout } = nodeAt(hosts[0]!).ring();
    const shown = () => {
      const { weight, zone } = nodeAt(hosts[0]!).ring().nodes[1]!;
      return { weight, zone };
    };
    await restart(sim, hosts[1]!, {});
    await sim.untilSettled(3);
    assertEquals(shown(), { weight: 2, zone: "a" });
    assertEquals(nodeAt(hosts[0]!).ring().layout, layout);
    await restart(sim, hosts[1]!, { zone: "-" });
    await sim.untilSettled(3);
    assertEquals(shown(), { weight: 2, zone: undefined });
  });
});
