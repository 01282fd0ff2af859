import { sentence } from "../core/errors.ts";
import { type BackgroundRates, DEFAULT_RATES } from "../core/rates.ts";
import type { Clock } from "../ports/clock.ts";

/** What a node does by itself: names of its background tasks. */
export type BackgroundName =
  | "transfer"
  | "hints"
  | "anti-entropy"
  | "scrub"
  | "tombstones"
  | "expiry"
  | "garbage";

/** How far a background task has come, for people. */
export interface BackgroundView {
  readonly name: BackgroundName;
  readonly running: boolean;
  /** Steps of the present round, or of the last; what one step is depends on the task. */
  readonly done: number;
  readonly left: number;
  readonly unit: "partitions" | "records" | "values";
  /** Bytes moved or read since the node started, and per second over the present round, or the last. */
  readonly bytes: number;
  readonly bytesPerSecond: number;
  /** Failures since the node started, and the last of them in one sentence; absent once a round has gone well. */
  readonly failed: number;
  readonly error?: string;
  /** When a round last ended without a failure, by this node's clock; absent: not since it started. */
  readonly completedMs?: number;
}

/** Waits until that many bytes may be used. */
export type Pace = (bytes: number) => Promise<void>;

/** A debt of this many milliseconds is not slept off at once: short sleeps are not exact. */
const MIN_SLEEP_MS = 20;

/** One background task of a node: what it may use, and what people see of it. */
export class BackgroundTask {
  readonly #name: BackgroundName;
  readonly #unit: BackgroundView["unit"];
  readonly #bytesPerSecond: number;
  readonly #clock: Clock;
  #running = false;
  #done = 0;
  #left = 0;
  #bytes = 0;
  #failed = 0;
  #error: string | undefined;
  #completedMs: number | undefined;
  #roundFailed = 0;
  #round = { startMs: 0, endMs: 0, bytes: 0 };
  /** When the rate has paid for all that was used, by the monotonic clock. */
  #paidMs = 0;

  constructor(
    name: BackgroundName,
    options: {
      readonly unit: BackgroundView["unit"];
      readonly bytesPerSecond: number;
      readonly clock: Clock;
    },
  ) {
    this.#name = name;
    this.#unit = options.unit;
    this.#bytesPerSecond = options.bytesPerSecond;
    this.#clock = options.clock;
  }

  /** Begins a round of that many steps, where they are known. */
  begin(left = 0): void {
    const nowMs = this.#clock.monotonicMs();
    this.#running = true;
    this.#done = 0;
    this.#left = left;
    this.#roundFailed = 0;
    this.#round = { startMs: nowMs, endMs: nowMs, bytes: 0 };
  }

  /** Counts steps that are done. */
  advance(steps = 1): void {
    this.#done += steps;
    this.#left = Math.max(0, this.#left - steps);
  }

  /** Says anew how much is left. */
  setLeft(left: number): void {
    this.#left = left;
  }

  /** Notes a failure; the round may go on. */
  fail(error: unknown): void {
    this.#failed++;
    this.#roundFailed++;
    this.#error = sentence(error);
  }

  /** Ends the round. */
  end(): void {
    this.#running = false;
    this.#round.endMs = this.#clock.monotonicMs();
    if (this.#roundFailed > 0) return;
    this.#left = 0;
    this.#error = undefined;
    this.#completedMs = this.#clock.nowMs();
  }

  /**
   * Counts bytes that are about to be used, and waits as long as the rate asks for.
   *
   * @throws What `signal` was aborted with.
   */
  async pace(bytes: number, signal?: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    this.#bytes += bytes;
    this.#round.bytes += bytes;
    this.#round.endMs = nowMs;
    if (this.#bytesPerSecond === Infinity) return;
    this.#paidMs = Math.max(this.#paidMs, nowMs) + 1_000 * bytes / this.#bytesPerSecond;
    const debtMs = this.#paidMs - nowMs;
    if (debtMs >= MIN_SLEEP_MS) await this.#clock.sleep(debtMs, signal);
  }

  get view(): BackgroundView {
    return {
      name: this.#name,
      running: this.#running,
      done: this.#done,
      left: this.#left,
      unit: this.#unit,
      bytes: this.#bytes,
      bytesPerSecond: this.#shownRate(),
      failed: this.#failed,
      ...(this.#error === undefined ? {} : { error: this.#error }),
      ...(this.#completedMs === undefined ? {} : { completedMs: this.#completedMs }),
    };
  }

  #shownRate(): number {
    const { startMs, endMs, bytes } = this.#round;
    const untilMs = this.#running ? this.#clock.monotonicMs() : endMs;
    // Bytes count from when they are asked for: until the rate has paid for them, they are still on their way.
    const spanMs = Math.max(untilMs, this.#paidMs) - startMs;
    return spanMs > 0 ? 1_000 * bytes / spanMs : 0;
  }
}

/** All background tasks of one node. */
export type Background = Readonly<Record<BackgroundName, BackgroundTask>>;

/** The background tasks of a node, none of them begun. */
export function backgroundTasks(clock: Clock, rates: BackgroundRates = DEFAULT_RATES): Background {
  const task = (name: BackgroundName, unit: BackgroundView["unit"], bytesPerSecond: number) =>
    new BackgroundTask(name, { unit, bytesPerSecond, clock });
  return {
    "transfer": task("transfer", "partitions", rates.transfer),
    "hints": task("hints", "records", rates.repair),
    "anti-entropy": task("anti-entropy", "partitions", rates.repair),
    "scrub": task("scrub", "partitions", rates.scrub),
    "tombstones": task("tombstones", "partitions", rates.repair),
    "expiry": task("expiry", "partitions", rates.repair),
    "garbage": task("garbage", "values", Infinity),
  };
}
