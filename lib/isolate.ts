/** What an isolate runs for its requests. */
export interface Served {
  /** Whether its database is still its own; it may throw where that cannot be found out. */
  isOwner(): Promise<boolean>;
  stop(): Promise<void>;
}

/**
 * The node of an isolate that somebody else starts, stops and hands requests to: `deno serve`, or a serverless host.
 *
 * It is started once, by whoever asks first. Where isolates share a database, the last one to open it owns it: an
 * isolate that lost it opens it again. A start that failed is tried again by the next request.
 */
export class Isolate<T extends Served> {
  readonly #start: () => Promise<T>;
  readonly #underWay = new Set<Promise<unknown>>();
  #running: Promise<T> | undefined;

  constructor(start: () => Promise<T>) {
    this.#start = start;
  }

  /** The running node; throws what its start threw. */
  async running(): Promise<T> {
    const asked = this.#once();
    const running = await asked;
    if (await running.isOwner().catch(() => false)) return running;
    if (this.#running === asked) {
      this.#running = undefined;
      await running.stop().catch(() => {});
    }
    return await this.#once();
  }

  /** Remembers a request until its answer is delivered, or has failed. */
  watch(completed: Promise<unknown>): void {
    const settled = completed.catch(() => {}).finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
  }

  /**
   * Stops the node, if there is one, when the requests under way are answered.
   *
   * @param deadline Ends the waiting for them.
   */
  async stop(deadline: Promise<unknown>): Promise<void> {
    await Promise.race([Promise.all(this.#underWay), deadline]);
    const running = await this.#running?.catch(() => undefined);
    await running?.stop();
  }

  #once(): Promise<T> {
    if (this.#running !== undefined) return this.#running;
    const starting = this.#start();
    this.#running = starting;
    starting.catch(() => {
      if (this.#running === starting) this.#running = undefined;
    });
    return starting;
  }
}
