import { checkConvergence } from "./convergence.ts";
import { type Fault, Faults } from "./faults.ts";
import type { Tampering } from "./host.ts";
import { describe } from "./history.ts";
import type { Weather } from "./network.ts";
import { Operators } from "./operators.ts";
import { checkRegister } from "./register_checker.ts";
import { SeededRandom } from "./seeded_random.ts";
import { sentence, Simulation } from "./simulation.ts";
import { Workload, type WorkloadOptions } from "./workload.ts";

const HOUR_MS = 3_600_000;

const KEYS = ["a", "b", "c", "d/e", "f", "g", "h", "i", "j", "k", "l", "m"];
const FAULTY_MS = 15_000;

/** How one seed ended. */
export interface SwarmReport {
  readonly seed: number;
  readonly digest: string;
  readonly violations: readonly string[];
  /** All of what happened, for people. */
  readonly story: () => string;
  readonly operations: number;
  readonly overlapShare: number;
  readonly virtualMs: number;
  readonly injected: ReadonlyMap<string, number>;
}

/** Options of one run. */
export interface SwarmOptions {
  /** Planted bugs. */
  readonly tampering?: Tampering;
  /** Virtual time during which faults are injected. */
  readonly faultyMs?: number;
  /** Faults to choose from; all by default. */
  readonly faults?: readonly Fault[];
  readonly workload?: Partial<WorkloadOptions>;
  /** Mean pauses between faults and between the operators' changes; drawn by default. */
  readonly faultPauseMs?: number;
  readonly operatorPauseMs?: number;
  readonly weather?: Partial<Weather>;
}

interface Play {
  readonly sim: Simulation;
  readonly workload: Workload;
  readonly faults: Faults;
  readonly random: SeededRandom;
}

/**
 * One random run: a ring of a random size under random faults, operators and
 * clients, all drawn from the seed; then healing and every check.
 */
export async function runSeed(seed: number, options: SwarmOptions = {}): Promise<SwarmReport> {
  const random = new SeededRandom(seed).fork("plan");
  const sim = new Simulation({
    seed,
    ...(options.tampering === undefined ? {} : { tampering: options.tampering }),
  });
  const thinkMs = random.pick([10, 30, 100, 300]);
  const keys = KEYS.slice(0, random.pick([3, 4, 6, 12]));
  const workload = new Workload(sim, { thinkMs, keys, clients: random.pick([3, 5, 8]), ...options.workload });
  const faults = new Faults(sim, options.faults);
  const violations: string[] = [];
  try {
    await sim.run(async () => {
      await playRandomly({ sim, workload, faults, random }, options);
      violations.push(...await checkConvergence(sim, workload));
    });
  } catch (error) {
    violations.push(sentence(error));
  }
  violations.unshift(...checkHistory(workload));
  return {
    seed,
    digest: sim.trace.digest(),
    violations,
    story: () => storyOf(sim, workload, violations),
    operations: workload.history.operations.length,
    overlapShare: workload.history.overlapShare(),
    virtualMs: sim.nowMs,
    injected: faults.counts,
  };
}

/** Every check that the history of the clients alone allows. */
export function checkHistory(workload: Workload, rules = { readsStick: true }): string[] {
  const violations = [...workload.violations];
  for (const operations of workload.history.byKey().values()) {
    violations.push(...checkRegister(operations, rules));
  }
  return violations;
}

async function playRandomly({ sim, workload, faults, random }: Play, options: SwarmOptions): Promise<void> {
  const operators = ["x", "y"].map((name) => new Operators(sim, faults, name, { fewest: 3, most: 7 }));
  await sim.startRing(random.pick([3, 3, 4, 5]));
  setMachines(sim, random);
  const { loss, duplicate, slow } = options.weather ?? {};
  Object.assign(sim.network.weather, {
    loss: loss ?? random.pick([0, 0, 0.002, 0.01]),
    duplicate: duplicate ?? random.pick([0, 0.05]),
    slow: slow ?? random.pick([0.02, 0.1]),
  });
  workload.start();
  faults.start(options.faultPauseMs ?? random.pick([200, 800, 3_000]));
  const operatorPauseMs = options.operatorPauseMs ?? random.pick([300, 1_000, 4_000, 60_000]);
  operators.slice(random.below(2)).forEach((operator) => operator.start(operatorPauseMs));
  await sim.sleep(options.faultyMs ?? FAULTY_MS);
  await Promise.all([workload.stop(), faults.stop(), ...operators.map((operator) => operator.stop())]);
}

/** No two machines are alike. */
function setMachines(sim: Simulation, random: SeededRandom): void {
  const spreadMs = random.pick([0, 50, HOUR_MS]);
  for (const host of sim.hosts) {
    host.wall.offsetMs = random.between(-spreadMs, spreadMs);
    host.wall.drift = random.between(-0.001, 0.001);
    host.diskDelayMs = random.pick([0.5, 2, 2, 30]);
  }
}

function storyOf(sim: Simulation, workload: Workload, violations: readonly string[]): string {
  return [
    ...sim.trace.lines(),
    "",
    ...workload.history.operations.map(describe),
    "",
    `seed ${sim.seed}:`,
    ...violations,
  ].join("\n");
}
