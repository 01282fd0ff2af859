import type { Clock } from "../../lib/ports/clock.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Life } from "./sim_process.ts";

/** When a simulation begins, by a clock that is right. */
export const EPOCH_MS = 1_700_000_000_000;

/** How a machine's wall clock is wrong. Its monotonic clock runs evenly. */
export interface WallClock {
  offsetMs: number;
  /** Milliseconds it gains in one; 0 for a clock that runs as it should. */
  drift: number;
}

/** The clock of one run of a node. When that has died, nobody waits on it any more. */
export class SimClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #wall: WallClock;
  readonly #life: Life;

  constructor(scheduler: Scheduler, wall: WallClock, life: Life) {
    this.#scheduler = scheduler;
    this.#wall = wall;
    this.#life = life;
  }

  nowMs(): number {
    const { offsetMs, drift } = this.#wall;
    return Math.floor(EPOCH_MS + this.#scheduler.nowMs * (1 + drift) + offsetMs);
  }

  monotonicMs(): number {
    return this.#scheduler.nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = (): void => {
        event.cancelled = true;
        reject(signal?.reason);
      };
      const event = this.#scheduler.after(ms, () => {
        this.#life.perform(() => {
          if (event.cancelled) return;
          signal?.removeEventListener("abort", onAbort);
          this.#life.reach("as a wait ends");
          if (this.#life.alive) resolve();
        });
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}
