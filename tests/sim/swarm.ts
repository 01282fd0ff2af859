import { checkConvergence } from "./convergence.ts";
import { Faults } from "./faults.ts";
import type { Pauses, Tampering } from "./host.ts";
import { describe, type Operation } from "./history.ts";
import { checkNothingLeft } from "./leftovers.ts";
import { checkLinearizable } from "./linearizability.ts";
import { type PlanName, type PlanOptions, PLANS } from "./plans.ts";
import { checkRegister, countReads, type ReadCounts } from "./register_checker.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { sentence, Simulation } from "./simulation.ts";
import { Workload, type WorkloadOptions } from "./workload.ts";

const KEYS = ["a", "b", "c", "d/e", "f", "g", "h", "i", "j", "k", "l", "m"];

/** Keys on which clients do everything with `consistency=strong`. */
const STRONG_KEYS = ["s", "t"];

/** Share of the seeds that end with a quarter of an hour in which all that was left behind must go. */
const LOOK_FOR_LEFTOVERS = 0.05;

const USUAL_PLANS: readonly PlanName[] = [
  "shiftShares",
  ...new Array<PlanName>(9).fill("random"),
  "growBehindBridge",
  "blackout",
  "rollingRestart",
  "replaceNodes",
  "replaceNodes",
  "growToSeven",
  "growToSeven",
  "shrinkToThree",
  "shrinkToThree",
  "changeWeights",
  "loseZone",
  "returnAfterCollection",
  "returnAfterCollection",
  "leaveAgain",
];

/** Share of the rings whose nodes have a secret. */
const SECRET_SHARE = 1 / 8;

/** How one seed ended. */
export interface SwarmReport {
  readonly seed: number;
  readonly plan: PlanName;
  readonly digest: string;
  readonly violations: readonly string[];
  /** What happened, for people: the whole of it, but for keys with which nothing is wrong. */
  readonly story: () => string;
  readonly operations: number;
  readonly overlapShare: number;
  readonly reads: ReadCounts;
  readonly virtualMs: number;
  readonly injected: ReadonlyMap<string, number>;
  /** Longest time in which a client could not read a key. */
  readonly longestReadMs: number;
}

/** Options of one run. */
export interface SwarmOptions extends PlanOptions {
  /** Planted bugs. */
  readonly tampering?: Tampering;
  readonly workload?: Partial<WorkloadOptions>;
}

/**
 * One random run: a ring of a random size under random faults, operators and
 * clients, all drawn from the seed; then healing and every check.
 */
export async function runSeed(seed: number, options: SwarmOptions = {}): Promise<SwarmReport> {
  const random = new SeededRandom(seed).fork("plan");
  const sim = new Simulation({
    seed,
    pauses: pausesOf(seed),
    // In few partitions keys meet the floors that others' deletions have left.
    partitions: new SeededRandom(seed).fork("partitions").pick([2, 64]),
    ...(options.tampering === undefined ? {} : { tampering: options.tampering }),
    // MACs take half of a run's time; and behind them no node ever sees a message twice.
    ...(new SeededRandom(seed).fork("secret").chance(SECRET_SHARE) ? {} : { secret: undefined }),
  });
  const thinkMs = random.pick([10, 30, 100, 300]);
  const keys = KEYS.slice(0, random.pick([3, 4, 6, 12]));
  const workload = new Workload(sim, {
    thinkMs,
    keys: [...keys, ...STRONG_KEYS],
    strongKeys: STRONG_KEYS,
    expiring: 0.1,
    clients: random.pick([3, 5, 8]),
    ...options.workload,
  });
  const faults = new Faults(sim, options.faults);
  const plan = options.plan ?? random.pick(USUAL_PLANS);
  const violations: string[] = [];
  try {
    await sim.run(async () => {
      await PLANS[plan]({ sim, workload, faults, random, options });
      violations.push(...await checkConvergence(sim, workload));
      if (violations.length === 0 && random.chance(LOOK_FOR_LEFTOVERS)) {
        violations.push(...await checkNothingLeft(sim, faults.counts.has("fillDisk")));
      }
    });
  } catch (error) {
    violations.push(sentence(error));
  }
  violations.unshift(...checkHistory(workload));
  workload.history.operations.forEach((operation) => sim.trace.count(describe(operation)));
  return {
    seed,
    plan,
    digest: sim.trace.digest(),
    violations,
    story: () => storyOf(sim, workload, violations),
    operations: workload.history.operations.length,
    overlapShare: workload.history.overlapShare(),
    reads: countAllReads(workload),
    virtualMs: sim.nowMs,
    injected: faults.counts,
    longestReadMs: workload.longestReadMs,
  };
}

/** Background work is now rare, as in real rings, and now so frequent that it meets every fault. */
function pausesOf(seed: number): Pauses {
  const random = new SeededRandom(seed).fork("pauses");
  const tombstoneMs = random.pick([200, 1_000, 1_000, 5_000]);
  const antiEntropyMs = random.pick([3_000, 60_000]);
  const scrubMs = random.pick([500, 3_000]);
  return { tombstoneMs, antiEntropyMs, scrubMs, expiryMs: random.pick([500, 4_000]) };
}

/** Every check that the history of the clients alone allows. */
export function checkHistory(workload: Workload, rules = { readsStick: true }): string[] {
  const violations = [...workload.violations];
  for (const [key, operations] of workload.history.byKey()) {
    violations.push(...checkRegister(operations.flatMap(withExpiry), rules));
    if (workload.strongKeys.includes(key)) violations.push(...checkLinearizable(operations));
  }
  return violations;
}

/** Reads of all keys together. */
function countAllReads({ history }: Workload): ReadCounts {
  const counts = [...history.byKey().values()].map((operations) =>
    countReads(operations.flatMap(withExpiry))
  );
  const sum = (kind: keyof ReadCounts) => counts.reduce((total, count) => total + count[kind], 0);
  return { answered: sum("answered"), blind: sum("blind") };
}

/** A value that expires is deleted once, by nobody in particular: at any time, since all clocks may be wrong. */
function withExpiry(operation: Operation): Operation[] {
  const { expires, value: _value, outcome, ...put } = operation;
  if (expires !== true || outcome.kind === "refused") return [operation];
  // It deletes that value and nothing later: what has replaced the value has hidden its end, too.
  const end = { kind: "unknown", reason: "the end of its time" } as const;
  return [operation, { ...put, client: "time", kind: "delete", outcome: end }];
}

/** What happened to the ring, what clients did with the keys concerned, and what is wrong with that. */
function storyOf(sim: Simulation, workload: Workload, violations: readonly string[]): string {
  const text = violations.join("\n");
  const keys = workload.keys.filter((key) => text.includes(` of ${key}:`) || text.includes(`key ${key} `));
  const concerned = workload.history.operations.filter(({ key }) => keys.length === 0 || keys.includes(key));
  return [...sim.trace.lines(), "", ...concerned.map(describe), "", `seed ${sim.seed}:`, ...violations].join(
    "\n",
  );
}
