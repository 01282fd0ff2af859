import type { Clock } from "../ports/clock.ts";

/** The part of the clock that a client needs. */
export type ClientClock = Pick<Clock, "monotonicMs" | "sleep">;

/** The clock of the process. */
export const PROCESS_CLOCK: ClientClock = {
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = setTimeout(finish, ms);
      signal?.addEventListener("abort", abandon);
      function finish() {
        signal?.removeEventListener("abort", abandon);
        resolve();
      }
      function abandon() {
        clearTimeout(timer);
        reject(signal?.reason);
      }
    }),
};

/** The other side did nothing for too long. */
export class StalledError extends Error {
  override readonly name = "StalledError";

  constructor(readonly idleMs: number) {
    super(`nothing came for ${idleMs / 1000} s`);
  }
}

/**
 * Ends a call in which the other side does nothing for `idleMs`.
 *
 * Time spent waiting on this side, between `pause()` and `resume()`, does not count.
 */
export class Watchdog {
  readonly #clock: ClientClock;
  readonly #idleMs: number;
  readonly #stopped = new AbortController();
  readonly #expired = new AbortController();
  #lastMs: number;
  #paused = false;
  #watching = true;

  constructor(clock: ClientClock, idleMs: number) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#lastMs = clock.monotonicMs();
    this.#watch();
  }

  /** Aborted with a `StalledError` once the time is over. */
  get signal(): AbortSignal {
    return this.#expired.signal;
  }

  pause(): void {
    this.#paused = true;
  }

  /** The other side has the full time again. */
  resume(): void {
    this.#paused = false;
    this.#lastMs = this.#clock.monotonicMs();
    if (this.#watching || this.#stopped.signal.aborted) return;
    this.#watching = true;
    this.#watch();
  }

  /** To be called in the end, whatever happened: it leaves no timer behind. */
  stop(): void {
    this.#stopped.abort();
  }

  async #watch(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      // What nobody goes on with leaves no timer behind for ever.
      if (this.#paused) return void (this.#watching = false);
      const leftMs = this.#lastMs + this.#idleMs - this.#clock.monotonicMs();
      if (leftMs <= 0) return this.#expired.abort(new StalledError(this.#idleMs));
      try {
        await this.#clock.sleep(leftMs, this.#stopped.signal);
      } catch {
        return;
      }
    }
  }
}
