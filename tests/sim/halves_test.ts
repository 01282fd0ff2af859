/** A ring that falls in two. */
import { assert, assertEquals } from "@std/assert";
import { Faults } from "./faults.ts";
import type { Tampering } from "./host.ts";
import { nodeAt, Simulation } from "./simulation.ts";
import { READ_DEADLINE_MS, Workload } from "./workload.ts";

/** Notes which nodes got an answer from which. */
class Answers {
  readonly pairs: Set<string> = new Set();

  get tampering(): Tampering {
    return {
      transport: (transport, host) => ({
        call: async (address, message, options) => {
          const answer = await transport.call(address, message, options);
          this.pairs.add(`${host.address} ${address}`);
          return answer;
        },
      }),
    };
  }

  /** The addresses that got an answer from `address`, and itself. */
  around(address: string): string {
    const others = [...this.pairs].filter((pair) => pair.startsWith(`${address} `));
    return [address, ...others.map((pair) => pair.split(" ")[1]!)].sort().join();
  }
}

Deno.test("halves given five nodes, then each side hears only itself until it is over, and nothing is lost", async () => {
  const answers = new Answers();
  const sim = new Simulation({ seed: 4, tampering: answers.tampering });
  const work = new Workload(sim);
  const faults = new Faults(sim);
  await sim.run(async () => {
    const hosts = await sim.startRing(5);
    const { value } = await work.put("c1", "a");
    const over = faults.inject("halves", hosts[0]!);
    // What was on its way arrives or is lost.
    await sim.sleep(200);
    answers.pairs.clear();
    await sim.sleep(2_500);
    const sides = new Set(hosts.map(({ address }) => answers.around(address)));
    assertEquals(sides.size, 2);
    assertEquals([...sides].join().split(",").length, hosts.length);

    await over;
    await sim.untilSettled(5);
    assertEquals(faults.counts.get("halves"), 1);
    for (const host of hosts) {
      assertEquals(nodeAt(host).ring().nodes.every(({ state }) => state === "up"), true);
      const read = await work.get("c1", "a", { host });
      assertEquals(read?.outcome.kind === "read" && read.outcome.value, value);
    }
  });
});

for (const [name, isSplit] of [["in one", false], ["in two", true]] as const) {
  Deno.test(`read given nobody answers it for half a minute and the ring is ${name}, then that is ${isSplit ? "no" : "a"} violation`, async () => {
    const sim = new Simulation();
    const work = new Workload(sim);
    await sim.run(async () => {
      const [host, ...others] = await sim.startRing(3);
      await work.put("c1", "a");
      if (isSplit) sim.splits.begun++;
      others.forEach((other) => other.crash());
      const read = work.get("c1", "a", { host: host! });
      await sim.sleep(2 * READ_DEADLINE_MS);
      others.forEach((other) => other.boot());
      await sim.until("the ring is whole", () => sim.isSettled(3));
      if (isSplit) sim.splits.ended++;
      await read;
      assertEquals(work.violations.length, isSplit ? 0 : 1);
      assert(work.longestReadMs < READ_DEADLINE_MS);
    });
  });
}
