/**
 * Counts the calls under way on something that can be closed, so that closing
 * waits for them and lets no further one in.
 */
export class CallGate {
  readonly #what: string;
  #closed = false;
  #underWay = 0;
  #whenIdle: (() => void) | undefined;

  /** @param what What is closed, as in "the store". */
  constructor(what: string) {
    this.#what = what;
  }

  /** Runs a call, or throws `Error` where this is closed. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    this.#assertOpen();
    this.#underWay++;
    try {
      return await call();
    } finally {
      if (--this.#underWay === 0) this.#whenIdle?.();
    }
  }

  /** Lets no further call in, and resolves once none is under way. Throws `Error` the second time. */
  async close(): Promise<void> {
    this.#assertOpen();
    this.#closed = true;
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#whenIdle = resolve);
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error(`Cannot use ${this.#what}: it is closed`);
  }
}
