import { DhtError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";

/** How long bulk work rests after each piece while requests come, in times of what the piece took. */
const REST_FACTOR = 2;
/** No rest is longer: a piece that took so long waited for something else. */
const REST_MAX_MS = 250;
/** Pieces that may wait for their turn; more are refused, as who asks for them would give up before it. */
const MAX_WAITING = 64;

/**
 * Lets requests go before bulk work: pieces run one at a time, and while requests come each is followed by a rest.
 *
 * The busier a node is, the longer a piece takes and so the rest behind it: what is left to bulk work is a share of
 * the node's time, a third, and of an idle node all of it.
 */
export class Yielding {
  readonly #clock: Clock;
  /** Requests served so far. */
  readonly #served: () => number;
  #last: Promise<unknown> = Promise.resolve();
  #restUntilMs = -Infinity;
  #seen = 0;
  #waiting = 0;

  constructor(clock: Clock, served: () => number) {
    this.#clock = clock;
    this.#served = served;
  }

  /** Runs one piece of bulk work when it is its turn. @throws {DhtError} "overloaded" where too many wait. */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING) {
      return Promise.reject(
        new DhtError("overloaded", `Cannot answer: ${this.#waiting} other messages ask for whole partitions`),
      );
    }
    this.#waiting++;
    const piece = this.#last.then(() => this.#run(work)).finally(() => this.#waiting--);
    this.#last = piece.catch(() => {});
    return piece;
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    const restMs = this.#restUntilMs - this.#clock.monotonicMs();
    if (restMs > 0 && this.#served() !== this.#seen) await this.#clock.sleep(restMs);
    const beganMs = this.#clock.monotonicMs();
    this.#seen = this.#served();
    try {
      return await work();
    } finally {
      const nowMs = this.#clock.monotonicMs();
      this.#restUntilMs = nowMs + Math.min(REST_MAX_MS, REST_FACTOR * (nowMs - beganMs));
    }
  }
}
