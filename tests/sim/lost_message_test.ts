import { assert, assertEquals } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { decodeRequest, type Operation } from "../../lib/wire.ts";
import type { Tampering } from "./host.ts";
import { nodeAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

Deno.test("node given a message that was lost in silence, then what it asks that peer next does not wait for its end", async () => {
  const sim = new Simulation({ seed: 1 });
  await sim.run(async () => {
    const [first, second] = await sim.startRing(3);
    const workload = new Workload(sim);
    await workload.put("c", "a");
    const heal = sim.network.cut([first!.address], [second!.address]);
    await workload.put("c", "a", { host: first! });
    heal();
    const startMs = sim.nowMs;
    await nodeAt(first!).get("a", { consistency: "all" });
    assert(sim.nowMs - startMs < 2_500, `it took ${sim.nowMs - startMs} ms`);
  });
});

/** Loses the first message of each of these operations in silence; `lost` says which were. */
function losing(operations: readonly Operation[], lost: Set<string>): Tampering {
  return {
    transport: (transport, host) => ({
      call: async (address, message, options) => {
        const op = decodeRequest(message).calls[0]!.op;
        if (!operations.includes(op) || lost.has(op)) return await transport.call(address, message, options);
        lost.add(op);
        await host.sleep(options.timeoutMs);
        throw new DhtError("peer_unreachable", `Cannot reach ${address}: the message was lost`);
      },
    }),
  };
}

for (
  const [op, longestMs] of [["digests", 12_000], ["scanRecords", 12_000], ["readChunks", 17_000]] as const
) {
  Deno.test(`node given the first message "${op}" of its join is lost in silence, then it holds its share within ${longestMs / 1_000} s`, async () => {
    const lost = new Set<string>();
    const sim = new Simulation({ tampering: losing([op], lost) });
    const workload = new Workload(sim);
    await sim.run(async () => {
      const [first] = await sim.startRing(1);
      await workload.put("c", "a");
      await workload.put("c", "b", { bytes: 100_000 });
      lost.clear();
      sim.addHost().boot([first!.address]);
      await sim.untilSettled(2, longestMs);
    });
    assertEquals([...lost], [op]);
  });
}
