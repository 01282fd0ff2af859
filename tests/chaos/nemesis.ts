import type { SeededRandom } from "../support/seeded_random.ts";
import type { Fleet } from "./fleet.ts";
import { type Step, STEPS } from "./steps.ts";
import { pause } from "./waiting.ts";

const MAX_PAUSE_MS = 1_500;

/** A step that was taken. */
export interface Taken {
  readonly name: string;
  /** To whom, and how. */
  text: string;
  readonly fromMs: number;
  /** Infinity until the ring was healed again. */
  toMs: number;
}

/** Takes one step after another and lets the ring heal after each. */
export class Nemesis {
  readonly taken: Taken[] = [];
  readonly #fleet: Fleet;
  readonly #random: SeededRandom;
  readonly #least: number;
  readonly #most: number;
  #deck: readonly Step[] = [];

  /** @param nodes About how many the ring is to have. */
  constructor(fleet: Fleet, random: SeededRandom, nodes: number) {
    this.#fleet = fleet;
    this.#random = random;
    this.#least = Math.max(3, nodes - 1);
    this.#most = nodes + 1;
  }

  /**
   * Goes on for that long, and to the end of its last step.
   *
   * @throws {NotInTimeError} If the ring does not heal.
   */
  async rage(ms: number, signal: AbortSignal): Promise<void> {
    const endMs = performance.now() + ms;
    while (performance.now() < endMs) {
      const random = this.#random.fork(`step ${this.taken.length}`);
      await pause(random.between(0, MAX_PAUSE_MS), signal);
      const step = this.#draw();
      const victim = random.pick(this.#fleet.members);
      const taken = { name: step.name, text: victim.address, fromMs: performance.now(), toMs: Infinity };
      this.taken.push(taken);
      const say = (text: string) => taken.text += `, ${text}`;
      await step.run({ fleet: this.#fleet, random, victim, say, signal });
      await this.#fleet.healed();
      taken.toMs = performance.now();
    }
  }

  /** What was done at that time, in words. */
  at(ms: number): string {
    const step = this.taken.find(({ fromMs, toMs }) => fromMs <= ms && toMs >= ms);
    return step === undefined ? "between two steps" : `${step.name} (${step.text})`;
  }

  /** Each step comes once before any comes again, but for those that would make the ring too small or too large. */
  #draw(): Step {
    if (this.#deck.length === 0) {
      this.#deck = this.#random.fork(`deck ${this.taken.length}`).shuffled(STEPS);
    }
    const fits = ({ growth }: Step) => {
      const nodes = this.#fleet.members.length + growth;
      return nodes >= this.#least && nodes <= this.#most;
    };
    const step = this.#deck.find(fits);
    if (step === undefined) {
      this.#deck = [];
      return this.#draw();
    }
    this.#deck = this.#deck.filter((other) => other !== step);
    return step;
  }
}
