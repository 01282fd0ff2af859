import { hash128 } from "../../lib/core/hash.ts";
import type { Random } from "../../lib/ports/random.ts";

/**
 * Chance from a seed, the same every time (sfc32, Chris Doty-Humphrey).
 *
 * A fork depends on the seed and its label alone, not on what was drawn
 * before: network, faults and workload do not disturb one another's draws.
 */
export class SeededRandom implements Random {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  constructor(seed: string | number) {
    this.#seed = String(seed);
    const view = new DataView(hash128(this.#seed).slice().buffer);
    this.#a = view.getInt32(0);
    this.#b = view.getInt32(4);
    this.#c = view.getInt32(8);
    this.#counter = view.getInt32(12);
    for (let i = 0; i < 12; i++) this.next();
  }

  /** Another source of chance, of the same seed and this label. */
  fork(label: string): SeededRandom {
    return new SeededRandom(`${this.#seed}/${label}`);
  }

  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  }

  hex(length: number): string {
    let text = "";
    for (let i = 0; i < length; i++) text += this.below(256).toString(16).padStart(2, "0");
    return text;
  }

  /** A whole number from 0 to before `bound`. */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  /** A number from `low` to before `high`. */
  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** True with that probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of the items, of which there must be one. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("Cannot pick from an empty list");
    return items[this.below(items.length)]!;
  }

  /** The items in another order. */
  shuffled<T>(items: readonly T[]): T[] {
    const rest = [...items];
    const shuffled: T[] = [];
    while (rest.length > 0) shuffled.push(...rest.splice(this.below(rest.length), 1));
    return shuffled;
  }

  /** Times between events that come at random, with that mean. */
  exponential(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }
}
