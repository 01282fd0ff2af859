import { assert, assertEquals } from "@std/assert";
import { runSeed, type SwarmReport } from "./swarm.ts";

/** Seeds of a short run; `MYDHT_SIM_SEEDS` asks for more, `MYDHT_SIM_SEED` for one of them alone, with its story. */
const DEFAULT_SEEDS = 40;

function seedsToRun(): number[] {
  const one = Deno.env.get("MYDHT_SIM_SEED");
  if (one !== undefined) return [Number(one)];
  const count = Number(Deno.env.get("MYDHT_SIM_SEEDS") ?? DEFAULT_SEEDS);
  return Array.from({ length: count }, (_, i) => i + 1);
}

function summaryOf(reports: readonly SwarmReport[], seconds: number): string {
  const injected = new Map<string, number>();
  let [operations, overlapping, virtualMs] = [0, 0, 0];
  for (const report of reports) {
    for (const [what, times] of report.injected) injected.set(what, (injected.get(what) ?? 0) + times);
    operations += report.operations;
    overlapping += report.operations * report.overlapShare;
    virtualMs += report.virtualMs;
  }
  const counts = [...injected].sort(([a], [b]) => (a < b ? -1 : 1)).map(([what, times]) =>
    `${what} ${times}`
  );
  return [
    `${reports.length} seeds, ${Math.round(60 * reports.length / seconds)} a minute, ` +
    `${Math.round(virtualMs / 1000 / seconds)} virtual seconds a second`,
    `${operations} operations, ${
      Math.round(100 * overlapping / operations)
    } % overlapped another on their key`,
    `injected: ${counts.join(", ")}`,
  ].join("\n");
}

Deno.test("swarm given random faults, operators and clients, then no seed breaks a promise, and all heal", async () => {
  const seeds = seedsToRun();
  const reports: SwarmReport[] = [];
  const startMs = performance.now();
  for (const seed of seeds) {
    const report = await runSeed(seed);
    if (report.violations.length > 0) {
      throw new Error(`${report.story()}\n\nto see it again: MYDHT_SIM_SEED=${seed}`);
    }
    reports.push(report);
  }
  console.log(summaryOf(reports, (performance.now() - startMs) / 1000));
  const overlapping = reports.filter(({ overlapShare }) => overlapShare >= 0.1).length;
  assert(overlapping * 2 > reports.length, "too few operations overlapped: the runs test little");
});

Deno.test("swarm given the same seed twice, then both have the same history to the last byte", async () => {
  const [first, second] = [await runSeed(11), await runSeed(11)];
  assertEquals(first.digest, second.digest);
  assertEquals(first.operations, second.operations);
});
