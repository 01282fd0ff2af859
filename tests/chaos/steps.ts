import type { SeededRandom } from "../support/seeded_random.ts";
import { type Fleet, type FleetNode, HEAL_MS } from "./fleet.ts";
import { pause } from "./waiting.ts";

/** Longest time for which a node is down, or stands still, in milliseconds. */
const DOWN_MS = 5_000;
const STANDSTILL_MS = 10_000;
/** How long after the beginning of a join or leave a node is killed, at most. */
const MIDDLE_MS = 3_000;
/** How long a ring may go on reaching a node that was killed. */
const NOTICE_MS = 60_000;
/** How long the others may take to hold what a node that leaves held. */
const LEAVE_MS = HEAL_MS;

/** What a step works with. All that it draws, it draws before it does anything, so that a seed repeats it. */
export interface StepContext {
  readonly fleet: Fleet;
  readonly random: SeededRandom;
  /** The member it happens to. */
  readonly victim: FleetNode;
  /** Adds to the story. */
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Something that goes wrong, or that an operator does; afterwards the ring is left to heal. */
export interface Step {
  readonly name: string;
  /** By how many nodes the ring grows. */
  readonly growth: -1 | 0 | 1;
  run(context: StepContext): Promise<void>;
}

/** All that the nemesis does. Each takes at most one node away at a time. */
export const STEPS: readonly Step[] = [
  {
    name: "kill -9 and restart",
    growth: 0,
    async run({ fleet, random, victim, signal }) {
      const downMs = random.between(0, DOWN_MS);
      await fleet.kill(victim);
      await pause(downMs, signal);
      await startAgain(fleet, victim);
    },
  },
  {
    name: "SIGSTOP and SIGCONT",
    growth: 0,
    async run({ fleet, random, victim, say, signal }) {
      const stillMs = random.between(1_000, STANDSTILL_MS);
      say(`for ${Math.round(stillMs)} ms`);
      fleet.takeAway(victim);
      victim.process.child.signal("SIGSTOP");
      try {
        await pause(stillMs, signal);
      } finally {
        victim.process.child.signal("SIGCONT");
      }
      await fleet.ready(victim);
    },
  },
  {
    name: "SIGTERM and restart",
    growth: 0,
    async run({ fleet, random, victim, signal }) {
      const downMs = random.between(0, DOWN_MS);
      await fleet.stop(victim);
      await pause(downMs, signal);
      await startAgain(fleet, victim);
    },
  },
  { name: "a node joins", growth: 1, run: ({ fleet, victim, say }) => join(fleet, victim, say) },
  {
    name: "a node leaves",
    growth: -1,
    async run({ fleet, victim }) {
      await beginLeave(fleet, victim);
      await endLeave(fleet, victim);
    },
  },
  {
    name: "killed for good and removed, another joins",
    growth: 0,
    async run({ fleet, victim, say }) {
      await fleet.kill(victim);
      const via = fleet.other(victim);
      await removeDead(fleet, victim, via);
      fleet.dismiss(victim);
      await join(fleet, via, say);
    },
  },
  {
    name: "removed, returns with its old data",
    growth: 0,
    async run({ fleet, random, victim, signal }) {
      const awayMs = random.between(0, DOWN_MS);
      await fleet.kill(victim);
      await removeDead(fleet, victim, fleet.other(victim));
      fleet.dismiss(victim);
      await fleet.healed();
      await pause(awayMs, signal);
      await fleet.relaunch(victim);
      await fleet.ready(victim);
      fleet.admit(victim);
    },
  },
  {
    name: "data replaced by an empty directory",
    growth: 0,
    async run({ fleet, victim }) {
      await fleet.kill(victim);
      await Deno.remove(victim.dataDirectory, { recursive: true });
      await startAgain(fleet, victim, fleet.other(victim));
    },
  },
  {
    name: "data replaced by an old copy",
    growth: 0,
    async run({ fleet, random, victim, signal }) {
      const olderMs = random.between(1_000, DOWN_MS);
      const copy = `${victim.dataDirectory}.copy`;
      await fleet.stop(victim);
      await copyDirectory(victim.dataDirectory, copy);
      await startAgain(fleet, victim);
      await fleet.healed();
      await pause(olderMs, signal);
      await fleet.kill(victim);
      await Deno.remove(victim.dataDirectory, { recursive: true });
      await Deno.rename(copy, victim.dataDirectory);
      await startAgain(fleet, victim, fleet.other(victim));
    },
  },
  {
    name: "kill -9 during a join",
    growth: 1,
    async run({ fleet, random, victim, say, signal }) {
      const [aliveMs, downMs] = [random.between(0, MIDDLE_MS), random.between(0, DOWN_MS)];
      const joiner = await fleet.launch(victim);
      say(`${joiner.address}, after ${Math.round(aliveMs)} ms`);
      await pause(aliveMs, signal);
      await fleet.kill(joiner);
      await pause(downMs, signal);
      await startAgain(fleet, joiner, victim);
      fleet.admit(joiner);
    },
  },
  {
    name: "kill -9 during a leave",
    growth: 0,
    async run({ fleet, random, victim, say, signal }) {
      const [aliveMs, downMs] = [random.between(0, MIDDLE_MS), random.between(0, DOWN_MS)];
      await beginLeave(fleet, victim);
      await pause(aliveMs, signal);
      if (victim.process.child.exitCode !== undefined) {
        say("it was gone before");
        return fleet.dismiss(victim);
      }
      await fleet.kill(victim);
      await pause(downMs, signal);
      await fleet.relaunch(victim);
      // It goes on leaving, or has come back.
      await fleet.until(`${victim.address} is back or gone`, async () => {
        if (victim.process.child.exitCode !== undefined) return undefined;
        const { nodes } = await victim.process.ring();
        const isBack = nodes.some(({ address, state }) => address === victim.address && state === "up");
        return isBack ? undefined : "neither";
      }, LEAVE_MS);
      if (victim.process.child.exitCode === undefined) return await fleet.ready(victim);
      say("it went on leaving");
      await endLeave(fleet, victim);
    },
  },
];

async function startAgain(fleet: Fleet, node: FleetNode, via?: FleetNode): Promise<void> {
  await fleet.relaunch(node, via);
  await fleet.ready(node);
}

async function join(fleet: Fleet, via: FleetNode, say: (text: string) => void): Promise<void> {
  const joiner = await fleet.launch(via);
  say(joiner.address);
  await fleet.ready(joiner);
  fleet.admit(joiner);
}

/** Tells a node to leave; it serves until the others hold what it holds. */
async function beginLeave(fleet: Fleet, node: FleetNode): Promise<void> {
  const ending = new AbortController();
  const begun = Promise.withResolvers<void>();
  // It cuts off what is under way when it goes.
  fleet.excuse(node);
  fleet.client(node).leave(node.address, { signal: ending.signal, onProgress: () => begun.resolve() })
    .then(() => begun.resolve(), (error) => begun.reject(error));
  await begun.promise.finally(() => ending.abort());
}

async function endLeave(fleet: Fleet, node: FleetNode): Promise<void> {
  await fleet.until(`${node.address} has left`, () => {
    const { exitCode } = node.process.child;
    return Promise.resolve(exitCode === undefined ? "it still runs" : undefined);
  }, LEAVE_MS);
  fleet.takeAway(node);
  const code = await fleet.ended(node);
  if (code !== 0) throw new Error(`${node.address} left with exit code ${code}`);
  fleet.dismiss(node);
}

async function removeDead(fleet: Fleet, dead: FleetNode, via: FleetNode): Promise<void> {
  await fleet.until(`${dead.address} is removed`, async () => {
    await fleet.client(via).remove(dead.address);
    return undefined;
  }, NOTICE_MS);
}

async function copyDirectory(from: string, to: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("cp", { args: ["-a", from, to] }).output();
  if (!success) throw new Error(`Cannot copy ${from}: ${new TextDecoder().decode(stderr)}`);
}
