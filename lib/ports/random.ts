/** Chance: the system's, or a simulation's seeded one. */
export interface Random {
  /** A number from 0 (included) to 1 (excluded). */
  next(): number;
  /** `length` random bytes as lower-case hex, two digits a byte: for ids that must not collide. */
  hex(length: number): string;
}
