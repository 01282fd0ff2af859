import type { SeededRandom } from "../support/seeded_random.ts";
import { crashSoon, type FaultScene, isLayoutChanging, NODE_FAULTS, OTHER_FAULTS } from "./fault_kinds.ts";
import type { Host } from "./host.ts";
import type { Simulation } from "./simulation.ts";

/** Share of the changes of layout in the middle of which a node crashes. */
const CRASH_IN_CHANGE = 0.65;
/** How long a change of layout is given to begin, before a crash in it is given up. */
const CHANGE_BEGINS_MS = 4_000;
const LOOK_MS = 5;

/** Name of a fault: everything that can go wrong by itself. */
export type Fault = keyof typeof NODE_FAULTS | keyof typeof OTHER_FAULTS;

/** All faults. */
export const FAULTS = [...Object.keys(NODE_FAULTS), ...Object.keys(OTHER_FAULTS)] as readonly Fault[];

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
  readonly #scene: FaultScene;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #end = Promise.withResolvers<void>();
  #hurried = Promise.withResolvers<void>();
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(sim: Simulation, kinds: readonly Fault[] = FAULTS) {
    this.#sim = sim;
    this.#random = sim.random.fork("faults");
    this.#kinds = kinds;
    this.#scene = { sim, random: this.#random, count: (what) => this.count(what) };
  }

  /** Begins, with a pause of that mean between two faults. */
  start(pauseMs: number): void {
    this.#running = this.#run(pauseMs);
    // Whoever stops it hears of what it throws.
    this.#running.catch(() => {});
  }

  /** Ends; resolves when the last node that was taken away is back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#end.resolve();
    await this.#running;
  }

  /**
   * Makes a change of layout in the middle of which, more often than not, a node crashes, and is started again;
   * otherwise the next fault comes soon, now and then.
   *
   * @param change What begins it; it may take as long as it likes.
   * @param concerned Nodes that are likelier to crash than others.
   */
  async during<T>(change: () => Promise<T>, concerned: readonly Host[] = []): Promise<T> {
    if (this.#stopped || !this.#random.chance(CRASH_IN_CHANGE)) {
      this.#hurry();
      return await change();
    }
    let changing: Promise<T> | undefined;
    await this.takeTurn(async () => {
      changing = change();
      // Who awaits it below hears of what it throws.
      changing.catch(() => {});
      if (await this.#changeBegins()) await this.#crashOne(concerned);
    });
    return await changing!;
  }

  /** Has a node crash now, as `during` does, if the layout is changing. Only for who has the turn. */
  async crashInChange(concerned: readonly Host[]): Promise<void> {
    if (this.#stopped || !this.#random.chance(CRASH_IN_CHANGE)) return;
    if (isLayoutChanging(this.#sim)) await this.#crashOne(concerned);
  }

  /** Does `work`, which takes a node away, while no other node is away. */
  takeTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Injects this fault at a node once it is its turn; resolves when the node is back. */
  async inject(kind: keyof typeof NODE_FAULTS, host: Host): Promise<void> {
    await this.takeTurn(async () => {
      if (!host.ready) return;
      this.count(kind);
      await NODE_FAULTS[kind](this.#scene, host);
    });
  }

  /** Notes that something was injected. */
  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** Has the next fault come soon, now and then: the layout is about to change. */
  #hurry(): void {
    if (this.#random.chance(0.5)) return;
    this.#sim.scheduler.after(this.#random.exponential(50), () => {
      this.#hurried.resolve();
      this.#hurried = Promise.withResolvers<void>();
    });
  }

  async #changeBegins(): Promise<boolean> {
    const deadlineMs = this.#sim.nowMs + CHANGE_BEGINS_MS;
    while (!isLayoutChanging(this.#sim) && this.#sim.nowMs < deadlineMs) await this.#sim.sleep(LOOK_MS);
    return isLayoutChanging(this.#sim);
  }

  async #crashOne(concerned: readonly Host[]): Promise<void> {
    await this.#sim.sleep(this.#random.exponential(40));
    const { ready } = this.#sim;
    if (ready.length < 3) return;
    const likely = concerned.filter((host) => ready.includes(host));
    const candidates = likely.length > 0 && this.#random.chance(0.5) ? likely : ready;
    await crashSoon(this.#scene, this.#random.pick(candidates));
  }

  async #run(pauseMs: number): Promise<void> {
    while (!this.#stopped) {
      const pause = this.#sim.sleep(this.#random.exponential(pauseMs));
      await Promise.race([pause, this.#end.promise, this.#hurried.promise]);
      if (this.#stopped) return;
      const kind = this.#random.pick(this.#kinds);
      if (isOther(kind)) {
        this.count(kind);
        await OTHER_FAULTS[kind](this.#scene);
      } else await this.takeTurn(() => this.#takeAway(kind));
    }
  }

  async #takeAway(kind: keyof typeof NODE_FAULTS): Promise<void> {
    const { ready } = this.#sim;
    if (this.#stopped || ready.length < 3) return;
    this.count(kind);
    await NODE_FAULTS[kind](this.#scene, this.#random.pick(ready));
  }
}

function isOther(kind: Fault): kind is keyof typeof OTHER_FAULTS {
  return kind in OTHER_FAULTS;
}
