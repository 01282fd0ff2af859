import { addressOf, type LiveLayouts, type OwnerId } from "../core/layout.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Background } from "./background.ts";
import { type BalanceDeps, compareShared, isPutOff } from "./balance.ts";
import { comparableOwners } from "./comparable.ts";
import { isLayoutMismatch } from "./layout_mismatch.ts";
import { aboutMs, inRounds, type Pauses } from "./pauses.ts";
import { emptyTask } from "./tasks.ts";

/**
 * What differs at first is looked at again after this pause: a write that was on its way to one of the two has
 * arrived by then.
 */
const SETTLE_MS = 1_000;

/** What comparing in the background needs of its node. */
export interface AntiEntropyDeps extends BalanceDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly background: Pick<Background, "anti-entropy">;
  readonly pauses: Pick<Pauses, "antiEntropyMs">;
}

/**
 * Compares this node with every other owner of its partitions, round after round, and exchanges what differs:
 * one peer at a time, at the rate of its background task.
 */
export class AntiEntropy {
  readonly #deps: AntiEntropyDeps;
  readonly #signal: AbortSignal;
  readonly #verified: VerifiedPartitions;
  #round: Promise<void> | undefined;
  #endedMs = -Infinity;

  /** @param signal Ends all of it. */
  constructor(deps: AntiEntropyDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
    this.#verified = new VerifiedPartitions(deps.clock.monotonicMs());
  }

