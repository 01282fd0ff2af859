import type { StoreKey } from "../ports/store.ts";

/** Calls of the database that may be under way; reads that come meanwhile gather for the next. */
const MAX_UNDER_WAY = 4;

interface Waiting<T> {
  readonly keys: readonly StoreKey[];
  readonly resolve: (entries: T[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads of few keys each that come at about the same time, as calls of many keys: a call costs more than a key.
 *
 * A read waits for the end of its turn, and where several calls are under way for the first of them. The keys of one
 * read are in one call, and so in one snapshot.
 */
export class GatheredReads<T> {
  readonly #call: (keys: StoreKey[]) => Promise<T[]>;
  readonly #keysPerCall: number;
  #waiting: Waiting<T>[] = [];
  #underWay = 0;
  #isScheduled = false;

  /** @param call Reads at most `keysPerCall` keys; entries come in their order. */
  constructor(keysPerCall: number, call: (keys: StoreKey[]) => Promise<T[]>) {
    this.#keysPerCall = keysPerCall;
    this.#call = call;
  }

  /** The entries of at most `keysPerCall` keys, in their order. */
  read(keys: readonly StoreKey[]): Promise<T[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ keys, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#underWay >= MAX_UNDER_WAY) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      while (this.#waiting.length > 0 && this.#underWay < MAX_UNDER_WAY) this.#begin(this.#take());
    });
  }

  #take(): Waiting<T>[] {
    let count = 0;
    let keys = 0;
    while (count < this.#waiting.length && keys + this.#waiting[count]!.keys.length <= this.#keysPerCall) {
      keys += this.#waiting[count++]!.keys.length;
    }
    if (count < this.#waiting.length) return this.#waiting.splice(0, count);
    const all = this.#waiting;
    this.#waiting = [];
    return all;
  }

  async #begin(reads: readonly Waiting<T>[]): Promise<void> {
    this.#underWay++;
    try {
      const entries = await this.#call(reads.flatMap(({ keys }) => keys));
      let next = 0;
      for (const { keys, resolve } of reads) resolve(entries.slice(next, next += keys.length));
    } catch (error) {
      for (const { reject } of reads) reject(error);
    } finally {
      this.#underWay--;
      if (this.#waiting.length > 0) this.#schedule();
    }
  }
}
