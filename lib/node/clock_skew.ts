import type { Clock } from "../ports/clock.ts";

/** Samples kept of one peer; the one with the shortest round trip counts. */
const MAX_SAMPLES = 5;
/** How fast two clocks that are both in order may part, and what a clock in whole milliseconds cannot tell. */
const DRIFT = 0.001;
const GRAIN_MS = 2;
/** A difference that people are told of. */
const WARN_ABOVE_MS = 1_000;

/** How far a peer's clock is ahead of this node's; behind where negative. */
export interface PeerOffset {
  readonly offsetMs: number;
  /** The true offset is within this of it: half the round trip of the sample. */
  readonly errorMs: number;
  /** How long ago it was measured. */
  readonly ageMs: number;
}

interface Sample {
  /** The peer's wall clock where this node's monotonic one was 0: this node's own wall clock has no part in it. */
  readonly originMs: number;
  readonly errorMs: number;
  readonly takenMs: number;
}

/**
 * What this node knows of its peers' wall clocks, learnt from every answer that
 * says what time it was there.
 *
 * Spans are measured by the monotonic clock, so a jump of this node's own wall clock shows at once, and
 * one of a peer's with the next answer. Bounded by the number of members, `MAX_SAMPLES` each.
 */
export class ClockSkew {
  readonly #clock: Clock;
  readonly #samples = new Map<string, readonly Sample[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A peer said `peerMs` in answer to a message that was sent at `sentMs` of the monotonic clock, and has just arrived. */
  note(address: string, peerMs: number, sentMs: number): void {
    const takenMs = this.#clock.monotonicMs();
    const errorMs = (takenMs - sentMs) / 2 + GRAIN_MS;
    const sample = { originMs: peerMs + (takenMs - sentMs) / 2 - takenMs, errorMs, takenMs };
    const agreeing = (this.#samples.get(address) ?? []).filter((older) => agree(sample, older));
    this.#samples.set(address, [sample, ...agreeing].slice(0, MAX_SAMPLES));
  }

  /** Forgets all but these peers. */
  retain(addresses: ReadonlySet<string>): void {
    for (const address of this.#samples.keys()) {
      if (!addresses.has(address)) this.#samples.delete(address);
    }
  }

  /** The offsets of all peers that have said their time, by address. */
  offsets(): ReadonlyMap<string, PeerOffset> {
    const nowMs = this.#clock.monotonicMs();
    const ownOriginMs = this.#clock.nowMs() - nowMs;
    return new Map(
      [...this.#samples].map(([address, samples]) => {
        const best = samples.reduce((a, b) => (b.errorMs < a.errorMs ? b : a));
        const { originMs, errorMs, takenMs } = best;
        return [address, { offsetMs: originMs - ownOriginMs, errorMs, ageMs: nowMs - takenMs }];
      }),
    );
  }

  /**
   * How far the clocks of most members are ahead of this node's: the median of all that are known, its own included.
   *
   * @param members Members of the ring, this node included.
   * @returns `undefined` where the clocks of no majority of them are known.
   */
  majorityOffsetMs(members: number): number | undefined {
    const known = [0, ...[...this.offsets().values()].map(({ offsetMs }) => offsetMs)];
    return known.length * 2 > members ? medianOffset(known) : undefined;
  }

  /**
   * What a person should know of the clocks, one sentence each, the worst first, at most `most` of them.
   *
   * @param members Members of the ring, this node included.
   */
  warnings(members: number, most = 5): string[] {
    const majorityMs = this.majorityOffsetMs(members) ?? 0;
    const ownIsOff = Math.abs(majorityMs) > WARN_ABOVE_MS;
    const others = [...this.offsets()]
      .map(([address, { offsetMs, errorMs }]) => ({
        address,
        errorMs,
        aheadMs: ownIsOff ? offsetMs - majorityMs : offsetMs,
      }))
      .filter(({ aheadMs, errorMs }) => Math.abs(aheadMs) - errorMs > WARN_ABOVE_MS)
      .sort((a, b) => Math.abs(b.aheadMs) - Math.abs(a.aheadMs));
    const whose = ownIsOff ? "most others'" : "this node's";
    return [
      ...(ownIsOff ? [`This node's clock is ${apart(-majorityMs)} most others'.`] : []),
      ...others.map(({ address, aheadMs }) => `The clock of ${address} is ${apart(aheadMs)} ${whose}.`),
    ].slice(0, most);
  }
}

/** The middle one; of two in the middle, that which is nearer to 0: of two clocks nobody can say which is wrong. */
export function medianOffset(offsetsMs: readonly number[]): number {
  const sorted = offsetsMs.toSorted((a, b) => a - b);
  const low = sorted[(sorted.length - 1) >> 1] ?? 0;
  const high = sorted[sorted.length >> 1] ?? 0;
  return Math.abs(low) <= Math.abs(high) ? low : high;
}

/** Whether two samples may be of one clock that ran on evenly between them. */
function agree(newer: Sample, older: Sample): boolean {
  const allowedMs = newer.errorMs + older.errorMs + DRIFT * (newer.takenMs - older.takenMs);
  return Math.abs(newer.originMs - older.originMs) <= allowedMs;
}

const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]] as const;

function apart(aheadMs: number): string {
  const seconds = Math.abs(aheadMs) / 1_000;
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ["s", 1];
  const count = seconds / size;
  const shown = count < 10 ? Math.round(count * 10) / 10 : Math.round(count);
  return `${shown} ${unit} ${aheadMs < 0 ? "behind" : "ahead of"}`;
}
