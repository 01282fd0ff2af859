import type { Version } from "./hlc.ts";
import type { QuorumNeed } from "./quorum.ts";

/**
 * How far the stamp of a client's write may be ahead of the clock of an owner that takes it: 70 minutes.
 *
 * Clocks that are an hour apart are an everyday mistake (a time zone, a summer time set by hand) and must not
 * cost anything; ten minutes more are for drift. Beyond that a clock is broken, and what it stamps
 * would show people a time that is far away, and raise the stamps of all later writes of its keys.
 */
export const CLOCK_BOUND_MS: number = 70 * 60_000;

/** Whether a stamp is further ahead of a clock than the bound. */
export function isTooFarAhead(version: Pick<Version, "wallMs">, nowMs: number): boolean {
  return version.wallMs - nowMs > CLOCK_BOUND_MS;
}

/**
 * The latest time that the clocks of enough owners have reached, in each layout, to take a write of it: of three owners
 * that all answer, the median.
 *
 * @param clocks What the clocks of those owners that answered show.
 * @returns `undefined` where too few answered.
 */
export function reachedByQuorum(
  needs: readonly QuorumNeed[],
  clocks: ReadonlyMap<string, number>,
): number | undefined {
  const times = needs.map(({ owners, required }) => {
    const known = owners.flatMap((owner) => clocks.get(owner) ?? []);
    return known.sort((a, b) => b - a)[required - 1];
  });
  return times.every((time) => time !== undefined) ? Math.min(...times) : undefined;
}
