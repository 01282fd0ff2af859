import { isChanging } from "../../lib/core/layout.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import { corrupt } from "./corruption.ts";
import type { Host } from "./host.ts";
import { FAIR, type Weather } from "./network.ts";
import { CRASH_POINTS } from "./sim_process.ts";
import { runningAt, type Simulation } from "./simulation.ts";

const HOUR_MS = 3_600_000;
/** How long a fault waits for a node to be back before the next may come. */
const RECOVERY_MS = 120_000;
/** How long a process that is to die at some call is given to come to it; it is killed then. */
const CRASH_PATIENCE_MS = 3_000;

/** What a fault works with. */
export interface FaultScene {
  readonly sim: Simulation;
  readonly random: SeededRandom;
  /** Notes that something was injected. */
  count(what: string): void;
}

type NodeFault = (scene: FaultScene, host: Host) => Promise<void>;

/**
 * What happens to one node, which may be away for as long: each resolves once it is back, so that at most one
 * owner of any key is missing at a time, as the promises ask.
 */
export const NODE_FAULTS = {
  crash: (scene, host) => crashAndStart(scene, host, () => crashNow(scene, host)),
  crashAtCommit: (scene, host) =>
    crashAndStart(scene, host, () => crashAtPoint(scene, host, CRASH_POINTS.slice(0, 2))),
  crashAtCall: (scene, host) => crashAndStart(scene, host, () => crashAtPoint(scene, host, CRASH_POINTS)),
  restart: (scene, host) => crashAndStart(scene, host, () => host.stop()),
  pause,
  isolate: (scene, host) => cutOff(scene, host, "isolate"),
  deafen: (scene, host) => cutOff(scene, host, "deafen"),
  mute: (scene, host) => cutOff(scene, host, "mute"),
  sever: (scene, host) => cutOff(scene, host, "sever"),
  bridge: (scene, host) => cutOff(scene, host, "bridge"),
  halves: (scene, host) => cutOff(scene, host, "halves"),
  flap,
  slowNode,
  slowDisk,
  fillDisk,
  wipe: async (scene, host) => {
    await crashNow(scene, host);
    await scene.sim.sleep(scene.random.exponential(1_500));
    host.wipe();
    await replaced(scene, host);
  },
  rollBack,
  corrupt,
} as const satisfies Record<string, NodeFault>;

/** What takes no node away. */
export const OTHER_FAULTS = {
  jumpClock: (scene: FaultScene) => setClock(scene, "jumpClock"),
  stopClock: (scene: FaultScene) => setClock(scene, "stopClock"),
  storm,
} as const;

/** Whether any node knows of a change of layout that is not done. */
export function isLayoutChanging(sim: Simulation): boolean {
  return sim.ready.some((host) => isChanging(runningAt(host).keeper.live));
}

/** Kills a node at one of its next calls, starts it again, and waits until it is back. */
export function crashSoon(scene: FaultScene, host: Host): Promise<void> {
  return crashAndStart(
    scene,
    host,
    () => scene.random.chance(0.3) ? crashNow(scene, host) : crashAtPoint(scene, host, CRASH_POINTS),
  );
}

// deno-lint-ignore require-await -- one of several ways to take a node away
async function crashNow(scene: FaultScene, host: Host): Promise<void> {
  if (isLayoutChanging(scene.sim)) scene.count("crashes in a layout change");
  host.crash();
}

async function crashAtPoint(
  scene: FaultScene,
  host: Host,
  points: readonly (typeof CRASH_POINTS)[number][],
): Promise<void> {
  const point = scene.random.pick(points);
  const wasChanging = isLayoutChanging(scene.sim);
  let crashed = false;
  const dying = host.crashAt(point, scene.random.below(20)).then(() => crashed = true);
  await Promise.race([dying, scene.sim.sleep(CRASH_PATIENCE_MS)]);
  if (!crashed) return await crashNow(scene, host);
  scene.count(`crash ${point}`);
  if (wasChanging || isLayoutChanging(scene.sim)) scene.count("crashes in a layout change");
}

async function crashAndStart(scene: FaultScene, host: Host, take: () => Promise<void>): Promise<void> {
  await take();
  if (host.gone) return;
  await scene.sim.sleep(scene.random.exponential(1_500));
  host.boot();
  await scene.sim.until(`${host.address} is back`, () => host.gone || host.ready, RECOVERY_MS);
}

/** Alive, and does nothing: its timers are late, and what it was sent finds it in another world. */
async function pause({ sim, random }: FaultScene, host: Host): Promise<void> {
  host.pause();
  await sim.sleep(random.chance(0.5) ? random.between(20, 500) : random.between(500, 12_000));
  host.resume();
  // Until it has noticed, and others have met it again; or not.
  if (random.chance(0.7)) await sim.sleep(random.between(0, 3_000));
}

/** Its disk is put back to what it was before its last start: it must not vote in the name of what it then knew. */
async function rollBack(scene: FaultScene, host: Host): Promise<void> {
  const { sim, random } = scene;
  await crashNow(scene, host);
  const old = host.disk.copy();
  host.boot();
  await sim.until(`${host.address} is back`, () => host.gone || host.ready, RECOVERY_MS);
  if (host.gone) return;
  await sim.sleep(random.exponential(2_000));
  await crashNow(scene, host);
  host.restore(old);
  await replaced(scene, host);
}

