/** Counters below the greatest seen that may still come: requests overtake one another on parallel connections. */
const DEFAULT_SIZE = 16_384;

/**
 * Which counters of a session have been seen: each is accepted once.
 *
 * What is further behind the greatest than the window is long is refused unseen: it might be a replay.
 * Takes an eighth of a byte for each counter of the window.
 */
export class ReplayWindow {
  readonly #size: number;
  readonly #seen: Uint8Array;
  #greatest = 0;

  /** @param size Counters it is long, a multiple of 8. */
  constructor(size = DEFAULT_SIZE) {
    this.#size = size;
    this.#seen = new Uint8Array(size / 8);
  }

  /**
   * Whether a counter comes for the first time; it counts as seen from now on.
   *
   * @param counter A whole number of 1 or more, already known to be genuine: a forged one would shut out the rest.
   */
  accept(counter: number): boolean {
    if (counter + this.#size <= this.#greatest) return false;
    if (counter > this.#greatest) this.#advance(counter);
    const bit = counter % this.#size;
    const mask = 1 << (bit & 7);
    if ((this.#seen[bit >>> 3]! & mask) !== 0) return false;
    this.#seen[bit >>> 3]! |= mask;
    return true;
  }

  /** Makes room for the counters up to a new greatest. */
  #advance(greatest: number): void {
    if (greatest - this.#greatest >= this.#size) this.#seen.fill(0);
    else {
      for (let counter = this.#greatest + 1; counter <= greatest; counter++) {
        const bit = counter % this.#size;
        this.#seen[bit >>> 3]! &= ~(1 << (bit & 7));
      }
    }
    this.#greatest = greatest;
  }
}
