import type { Fault, Faults } from "./faults.ts";
import type { Way, Weather } from "./network.ts";
import { Operators } from "./operators.ts";
import { leaveAgain, returnAfterCollection } from "./returns.ts";
import {
  changeWeights,
  growToSeven,
  loseZone,
  replaceNodes,
  rollingRestart,
  shiftShares,
  shrinkToThree,
} from "./sequences.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import type { Simulation } from "./simulation.ts";
import type { Workload } from "./workload.ts";

const HOUR_MS = 3_600_000;
const FAULTY_MS = 15_000;

/** What a plan works with. */
export interface Play {
  readonly sim: Simulation;
  readonly workload: Workload;
  readonly faults: Faults;
  readonly random: SeededRandom;
  readonly options: PlanOptions;
}

/** What is drawn from the seed, unless it is given. */
export interface PlanOptions {
  readonly plan?: PlanName;
  /** Nodes the ring begins with; drawn by default. */
  readonly nodes?: number;
  /** Faults to choose from; all by default. */
  readonly faults?: readonly Fault[];
  /** Mean pauses between faults and between the changes of one operator. */
  readonly faultPauseMs?: number;
  readonly operatorPauseMs?: number;
  readonly weather?: Partial<Weather>;
}

/** What happens to a ring while clients use it, before it is healed. */
export const PLANS = {
  random: playRandomly,
  growBehindBridge,
  blackout,
  restartWithStoppedClock,
  rollingRestart,
  replaceNodes,
  growToSeven,
  shrinkToThree,
  changeWeights,
  shiftShares,
  loseZone,
  returnAfterCollection,
  leaveAgain,
} as const;

/** Name of a plan. */
export type PlanName = keyof typeof PLANS;

/** Faults and operators in a random order, at random times. */
async function playRandomly({ sim, workload, faults, random, options }: Play): Promise<void> {
  const most = Math.max(7, (options.nodes ?? 0) + 2);
  const operators = ["x", "y"].map((name) => new Operators(sim, faults, name, { fewest: 3, most }));
  if (random.chance(0.3)) sim.shareOf = (index) => ({ zone: `z${index % 3}` });
  await sim.startRing(options.nodes ?? random.pick([3, 3, 4, 5]));
  setMachines(sim, random);
  Object.assign(sim.network.weather, {
    loss: random.pick([0, 0, 0.002, 0.01]),
    duplicate: random.pick([0, 0.05]),
    slow: random.pick([0.02, 0.1]),
    ...options.weather,
  });
  workload.start();
  faults.start(options.faultPauseMs ?? random.pick([200, 800, 3_000]));
  const operatorPauseMs = options.operatorPauseMs ?? random.pick([300, 1_000, 1_000, 4_000]);
  operators.slice(random.below(2)).forEach((operator) => operator.start(operatorPauseMs));
  await sim.sleep(FAULTY_MS);
  await Promise.all([workload.stop(), faults.stop(), ...operators.map((operator) => operator.stop())]);
}

/** No two machines are alike. */
export function setMachines(sim: Simulation, random: SeededRandom): void {
  const spreadMs = random.pick([0, 50, HOUR_MS]);
  for (const host of sim.hosts) {
    host.wall.offsetMs = random.between(-spreadMs, spreadMs);
    host.wall.drift = random.between(-0.001, 0.001);
    host.diskDelayMs = random.pick([0.5, 2, 2, 30]);
  }
}

/**
 * Three nodes become six at once, while nobody reaches one of the three, and it only one of the others: it
 * hears of the change late, and what it wrote is on two owners that may own the key no more.
 */
async function growBehindBridge({ sim, workload, faults, random }: Play): Promise<void> {
  const [first, bridge, behind] = await sim.startRing(3);
  workload.start();
  await sim.sleep(random.between(200, 600));
  faults.count("bridge");
  const isBehind = (address: string) => address === behind!.address;
  const stops = (from: string, to: string, way: Way) =>
    (isBehind(from) && to !== bridge!.address) ||
    (isBehind(to) && (from !== bridge!.address || way === "there"));
  const heal = sim.network.cutWhere(stops, { refuses: random.chance(0.9) });
  await sim.sleep(random.between(200, 1_200));
  for (let i = 0; i < 3; i++) {
    faults.count("join");
    sim.addHost().boot([first!.address]);
  }
  await sim.sleep(random.between(1_000, 3_000));
  heal();
  await sim.sleep(200);
  await workload.stop();
}

/** The power of all nodes fails at the same moment, twice. */
async function blackout({ sim, workload, faults, random, options }: Play): Promise<void> {
  await sim.startRing(options.nodes ?? random.pick([3, 4, 5]));
  setMachines(sim, random);
  workload.start();
  for (let i = 0; i < 2; i++) {
    await sim.sleep(random.between(500, 3_000));
    faults.count("blackout");
    sim.hosts.forEach((host) => host.crash());
    await sim.sleep(random.between(10, 1_000));
    sim.hosts.forEach((host) => host.boot());
    await sim.until("all are back", () => sim.ready.length === sim.hosts.length);
  }
  await workload.stop();
}

/** A node whose clock stands still, an hour ahead, starts again and again and writes the same keys. */
async function restartWithStoppedClock({ sim, workload, faults, random }: Play): Promise<void> {
  const [host] = await sim.startRing(3);
  Object.assign(host!.wall, { drift: -1, offsetMs: HOUR_MS });
  for (let i = 0; i < 8; i++) {
    const key = random.pick(workload.keys);
    for (let writes = random.below(2); writes >= 0; writes--) await workload.put("c1", key, { host: host! });
    await workload.get("c2", key);
    faults.count("restart");
    host!.crash();
    host!.boot();
    await sim.until("it is back", () => host!.ready);
    await workload.put("c1", key, { host: host! });
    await workload.get("c2", key);
    host!.wall.offsetMs += 1;
  }
}
