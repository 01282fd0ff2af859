/** Time as a node sees it: the system's clock, or a simulation's. */
export interface Clock {
  /** Milliseconds since 1970. May be wrong, jump and stand still; never used to measure a span. */
  nowMs(): number;
  /** Milliseconds since some fixed moment, never running backwards: for deadlines and rates. */
  monotonicMs(): number;
  /**
   * Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it is aborted.
   * A waiting sleep does not keep a process alive for longer than its signal lives.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
