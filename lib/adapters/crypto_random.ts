import { encodeHex } from "@std/encoding/hex";
import type { Random } from "../ports/random.ts";

/** Draws fetched from the system at a time. */
const POOL_DRAWS = 256;

/** Chance from the system's cryptographic source. */
export class CryptoRandom implements Random {
  readonly #pool = new BigUint64Array(POOL_DRAWS);
  #used = POOL_DRAWS;

  /** Even over all multiples of 2^-53. */
  next(): number {
    if (this.#used === POOL_DRAWS) {
      crypto.getRandomValues(this.#pool);
      this.#used = 0;
    }
    return Number((this.#pool[this.#used++] ?? 0n) >> 11n) / 2 ** 53;
  }

  hex(length: number): string {
    return encodeHex(crypto.getRandomValues(new Uint8Array(length)));
  }
}