/** Starts a node on another disk; it counts as back once it holds its share. */
async function replaced({ sim }: FaultScene, host: Host): Promise<void> {
  if (host.gone) return;
  host.boot(sim.ready.map(({ address }) => address));
  // One that sets an old disk aside is not ready meanwhile: until then its store is the one the ring still knows.
  const isBack = () => host.gone || (host.ready && holdsItsShare(sim, host));
  await sim.until(`${host.address} is back on another disk`, isBack, RECOVERY_MS);
}

function holdsItsShare(sim: Simulation, host: Host): boolean {
  return sim.ready.every(({ running }) => {
    const ring = running!.node.ring();
    const seen = ring.nodes.find(({ address }) => address === host.address);
    return seen?.state === "up" && seen.storeId === host.running?.keeper.self.storeId && !ring.changing;
  });
}

type CutKind = "isolate" | "deafen" | "mute" | "sever" | "bridge" | "halves";

async function cutOff(scene: FaultScene, host: Host, kind: CutKind): Promise<void> {
  const { sim, random } = scene;
  const heal = cut(scene, host, kind);
  await sim.sleep(random.chance(0.5) ? random.between(50, 500) : random.between(500, 8_000));
  heal();
  sim.trace.note(`${host.address} is connected again`);
  // Sometimes long enough for the others to have met it again, sometimes not.
  if (random.chance(0.5)) await sim.sleep(random.between(0, 3_000));
}

/** Connections that come and go, faster than anybody makes up their mind about them. */
async function flap(scene: FaultScene, host: Host): Promise<void> {
  const { sim, random } = scene;
  const kind = random.pick(["isolate", "deafen", "mute", "sever"] as const);
  const meanMs = random.pick([30, 200, 900]);
  const untilMs = sim.nowMs + random.between(500, 8_000);
  while (sim.nowMs < untilMs) {
    const heal = cut(scene, host, kind);
    await sim.sleep(random.exponential(meanMs));
    heal();
    await sim.sleep(random.exponential(meanMs));
  }
}

/** Stops messages of a node, or of one side of the ring; returns how to let them pass again. */
function cut(scene: FaultScene, host: Host, kind: CutKind): () => void {
  const { sim, random } = scene;
  const other = random.pick(sim.ready.filter((candidate) => candidate !== host)).address;
  const self = host.address;
  const near = kind === "halves" ? sideOf(scene, host, other) : new Set([self]);
  // The two severed do not reach one another; over a bridge a node reaches but one other.
  const isFar = (address: string) =>
    !near.has(address) &&
    (kind === "sever" ? address === other : kind === "bridge" ? address !== other : true);
  const stops = (from: string, to: string) =>
    (kind !== "deafen" && near.has(from) && isFar(to)) || (kind !== "mute" && near.has(to) && isFar(from));
  const refuses = random.chance(0.5);
  const whom = kind === "sever" || kind === "bridge" ? `${self} and ${other}` : [...near].join(", ");
  sim.trace.note(`${kind}: ${whom} ${refuses}`);
  const heal = sim.network.cutWhere(stops, { refuses });
  if (kind !== "halves") return heal;
  sim.splits.begun++;
  return () => {
    heal();
    sim.splits.ended++;
  };
}

/** One side of a ring that falls in two: `host` is on it, `other` is not, and all others are by chance. */
function sideOf({ sim, random }: FaultScene, host: Host, other: string): Set<string> {
  const side = new Set([host.address]);
  for (const { address } of sim.hosts) if (address !== other && random.chance(0.5)) side.add(address);
  return side;
}

async function slowNode({ sim, random }: FaultScene, host: Host): Promise<void> {
  const meanMs = random.pick([20, 100, 400]);
  sim.network.slowness.set(host.address, meanMs);
  sim.trace.note(`${host.address} is slow: ${meanMs} ms more for each message`);
  await sim.sleep(random.between(500, 6_000));
  sim.network.slowness.delete(host.address);
  sim.trace.note(`${host.address} is no longer slow`);
}

async function slowDisk({ sim, random }: FaultScene, host: Host): Promise<void> {
  const before = host.diskDelayMs;
  host.diskDelayMs = random.pick([50, 200, 800]);
  sim.trace.note(`${host.address} has a disk that takes ${host.diskDelayMs} ms`);
  await sim.sleep(random.between(500, 6_000));
  host.diskDelayMs = before;
  sim.trace.note(`${host.address} has a disk as before`);
}

async function fillDisk({ sim, random }: FaultScene, host: Host): Promise<void> {
  const { disk } = host;
  disk.full = true;
  sim.trace.note(`${host.address} has a full disk`);
  await sim.sleep(random.between(100, 5_000));
  disk.full = false;
  sim.trace.note(`${host.address} has room on its disk again`);
}

async function storm({ sim, random }: FaultScene): Promise<void> {
  sim.trace.note("a storm begins");
  const { weather } = sim.network;
  const before: Weather = { ...weather };
  Object.assign(weather, {
    ...FAIR,
    meanDelayMs: random.between(2, 60),
    slow: 0.1,
    loss: 0.05,
    duplicate: 0.1,
  });
  await sim.sleep(random.between(500, 4_000));
  Object.assign(weather, before);
  sim.trace.note("the storm ends");
}

// deno-lint-ignore require-await -- others take their time
async function setClock({ sim, random }: FaultScene, kind: "jumpClock" | "stopClock"): Promise<void> {
  const host = random.pick(sim.hosts);
  host.wall.offsetMs = random.between(-HOUR_MS, HOUR_MS);
  // One that stands still gets a push by the next jump.
  host.wall.drift = kind === "stopClock" ? -1 : random.between(-0.001, 0.001);
  sim.trace.note(`${host.address} has its clock set ${Math.round(host.wall.offsetMs)} ms off: ${kind}`);
}
