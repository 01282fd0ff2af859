/** What operators do one step after the other, while clients write and things go wrong. */
import type { SeededRandom } from "../support/seeded_random.ts";
import type { Faults } from "./faults.ts";
import type { Host } from "./host.ts";
import { Operators } from "./operators.ts";
import { type Play, setMachines } from "./plans.ts";
import type { Simulation } from "./simulation.ts";

/** How long an operator waits for a step to be done before taking the next all the same. */
const STEP_MS = 30_000;
const ZONES = ["east", "north", "west"] as const;

/** What the steps of a sequence are made of. */
interface Script {
  readonly sim: Simulation;
  readonly random: SeededRandom;
  readonly faults: Faults;
  readonly operators: Operators;
}

/** Every node is stopped and started again, one after the other, as for a new version; twice. */
export function rollingRestart(play: Play): Promise<void> {
  return script(play, play.random.pick([3, 4, 5]), async ({ sim, faults, random }) => {
    for (const host of [...sim.hosts, ...sim.hosts]) {
      await faults.inject(random.chance(0.8) ? "restart" : "crash", host);
      if (random.chance(0.5)) await sim.sleep(random.exponential(500));
    }
  });
}

/** One node after the other is replaced: by a new one, after its death, or on a new disk. */
export function replaceNodes(play: Play): Promise<void> {
  return script(play, play.random.pick([3, 4]), async (steps) => {
    for (const host of [...steps.sim.hosts]) {
      await replace(steps, host);
      await settled(steps.sim);
    }
  });
}

/** A ring of three becomes one of seven, by ones and twos. */
export function growToSeven(play: Play): Promise<void> {
  return script(play, 3, async (steps) => {
    const { sim, random, operators } = steps;
    while (sim.hosts.length < 7) {
      const several = Math.min(7 - sim.hosts.length, random.pick([1, 1, 2, 4]));
      await operators.joinAll(Array.from({ length: several }, () => sim.addHost()));
      if (random.chance(0.7)) await settled(steps.sim);
    }
  });
}

/** A ring of seven becomes one of three: nodes leave by ones and twos, and some die and are removed. */
export function shrinkToThree(play: Play): Promise<void> {
  return script(play, 7, async (steps) => {
    const { sim, random, operators, faults } = steps;
    for (let tries = 0; operators.staying().length > 3 && tries < 12; tries++) {
      const staying = operators.staying();
      const [host, other] = random.shuffled(staying.filter(({ ready }) => ready));
      if (host === undefined) await sim.sleep(1_000);
      else if (random.chance(0.25)) {
        await faults.takeTurn(() => host.ready ? operators.removeDead(host) : Promise.resolve());
      } else if (other !== undefined && staying.length > 4 && random.chance(0.3)) {
        await operators.leaveAll([host, other]);
      } else await operators.leaveAll([host]);
      if (random.chance(0.7)) await settled(steps.sim);
    }
  });
}

/** Nodes are started again with another weight, one after the other; sometimes the next before data has moved. */
export function changeWeights(play: Play): Promise<void> {
  return script(play, play.random.pick([4, 5]), async (steps) => {
    const { sim, random, operators } = steps;
    for (const host of random.shuffled(sim.hosts)) {
      await operators.reweigh(host);
      if (random.chance(0.5)) await settled(steps.sim);
    }
  });
}

/**
 * Half of the nodes take nearly everything, then the other half, and they change their zones with that: each as soon
 * as the one before is up again, so that most owners of most keys change within seconds.
 */
export function shiftShares(play: Play): Promise<void> {
  return script(play, 6, async ({ sim, random, operators }) => {
    for (let round = 0; round < 2; round++) {
      const hosts = random.shuffled(sim.hosts);
      for (const [i, host] of hosts.entries()) {
        await operators.reweigh(host, { weight: i % 2 === 0 ? 0.1 : 10, zone: random.pick(ZONES) });
      }
      if (random.chance(0.5)) await settled(sim);
    }
  });
}

/** All nodes of one zone fail at the same moment, and come back; then those of another. */
export function loseZone(play: Play): Promise<void> {
  play.sim.shareOf = (index) => ({ zone: ZONES[index % ZONES.length]! });
  const quiet: Play = { ...play, options: { ...play.options, faultPauseMs: 4_000 } };
  return script(quiet, play.random.pick([5, 6]), async ({ sim, random, faults }) => {
    for (const zone of random.shuffled(ZONES).slice(1)) {
      await sim.until("copies are kept apart", () => sim.isSettled(sim.hosts.length));
      await faults.takeTurn(async () => {
        if (!sim.isSettled(sim.hosts.length)) return;
        faults.count("lost zone");
        const lost = sim.hosts.filter((host) => host.share.zone === zone);
        lost.forEach((host) => host.crash());
        await sim.sleep(random.between(1_000, 8_000));
        lost.forEach((host) => host.boot());
        await sim.until(`zone ${zone} is back`, () => lost.every(({ ready }) => ready), 60_000);
      });
      await sim.sleep(1_000);
    }
  });
}

/** Runs the clients, some faults and the steps, until the steps are done. */
async function script(
  { sim, workload, faults, random, options }: Play,
  nodes: number,
  steps: (script: Script) => Promise<void>,
): Promise<void> {
  await sim.startRing(options.nodes ?? nodes);
  setMachines(sim, random);
  Object.assign(sim.network.weather, options.weather);
  const operators = new Operators(sim, faults, "script", { fewest: 3, most: 9 });
  workload.start();
  faults.start(options.faultPauseMs ?? random.pick([1_000, 4_000]));
  await steps({ sim, random, faults, operators });
  await Promise.all([workload.stop(), faults.stop()]);
}

async function replace({ sim, random, faults, operators }: Script, host: Host): Promise<void> {
  const way = random.pick(["new first", "dead", "new disk"] as const);
  if (!host.ready || way === "new disk") return await faults.inject("wipe", host);
  if (way === "dead") {
    await operators.joinAll([sim.addHost()]);
    return await faults.takeTurn(() => host.ready ? operators.removeDead(host) : Promise.resolve());
  }
  await operators.joinAll([sim.addHost()]);
  await operators.leaveAll([host]);
}

/** As an operator waits who looks at the status page; not for ever. */
export async function settled(sim: Simulation): Promise<void> {
  const members = () => sim.hosts.filter((host) => !host.gone).length;
  const deadlineMs = sim.nowMs + STEP_MS;
  while (!sim.isSettled(members()) && sim.nowMs < deadlineMs) await sim.sleep(200);
}
