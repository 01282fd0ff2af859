import type { Host } from "./host.ts";
import { FAIR, type Weather } from "./network.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import { nodeAt, type Simulation } from "./simulation.ts";

const HOUR_MS = 3_600_000;
/** How long a fault waits for a node to be back before the next may come. */
const RECOVERY_MS = 120_000;

/** Everything that can go wrong by itself. */
const FAULTS = [
  "crash",
  "crashAtCommit",
  "restart",
  "isolate",
  "deafen",
  "mute",
  "sever",
  "bridge",
  "fillDisk",
  "wipe",
  "jumpClock",
  "stopClock",
  "storm",
] as const;

/** Name of a fault. */
export type Fault = (typeof FAULTS)[number];

const CUTS = ["isolate", "deafen", "mute", "sever", "bridge"] as const;
type CutKind = (typeof CUTS)[number];

/**
 * Injects one fault after the other.
 *
 * What takes a node away takes a turn first, as do the operators who take one away for good: so at most one
 * owner of any key is missing at a time, as the promises ask, and the next only when that one is back.
 */
export class Faults {
  /** How often each was injected, and how often a node crashed while the layout changed. */
  readonly counts: Map<string, number> = new Map();
  readonly #sim: Simulation;
  readonly #random: SeededRandom;
  readonly #kinds: readonly Fault[];
  #turn: Promise<unknown> = Promise.resolve();
  readonly #end = Promise.withResolvers<void>();
  #hurried = Promise.withResolvers<void>();
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(sim: Simulation, kinds: readonly Fault[] = FAULTS) {
    this.#sim = sim;
    this.#random = sim.random.fork("faults");
    this.#kinds = kinds;
  }

  /** Begins, with a pause of that mean between two faults. */
  start(pauseMs: number): void {
    this.#running = this.#run(pauseMs);
  }

