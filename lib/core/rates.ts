/** Bytes a second that groups of background tasks may move or read; Infinity where there is no limit. */
export interface BackgroundRates {
  /** Fetching what a change of layout asks for. */
  readonly transfer: number;
  /** Hints and anti-entropy. */
  readonly repair: number;
  /** Verifying this node's own data. */
  readonly scrub: number;
}

const MIB = 1024 * 1024;

/** The rates of a node of which nothing is said. */
export const DEFAULT_RATES: BackgroundRates = { transfer: 64 * MIB, repair: 32 * MIB, scrub: 4 * MIB };
