import { assert, assertEquals } from "@std/assert";
import { decodeRequest } from "../../lib/wire.ts";
import { SeveredLinks } from "./severed_links.ts";
import { nodeAt, Simulation } from "./simulation.ts";

Deno.test("node given a peer that comes and goes while it is being compared with, then the comparisons do not pile up", async () => {
  const links = new SeveredLinks();
  let flapping = false;
  let underWay = 0;
  let most = 0;
  const sim: Simulation = new Simulation({
    tampering: {
      transport: (transport, host) => {
        const severed = links.tampering.transport!(transport, host);
        return {
          call: async (address, message, options) => {
            const isComparison = host.address.startsWith("n1:") && address.startsWith("n2:") &&
              ["tree", "digests"].includes(decodeRequest(message).calls[0]?.op ?? "");
            if (!flapping || !isComparison) return await severed.call(address, message, options);
            most = Math.max(most, ++underWay);
            await host.sleep(20_000);
            underWay--;
            return await severed.call(address, message, options);
          },
        };
      },
    },
  });
  await sim.run(async () => {
    const [first, second] = await sim.startRing(3);
    flapping = true;
    const reaches = () => nodeAt(first!).ring().nodes[1]!.reachable;
    for (let i = 0; i < 4; i++) {
      links.sever(first!, second!);
      await sim.until("it counts as down", () => !reaches());
      links.mend();
      await sim.until("it is back", reaches);
    }
    assertEquals(most, 1);
  });
});

Deno.test("node in a large ring given one it took for down is back, then it is asked again within two seconds", async () => {
  const links = new SeveredLinks();
  const sim = new Simulation({ tampering: links.tampering });
  await sim.run(async () => {
    const hosts = await sim.startRing(14);
    const [first, ...others] = hosts;
    for (const other of others) links.sever(first!, other);
    const reached = () => nodeAt(first!).ring().nodes.filter(({ reachable }) => reachable).length;
    await sim.until("it reaches nobody", () => reached() === 1);
    links.mend();
    const mendedMs = sim.nowMs;
    await sim.until("it reaches all", () => reached() === 14);
    assert(sim.nowMs - mendedMs < 2_000, `after ${sim.nowMs - mendedMs} ms`);
  });
});
