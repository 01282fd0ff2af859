import { setImmediate } from "node:timers";

/** An event that has not happened yet. */
export interface ScheduledEvent {
  readonly atMs: number;
  readonly order: number;
  readonly happen: () => void;
  cancelled: boolean;
}

/**
 * Virtual time: the next event happens as soon as nothing is left to do at
 * the present one.
 *
 * All that the simulated nodes wait for is an event here; what does not wait settles in microtasks, which
 * are drained between two events. So the order of everything follows from the order of the events: by time,
 * and at the same time by which was scheduled first.
 */
export class Scheduler {
  readonly #heap: ScheduledEvent[] = [];
  #nowMs = 0;
  #order = 0;
  #happened = 0;

  /** Milliseconds since the simulation began; not whole. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that have happened. */
  get happened(): number {
    return this.#happened;
  }

  /** Has something happen `ms` from now. */
  after(ms: number, happen: () => void): ScheduledEvent {
    const atMs = this.#nowMs + Math.max(0, ms);
    const event = { atMs, order: this.#order++, happen, cancelled: false };
    push(this.#heap, event);
    return event;
  }

  /** Resolves `ms` from now. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /**
   * Lets time pass until `main` has settled; what is left to happen then never does.
   *
   * @throws {Error} If nothing is left to happen before that, or it takes longer than `limitMs`.
   */
  async run<T>(main: () => Promise<T>, limitMs: number): Promise<T> {
    let settled = false;
    const outcome = main().finally(() => settled = true);
    outcome.catch(() => {});
    await drainMicrotasks();
    while (!settled) {
      const event = pop(this.#heap);
      if (event === undefined) {
        throw new Error("Cannot go on: all that is left waits for something that never comes");
      }
      if (event.cancelled) continue;
      if (event.atMs > limitMs) throw new Error(`Cannot go on: not done after ${limitMs} virtual ms`);
      this.#nowMs = event.atMs;
      this.#happened++;
      event.happen();
      await drainMicrotasks();
    }
    return await outcome;
  }
}

/** Microtasks run to the last before the event loop turns: 3.5 µs, where a timer of 0 ms takes 2 ms. */
function drainMicrotasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isBefore(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: ScheduledEvent[], event: ScheduledEvent): void {
  let at = heap.length;
  while (at > 0) {
    const parent = (at - 1) >>> 1;
    if (!isBefore(event, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: ScheduledEvent[]): ScheduledEvent | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (last === undefined || first === last) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
    if (!isBefore(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first;
}
