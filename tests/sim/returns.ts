/** Nodes that come back with what they had before: old values, and old word of what they hold, must not count. */
import type { SeededRandom } from "../support/seeded_random.ts";
import { tombstones } from "./convergence.ts";
import type { Fault, Faults } from "./faults.ts";
import type { Host } from "./host.ts";
import { Operators } from "./operators.ts";
import { type Play, setMachines } from "./plans.ts";
import { settled } from "./sequences.ts";
import type { Simulation } from "./simulation.ts";
import type { Workload } from "./workload.ts";

/** How long a delete is tried, and how much longer than two rounds its tombstone may take to be collected. */
const DELETE_MS = 8_000;
const COLLECT_MS = 2_000;
const LOOK_MS = 500;
const BACK_MS = 60_000;
/** How a node is away for a while. */
const AWAY = ["isolate", "bridge", "mute", "pause", "restart", "rollBack", "wipe"] as const satisfies Fault[];

/** What the returns are made of. */
interface Scene {
  readonly sim: Simulation;
  readonly workload: Workload;
  readonly faults: Faults;
  readonly random: SeededRandom;
  readonly operators: Operators;
}

/** What happens around a time in which all keys are deleted and their tombstones collected. */
const RETURNS = { toPartitions, ofRemoved, ofAway } as const;

/**
 * Keys are deleted and their tombstones collected while a node with the old values is away: it has lost their
 * partitions to a node that joins and leaves, was removed, cannot be reached, stands still with what it was about to
 * send, or comes back on an older disk.
 */
export async function returnAfterCollection(play: Play): Promise<void> {
  const { sim, workload, faults, random, options } = play;
  await sim.startRing(options.nodes ?? random.pick([3, 4]));
  setMachines(sim, random);
  Object.assign(sim.network.weather, options.weather);
  const operators = new Operators(sim, faults, "script", { fewest: 3, most: 9 });
  workload.start();
  if (options.faultPauseMs !== undefined || random.chance(0.5)) faults.start(options.faultPauseMs ?? 4_000);
  const ways = random.shuffled(["toPartitions", "ofRemoved", "ofAway", "ofAway"] as const);
  for (const way of ways.slice(0, 2)) {
    await sim.sleep(random.between(300, 1_500));
    await RETURNS[way]({ sim, workload, faults, random, operators });
    workload.onlyReads = false;
  }
  await Promise.all([workload.stop(), faults.stop()]);
}

/**
 * Two nodes leave and take it back while nobody reaches a third, so that the change is not done and those that have
 * said that they hold their share cannot unsay it; later the two leave once more.
 */
export async function leaveAgain(play: Play): Promise<void> {
  const { sim, workload, faults, random, options } = play;
  await sim.startRing(options.nodes ?? random.pick([5, 6]));
  setMachines(sim, random);
  const operators = new Operators(sim, faults, "script", { fewest: 3, most: 9 });
  const [behind, ...others] = random.shuffled(sim.hosts);
  const leavers = others.slice(0, 2);
  workload.start();
  await sim.sleep(random.between(200, 600));
  const heal = isolate(play, behind!);
  leavers.forEach(() => faults.count("leave cancelled"));
  await Promise.all(leavers.map((host) => host.request((node) => node.leave()).catch(() => {})));
  await sim.sleep(random.between(500, 3_000));
  // At the same moment, so that nobody has anything to say of a layout with only one of them.
  await Promise.all(leavers.map((host) => host.request((node) => node.cancelLeave()).catch(() => {})));
  await sim.sleep(random.between(0, 500));
  heal();
  await sim.sleep(random.between(1_200, 3_000));
  // What is written from now on would reach the owners of either layout, and hide what they have missed.
  workload.onlyReads = random.chance(0.5);
  // Mostly undisturbed: who has to begin anew would say anew what it holds.
  if (random.chance(0.2)) await operators.leaveAll(leavers);
  else await Promise.all(leavers.map((host) => operators.leave(host)));
  await sim.sleep(random.between(0, 1_000));
  await settled(sim);
  await Promise.all([workload.stop(), faults.stop()]);
}

/** Nodes join and take partitions over; those that held them keep their old values, and get the partitions back. */
async function toPartitions(scene: Scene): Promise<void> {
  const { sim, faults, random, operators } = scene;
  const joining = Array.from({ length: random.pick([1, 2]) }, () => sim.addHost());
  await operators.joinAll(joining);
  await settled(sim);
  await forgetAll(scene);
  if (random.chance(0.3)) {
    await faults.takeTurn(() => joining[0]!.ready ? operators.removeDead(joining[0]!) : Promise.resolve());
  } else await operators.leaveAll(joining.filter(({ ready }) => ready));
  await settled(sim);
  await sim.sleep(random.between(0, 1_000));
}

/** A node is killed and removed, and started again once all that it holds was deleted and forgotten. */
async function ofRemoved(scene: Scene): Promise<void> {
  const { sim, faults, random, operators } = scene;
  if (operators.staying().length < 4) await operators.joinAll([sim.addHost()]);
  await settled(sim);
  const host = random.pick(sim.ready);
  await faults.takeTurn(() =>
    operators.staying().length > 3 ? operators.removeDead(host) : Promise.resolve()
  );
  await forgetAll(scene);
  if (!host.gone) return;
  faults.count("return of a removed node");
  host.boot(sim.ready.map(({ address }) => address));
  await sim.until(`${host.address} is back`, () => host.ready || host.gone, BACK_MS);
  await settled(sim);
}

/** A node cannot be reached, or comes back as what it was before, while keys are deleted. */
async function ofAway(scene: Scene): Promise<void> {
  const { sim, faults, random } = scene;
  const back = faults.inject(random.pick(AWAY), random.pick(sim.ready));
  // Whoever awaits it below hears of what it throws.
  back.catch(() => {});
  await sim.sleep(random.between(0, 300));
  await forgetAll(scene);
  await back;
  await collected(sim);
  await sim.sleep(random.between(0, 1_000));
}

/** Deletes all keys and waits until no owner holds a tombstone any more; clients only read from then on. */
async function forgetAll({ sim, workload }: Scene): Promise<void> {
  workload.onlyReads = true;
  await Promise.all(workload.keys.map(async (key) => {
    const deadlineMs = sim.nowMs + DELETE_MS;
    while (sim.nowMs < deadlineMs) {
      const { outcome } = await workload.delete("tidier", key);
      if (outcome.kind === "acknowledged") return;
      await sim.sleep(100);
    }
  }));
  await collected(sim);
}

/** As long as it takes where all owners answer. */
async function collected(sim: Simulation): Promise<void> {
  const deadlineMs = sim.nowMs + 2 * sim.tombstoneMs + COLLECT_MS;
  while (await countTombstones(sim) > 0 && sim.nowMs < deadlineMs) await sim.sleep(100);
}

/** Infinity where a node dies before it has said how many it has. */
async function countTombstones(sim: Simulation): Promise<number> {
  const counted = tombstones(sim).then(({ length }) => length).catch(() => Infinity);
  return await Promise.race([counted, sim.sleep(LOOK_MS).then(() => Infinity)]);
}

/** Nothing passes between a node and the others; returns how to end that. */
function isolate({ sim, random, faults }: Play, host: Host): () => void {
  faults.count("isolate");
  const stops = (from: string, to: string) => from === host.address || to === host.address;
  return sim.network.cutWhere(stops, { refuses: random.chance(0.5) });
}
