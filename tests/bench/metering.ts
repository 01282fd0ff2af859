import { processUse } from "./proc.ts";
import type { Use } from "./report.ts";

/** Something that was done, and what the processes used for it. */
export interface Metered<T> {
  readonly result: T;
  readonly use?: Use;
}

/**
 * Does something, and says what the processes used meanwhile.
 *
 * @param operations How many operations that were.
 */
export async function metered<T>(
  pids: readonly number[],
  act: () => Promise<T>,
  operations: (result: T) => number,
): Promise<Metered<T>> {
  const before = processUse(pids);
  const result = await act();
  const after = processUse(pids);
  const count = operations(result);
  if (before === undefined || after === undefined || count === 0) return { result };
  const cpuPer1000 = (after.cpuSeconds - before.cpuSeconds) / count * 1000;
  return { result, use: { peakBytes: after.peakBytes, cpuPer1000 } };
}

/** Of several rounds: the most memory, and the median of the CPU time. */
export function usedInAll(
  uses: readonly (Use | undefined)[],
  middle: (values: number[]) => number,
): Use | undefined {
  const known = uses.filter((use) => use !== undefined);
  if (known.length === 0) return undefined;
  return {
    peakBytes: Math.max(...known.map(({ peakBytes }) => peakBytes)),
    cpuPer1000: middle(known.map(({ cpuPer1000 }) => cpuPer1000)),
  };
}
