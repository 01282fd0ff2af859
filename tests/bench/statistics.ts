/** What several rounds of one measurement came to. */
export interface Figures {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** How far the rounds lie apart: (most - least) / median; 0 where the median is. */
  readonly spread: number;
  readonly rounds: number;
}

/** @throws {RangeError} If there is no sample. */
export function figuresOf(samples: readonly number[]): Figures {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = median(sorted);
  const [least, most] = [sorted[0]!, sorted.at(-1)!];
  return {
    median: middle,
    least,
    most,
    spread: middle === 0 ? 0 : (most - least) / Math.abs(middle),
    rounds: sorted.length,
  };
}

/**
 * The middle of the samples, in whatever order; of an even number the mean of the two in the middle.
 *
 * @throws {RangeError} If there is none.
 */
export function median(samples: readonly number[]): number {
  if (samples.length === 0) throw new RangeError("Cannot take the median of no samples");
  const sorted = [...samples].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1]! + sorted[Math.floor(half)]!) / 2;
}

/**
 * The smallest sample that at least `percent` of all samples do not exceed (nearest rank).
 *
 * @param percent Above 0, at most 100.
 * @throws {RangeError} If there is no sample, or `percent` is out of range.
 */
export function percentile(samples: readonly number[], percent: number): number {
  if (samples.length === 0) throw new RangeError("Cannot take a percentile of no samples");
  if (!(percent > 0 && percent <= 100)) throw new RangeError(`There is no percentile ${percent}`);
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.ceil(percent / 100 * sorted.length) - 1]!;
}
