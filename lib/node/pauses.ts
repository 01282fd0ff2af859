import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";

/** How long a node waits between two rounds of what it does by itself. */
export interface Pauses {
  /** Before it compares with all other owners; each pause is drawn between half of it and one and a half. */
  readonly antiEntropyMs: number;
  /** Before it verifies the whole disk; drawn in the same way. */
  readonly scrubMs: number;
  /** Before it collects tombstones. */
  readonly tombstoneMs: number;
  /** Before it looks for values whose time is over: they are answered no more, but still take room. */
  readonly expiryMs: number;
  /** Before the next step of clearing away what superseded values left behind. */
  readonly garbageMs: number;
}

/** The pauses where nothing else is said. */
export const DEFAULT_PAUSES: Pauses = {
  antiEntropyMs: 60_000,
  scrubMs: 3_600_000,
  tombstoneMs: 60_000,
  expiryMs: 60_000,
  garbageMs: 5_000,
};

/** A pause about that long, so that nodes which start at once do not go on in step. */
export function aboutMs(meanMs: number, random: Random): number {
  return meanMs * (0.5 + random.next());
}

/**
 * Makes round after round, each after a pause, until `signal` is aborted.
 *
 * @param round Must not reject.
 */
export async function inRounds(
  { clock, pauseMs, signal }: {
    readonly clock: Clock;
    readonly pauseMs: () => number;
    readonly signal: AbortSignal;
  },
  round: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(pauseMs(), signal).catch(() => {});
    if (!signal.aborted) await round();
  }
}
