import { assertEquals } from "@std/assert";
import { Summary } from "./summary.ts";
import { runSeed } from "./swarm.ts";

/** Seeds of a short run; `MYDHT_SIM_SEEDS` asks for more, `MYDHT_SIM_SEED` for one of them alone, with its story. */
const DEFAULT_SEEDS = 40;

function seedsToRun(): number[] {
  const one = Deno.env.get("MYDHT_SIM_SEED");
  if (one !== undefined) return [Number(one)];
  const count = Number(Deno.env.get("MYDHT_SIM_SEEDS") ?? DEFAULT_SEEDS);
  return Array.from({ length: count }, (_, i) => i + 1);
}

Deno.test("swarm given random faults, operators and clients, then no seed breaks a promise, and all heal", async () => {
  const summary = new Summary();
  const startMs = performance.now();
  for (const seed of seedsToRun()) {
    const report = await runSeed(seed);
    if (report.violations.length > 0) {
      throw new Error(`${report.story()}\n\nto see it again: deno task sim --seed ${seed}`);
    }
    summary.add(report);
  }
  console.log(summary.text((performance.now() - startMs) / 1_000));
  assertEquals(summary.weaknesses, []);
});

Deno.test("swarm given the same seed twice, then both have the same history to the last byte", async () => {
  const [first, second] = [await runSeed(11), await runSeed(11)];
  assertEquals(first.digest, second.digest);
  assertEquals(first.operations, second.operations);
});
