import type { Clock } from "../ports/clock.ts";

/** How often is looked for silences. */
const TICK_MS = 50;

/** Something that waits for others, and does more if they are silent for long. */
export interface Waiter {
  /** Called once, if it still waits then. */
  onSilence(): void;
}

/**
 * Tells those that have waited for a while: one timer for all of them while anybody waits, as one for each read would
 * cost more than the read.
 */
export class Silences {
  readonly #clock: Clock;
  readonly #ticks: number;
  /** Who waits, and the tick at which that began; in that order. */
  readonly #waiters = new Map<Waiter, number>();
  #tick = 0;
  #isTicking = false;

  /** @param ms Silence after which a waiter is told; it may be one tick more. */
  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ticks = Math.ceil(ms / TICK_MS);
  }

  watch(waiter: Waiter): void {
    this.#waiters.set(waiter, this.#tick);
    if (!this.#isTicking) void this.#run();
  }

  forget(waiter: Waiter): void {
    this.#waiters.delete(waiter);
  }

  async #run(): Promise<void> {
    this.#isTicking = true;
    while (this.#waiters.size > 0) {
      await this.#clock.sleep(TICK_MS);
      this.#tick++;
      this.#tellSilent();
    }
    this.#isTicking = false;
  }

  #tellSilent(): void {
    for (const [waiter, since] of this.#waiters) {
      if (this.#tick - since <= this.#ticks) return;
      this.#waiters.delete(waiter);
      waiter.onSilence();
    }
  }
}
