import type { Clock } from "../lib/ports/clock.ts";
import type { Log, LogFields } from "../lib/ports/log.ts";

/** Least pause between two lines. */
const PAUSE_MS = 1_000;

/** Logs requests without the ring's secret: at most one a second, so that whoever sends many fills no disk with it. */
export class RefusalLog {
  readonly #log: Log;
  readonly #clock: Clock;
  #saidMs = -Infinity;
  #unsaid = 0;

  constructor({ log, clock }: { readonly log: Log; readonly clock: Clock }) {
    this.#log = log;
    this.#clock = clock;
  }

  /** A request was refused. `notLogged` says how many were since the line before. */
  note(fields: LogFields): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#saidMs < PAUSE_MS) return void this.#unsaid++;
    const notLogged = this.#unsaid === 0 ? {} : { notLogged: this.#unsaid };
    this.#saidMs = nowMs;
    this.#unsaid = 0;
    this.#log.event("warn", "unauthorized_request", "Refused a request without the ring's secret", {
      ...fields,
      ...notLogged,
    });
  }
}
