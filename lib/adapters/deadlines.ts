/** Something that ends by itself when its time is up. */
export interface Expiring {
  /** By `performance.now()`. */
  readonly deadlineMs: number;
  /** Called once, when the deadline has passed. */
  expire(): void;
}

/**
 * Deadlines of many things that mostly end long before: one timer for them all, which is seldom set, as setting one
 * for each costs more than sending a message.
 */
export class Deadlines {
  readonly #items = new Set<Expiring>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerMs = Infinity;

  add(item: Expiring): void {
    this.#items.add(item);
    if (item.deadlineMs < this.#timerMs) this.#wakeAt(item.deadlineMs);
  }

  delete(item: Expiring): void {
    this.#items.delete(item);
  }

  /** Forgets all, and expires none. */
  close(): void {
    clearTimeout(this.#timer);
    this.#items.clear();
    this.#timerMs = Infinity;
  }

  #wakeAt(deadlineMs: number): void {
    clearTimeout(this.#timer);
    this.#timerMs = deadlineMs;
    // Timers count whole milliseconds: one that came early would be set again and again.
    const pauseMs = Math.max(0, Math.ceil(deadlineMs - performance.now()));
    this.#timer = setTimeout(() => this.#sweep(), pauseMs);
  }

  #sweep(): void {
    this.#timerMs = Infinity;
    const nowMs = performance.now();
    const due = [...this.#items].filter((item) => item.deadlineMs <= nowMs)
      .sort((a, b) => a.deadlineMs - b.deadlineMs);
    for (const item of due) {
      if (this.#items.delete(item)) item.expire();
    }
    let nextMs = Infinity;
    for (const item of this.#items) nextMs = Math.min(nextMs, item.deadlineMs);
    if (nextMs < this.#timerMs) this.#wakeAt(nextMs);
  }
}
