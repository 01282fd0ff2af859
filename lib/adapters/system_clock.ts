import type { Clock } from "../ports/clock.ts";

/** The longest a timer can be set to; a longer one would end at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The clock and the timers of this process. */
export class SystemClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  /**
   * Never ends early, but takes more than 24 days for that long.
   *
   * It keeps the process alive until it ends: a client that waits before it tries again has nothing else
   * that would. Whoever stops aborts its sleeps, which takes their timers away.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, Math.min(ms, MAX_TIMER_MS));
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}