  /** Ends; resolves when the last node that was taken away is back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#end.resolve();
    await this.#running;
  }

  /** Has the next fault come soon, now and then: the layout is about to change. */
  hurry(): void {
    if (this.#random.chance(0.5)) return;
    this.#sim.scheduler.after(this.#random.exponential(50), () => {
      this.#hurried.resolve();
      this.#hurried = Promise.withResolvers<void>();
    });
  }

  /** Does `work`, which takes a node away, while no other node is away. */
  takeTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #run(pauseMs: number): Promise<void> {
    while (!this.#stopped) {
      const pause = this.#sim.sleep(this.#random.exponential(pauseMs));
      await Promise.race([pause, this.#end.promise, this.#hurried.promise]);
      if (this.#stopped) return;
      const kind = this.#random.pick(this.#kinds);
      if (kind === "jumpClock" || kind === "stopClock") this.#setClock(kind);
      else if (kind === "storm") await this.#storm();
      else await this.takeTurn(() => this.#takeAway(kind));
    }
  }

  async #takeAway(kind: Exclude<Fault, "jumpClock" | "stopClock" | "storm">): Promise<void> {
    const { ready } = this.#sim;
    if (this.#stopped || ready.length < 3) return;
    const host = this.#random.pick(ready);
    this.count(kind);
    if (isCut(kind)) return await this.#cutOff(host, kind);
    if (kind === "fillDisk") return await this.#fillDisk(host);
    if (this.#isChanging()) this.count("crashes in a layout change");
    await this.#take(host, kind);
    if (host.gone) return;
    await this.#sim.sleep(this.#random.exponential(1_500));
    if (kind === "wipe") {
      host.wipe();
      host.boot(this.#sim.ready.map(({ address }) => address));
    } else host.boot();
    await this.#recovered(host, kind);
  }

  async #take(host: Host, kind: "crash" | "crashAtCommit" | "restart" | "wipe"): Promise<void> {
    if (kind === "restart") return await host.stop();
    if (kind === "crashAtCommit") {
      const when = this.#random.pick(["before", "after"] as const);
      const patience = this.#sim.sleep(3_000);
      await Promise.race([host.crashAtCommit(this.#random.below(20), when), patience]);
    }
    host.crash();
  }

  /** A restarted node counts once it is in its ring; one with a new disk once it holds its share. */
  async #recovered(host: Host, kind: Fault): Promise<void> {
    const isBack = kind === "wipe"
      ? () => host.gone || this.#holdsItsShare(host)
      : () => host.gone || host.ready;
    await this.#sim.until(`${host.address} is back`, isBack, RECOVERY_MS);
  }

  #holdsItsShare(host: Host): boolean {
    return this.#sim.ready.every(({ running }) => {
      const ring = running!.node.ring();
      const seen = ring.nodes.find(({ address }) => address === host.address);
      return seen?.state === "up" && seen.storeId === host.running?.keeper.self.storeId && !ring.changing;
    });
  }

  async #cutOff(host: Host, kind: CutKind): Promise<void> {
    const others = this.#sim.ready.filter((other) => other !== host);
    const other = this.#random.pick(others).address;
    const self = host.address;
    // The two severed do not reach one another; over a bridge a node reaches but one other.
    const isFar = (address: string) =>
      address !== self &&
      (kind === "sever" ? address === other : kind === "bridge" ? address !== other : true);
    const stops = (from: string, to: string) =>
      (kind !== "deafen" && from === self && isFar(to)) || (kind !== "mute" && to === self && isFar(from));
    const refuses = this.#random.chance(0.5);
    this.#sim.trace.note(
      `${kind}: ${self}${kind === "sever" || kind === "bridge" ? ` and ${other}` : ""} ${refuses}`,
    );
    const heal = this.#sim.network.cutWhere(stops, { refuses });
    await this.#sim.sleep(
      this.#random.chance(0.5) ? this.#random.between(50, 500) : this.#random.between(500, 8_000),
    );
    heal();
    this.#sim.trace.note(`${host.address} is connected again`);
    // Sometimes long enough for the others to have met it again, sometimes not.
    if (this.#random.chance(0.5)) await this.#sim.sleep(this.#random.between(0, 3_000));
  }

  async #fillDisk(host: Host): Promise<void> {
    const { disk } = host;
    disk.full = true;
    this.#sim.trace.note(`${host.address} has a full disk`);
    await this.#sim.sleep(this.#random.between(100, 5_000));
    disk.full = false;
    this.#sim.trace.note(`${host.address} has room on its disk again`);
  }

  async #storm(): Promise<void> {
    this.count("storm");
    this.#sim.trace.note("a storm begins");
    const { weather } = this.#sim.network;
    const before: Weather = { ...weather };
    Object.assign(weather, {
      ...FAIR,
      meanDelayMs: this.#random.between(2, 60),
      slow: 0.1,
      loss: 0.05,
      duplicate: 0.1,
    });
    await this.#sim.sleep(this.#random.between(500, 4_000));
    Object.assign(weather, before);
    this.#sim.trace.note("the storm ends");
  }

  #setClock(kind: "jumpClock" | "stopClock"): void {
    const host = this.#random.pick(this.#sim.hosts);
    this.count(kind);
    host.wall.offsetMs = this.#random.between(-HOUR_MS, HOUR_MS);
    // One that stands still gets a push by the next jump.
    host.wall.drift = kind === "stopClock" ? -1 : this.#random.between(-0.001, 0.001);
    this.#sim.trace.note(
      `${host.address} has its clock set ${Math.round(host.wall.offsetMs)} ms off: ${kind}`,
    );
  }

  #isChanging(): boolean {
    return this.#sim.ready.some((host) => nodeAt(host).ring().changing);
  }

  /** Notes that something was injected. */
  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

function isCut(kind: Fault): kind is CutKind {
  return (CUTS as readonly Fault[]).includes(kind);
}