  /** Runs rounds until it is ended. */
  async run(): Promise<void> {
    const { clock, random, pauses } = this.#deps;
    const pauseMs = () => aboutMs(pauses.antiEntropyMs, random);
    await inRounds({ clock, pauseMs, signal: this.#signal }, () => this.round());
  }

  /**
   * A round, unless one has ended of late: for hosts that stop a process between two requests, so that `run` does
   * not come to its turn.
   */
  async roundIfDue(): Promise<void> {
    const sinceMs = this.#deps.clock.monotonicMs() - this.#endedMs;
    if (sinceMs >= 2 * this.#deps.pauses.antiEntropyMs) await this.round();
  }

  /** One round; the one under way, if there is one. Never rejects. */
  round(): Promise<void> {
    return this.#round ??= this.#runRound().finally(() => {
      this.#round = undefined;
      this.#endedMs = this.#deps.clock.monotonicMs();
    });
  }

  /**
   * Milliseconds since the partition that was verified longest ago was found equal with, or made equal to, all its
   * other owners; since the node's start where it never was.
   */
  get oldestVerifiedMs(): number {
    const { keeper, clock } = this.#deps;
    if (!keeper.inRing) return 0;
    const { live, selfId, state } = keeper;
    const oldest = this.#verified.oldestMs(ownedBy(live, selfId, state.partitions));
    return oldest === undefined ? 0 : clock.monotonicMs() - oldest;
  }

  /** Partitions of this node that were never verified since its start. */
  get unverifiedPartitions(): number {
    const { keeper } = this.#deps;
    if (!keeper.inRing) return 0;
    const owned = ownedBy(keeper.live, keeper.selfId, keeper.state.partitions);
    return owned.filter((partition) => !this.#verified.has(partition)).length;
  }

  async #runRound(): Promise<void> {
    const { keeper, background, clock, log } = this.#deps;
    if (!keeper.inRing) return;
    const task = background["anti-entropy"];
    const { live } = keeper;
    const beganMs = clock.monotonicMs();
    const { shares, left } = sharesOf(keeper);
    const counts = emptyTask();
    const unverified = new Set(left);
    task.begin([...shares.values()].reduce((sum, partitions) => sum + partitions.length, 0));
    try {
      for (const [peer, partitions] of this.#shuffled(shares)) {
        const different = await this.#compareWith(peer, live, counts);
        const missed = different ?? partitions;
        for (const partition of missed) unverified.add(partition);
        task.advance(partitions.length);
      }
      const owned = ownedBy(live, keeper.selfId, keeper.state.partitions);
      this.#verified.note(owned.filter((partition) => !unverified.has(partition)), beganMs);
    } catch (error) {
      // The next round is under the layouts of then.
      if (!isLayoutMismatch(error) && !this.#signal.aborted) task.fail(error);
    } finally {
      task.end();
    }
    const { fetched, sent } = counts;
    if (fetched + sent > 0) {
      log.event("info", "repaired", "Exchanged what differed with the other owners", { fetched, sent });
    }
  }

  /**
   * Compares with one peer and exchanges what differs.
   *
   * @returns Partitions that may differ still; `undefined` where that is all, as it could not be compared.
   */
  async #compareWith(
    peer: OwnerId,
    live: LiveLayouts,
    counts: ReturnType<typeof emptyTask>,
  ): Promise<readonly number[] | undefined> {
    const { background, clock } = this.#deps;
    const task = background["anti-entropy"];
    const mine = emptyTask();
    const pace = (bytes: number) => task.pace(bytes, this.#signal);
    const settle = () => clock.sleep(SETTLE_MS, this.#signal);
    try {
      const differed = await compareShared(
        this.#deps,
        { peer, live },
        { task: mine, signal: this.#signal, comparing: "by itself", pace, settle },
      );
      if (mine.failed > 0) task.fail(`${addressOf(peer)}: ${mine.error}`);
      return mine.failed > 0 ? differed : [];
    } catch (error) {
      if (isLayoutMismatch(error) || this.#signal.aborted) throw error;
      // Then in the next round.
      if (!isPutOff(error)) task.fail(error);
      return undefined;
    } finally {
      counts.fetched += mine.fetched;
      counts.sent += mine.sent;
    }
  }

  /** In an order drawn anew each time: what a round that is cut short misses is not always the same. */
  #shuffled<T>(items: Iterable<T>): T[] {
    const drawn = [...items].map((item) => ({ item, at: this.#deps.random.next() }));
    return drawn.sort((a, b) => a.at - b.at).map(({ item }) => item);
  }
}

/** When each partition was last verified, by the monotonic clock. */
class VerifiedPartitions {
  readonly #startedMs: number;
  readonly #verifiedMs = new Map<number, number>();

  constructor(startedMs: number) {
    this.#startedMs = startedMs;
  }

  /** Notes partitions that were equal at some moment after `atMs`; what is not owned any more is forgotten. */
  note(partitions: readonly number[], atMs: number): void {
    for (const partition of partitions) this.#verifiedMs.set(partition, atMs);
  }

  /** Whether it was since the start. */
  has(partition: number): boolean {
    return this.#verifiedMs.has(partition);
  }

  oldestMs(partitions: readonly number[]): number | undefined {
    if (partitions.length === 0) return undefined;
    let oldest = Infinity;
    for (const partition of partitions) {
      oldest = Math.min(oldest, this.#verifiedMs.get(partition) ?? this.#startedMs);
    }
    return oldest;
  }
}

function ownedBy(live: LiveLayouts, owner: OwnerId, partitions: number): number[] {
  const owned: number[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    if (live.newest.owners(partition).includes(owner)) owned.push(partition);
  }
  return owned;
}

/** What a node is to compare by itself. */
interface Shares {
  /** The partitions in which this node and each other owner of any are compared. */
  readonly shares: ReadonlyMap<OwnerId, readonly number[]>;
  /** Those of this node in which it is not compared with all the others: they are not verified by a round. */
  readonly left: readonly number[];
}

function sharesOf({ live, selfId, state }: BalanceDeps["keeper"]): Shares {
  const isComparable = comparableOwners(state, live, "by itself");
  const shares = new Map<OwnerId, number[]>();
  const left: number[] = [];
  for (const partition of ownedBy(live, selfId, state.partitions)) {
    const owners = live.newest.owners(partition);
    if (!owners.every((owner) => isComparable(partition, owner))) left.push(partition);
    if (!isComparable(partition, selfId)) continue;
    for (const owner of owners) {
      if (owner === selfId || !isComparable(partition, owner)) continue;
      const share = shares.get(owner);
      if (share === undefined) shares.set(owner, [partition]);
      else share.push(partition);
    }
  }
  return { shares, left };
}
