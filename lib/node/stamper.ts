import { CLOCK_BOUND_MS, isTooFarAhead } from "../core/clock_bound.ts";
import type { HybridLogicalClock, Version } from "../core/hlc.ts";
import { isActive } from "../core/membership.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { ClockSkew } from "./clock_skew.ts";
import type { RingKeeper } from "./ring_keeper.ts";

/** How long what most clocks show is reckoned with before it is worked out anew. */
const OTHERS_AGE_MS = 1_000;
/** Pause between two complaints about this node's clock. */
const COMPLAINT_PAUSE_MS = 5 * 60_000;

/** A version for one attempt to write, and how it is sent. */
export interface Stamp {
  readonly version: Version;
  /** "admitted" where its time is not this node's clock's doing: no owner is to refuse it for that. */
  readonly mode: "client" | "admitted";
}

/** What stamping needs of its node. */
export interface StamperDeps {
  readonly keeper: RingKeeper;
  readonly hlc: HybridLogicalClock;
  readonly clock: Clock;
  readonly clockSkew: ClockSkew;
  readonly log: Log;
}

/**
 * Stamps the writes that this node coordinates: by its own clock, unless the clocks of most nodes say that it runs
 * ahead by more than `CLOCK_BOUND_MS`; then by theirs.
 */
export class Stamper {
  readonly #deps: StamperDeps;
  /** What most clocks would show where this node's monotonic one was 0, by what was known at `atMs`. */
  #others: { readonly originMs: number | undefined; readonly atMs: number } | undefined;
  #complainedMs = -Infinity;

  constructor(deps: StamperDeps) {
    this.#deps = deps;
  }

  /** Whether this node does not know yet what most clocks show: it may run far ahead unawares. */
  get isBlind(): boolean {
    return this.#othersMs() === undefined;
  }

  /**
   * A stamp that was never issued before.
   *
   * @param above Greater than this, whatever any clock shows.
   * @param quorumMs What the clocks of a quorum of the owners have reached, where they were asked.
   */
  issue(above?: Version, quorumMs?: number): Stamp {
    const version = this.#version(above, quorumMs);
    const isGiven = quorumMs !== undefined || (above !== undefined && version.wallMs <= above.wallMs);
    return { version, mode: isGiven ? "admitted" : "client" };
  }

  #version(above: Version | undefined, quorumMs: number | undefined): Version {
    const { hlc, clock } = this.#deps;
    const own = hlc.issue(clock.nowMs(), above);
    if (above !== undefined && own.wallMs <= above.wallMs) return own;
    const othersMs = quorumMs ?? this.#othersMs();
    if (othersMs === undefined || !isTooFarAhead(own, othersMs)) return own;
    this.#complain(clock.nowMs() - othersMs);
    return hlc.issueBy(othersMs, above);
  }

  /** What most clocks show now; `undefined` where too few are known, or this node is alone. */
  #othersMs(): number | undefined {
    const { clock, keeper, clockSkew } = this.#deps;
    const atMs = clock.monotonicMs();
    if (this.#others?.originMs === undefined || atMs - this.#others.atMs > OTHERS_AGE_MS) {
      const members = [...keeper.state.members.values()].filter(isActive).length;
      const offsetMs = clockSkew.majorityOffsetMs(members);
      const originMs = offsetMs === undefined ? undefined : Math.floor(offsetMs + clock.nowMs() - atMs);
      this.#others = { originMs, atMs };
    }
    const { originMs } = this.#others;
    return originMs === undefined ? undefined : Math.max(0, Math.floor(originMs + atMs));
  }

  #complain(aheadMs: number): void {
    const { clock, log } = this.#deps;
    // Stamps may still run ahead where the clock was ahead, and has been set right since.
    if (aheadMs <= CLOCK_BOUND_MS || clock.monotonicMs() - this.#complainedMs < COMPLAINT_PAUSE_MS) return;
    this.#complainedMs = clock.monotonicMs();
    const minutes = Math.round(aheadMs / 60_000);
    log.event(
      "error",
      "clock_ahead",
      `This node's clock is ${minutes} min ahead of most others': its writes are stamped by theirs, set it right`,
      { aheadMs: Math.round(aheadMs) },
    );
  }
}
