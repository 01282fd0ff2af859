import { sentence } from "../core/errors.ts";
import { addressOf, isChanging, type LiveLayouts, type OwnerId, sameOwners } from "../core/layout.ts";
import { hasReported, isGone, reportSynced } from "../core/membership.ts";
import { readQuorum } from "../core/quorum.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Background } from "./background.ts";
import type { Exchange } from "./exchange.ts";
import { isLayoutMismatch } from "./layout_mismatch.ts";
import type { Gossip } from "./gossip.ts";
import { setAsideLeftovers } from "./leftovers.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Storage } from "./storage.ts";
import { emptyTask, type Task } from "./tasks.ts";

/** Wait before a transfer that failed is tried again. */
const RETRY_MS = 1_000;
/** Wait after a peer that lives by other layouts was told of this node's. */
const CATCH_UP_MS = 100;

/** What a transfer needs of its node. */
export interface TransferDeps {
  readonly keeper: RingKeeper;
  readonly peers: Peers;
  readonly exchange: Exchange;
  readonly storage: Storage;
  readonly gossip: Gossip;
  /** Keeps it to its rate, and shows how far it is. */
  readonly background: Pick<Background, "transfer">;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Pulls what a change of layout makes this node hold, and reports when it does.
 *
 * An acknowledged write is on a majority of a partition's previous owners, not
 * on all: so every partition is pulled from as many of them as a read would ask. A pull counts
 * only from owners that live by the very same layouts, since those accept no more writes under the old
 * ones; every message names them, and one that names others is refused. If the
 * layouts change meanwhile, all begins anew.
 */
export class Transfer {
  readonly #deps: TransferDeps;
  #wake: (() => void) | undefined;
  #pending: ReadonlyMap<number, number> = new Map();

  constructor(deps: TransferDeps) {
    this.#deps = deps;
    deps.keeper.onChange(() => this.#wake?.());
  }

  /**
   * Partitions this node has yet to pull in the present round, with how many of their owners it still has to ask;
   * another object in each round.
   */
  get pending(): ReadonlyMap<number, number> {
    return this.#pending;
  }

  /** Does what each change of layout asks for, until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { live } = this.#deps.keeper;
      const work = this.#outstanding(live) ? this.#synchronise(live, signal) : this.#changed(signal);
      await work.catch((error) => this.#pauseAfter(error, signal));
    }
  }

  /** Whether this node has yet to report that it holds its share. */
  #outstanding(live: LiveLayouts): boolean {
    const { selfMember } = this.#deps.keeper;
    return isChanging(live) && selfMember !== undefined && !hasReported(selfMember, live);
  }

  async #synchronise(live: LiveLayouts, signal: AbortSignal): Promise<void> {
    const { keeper, gossip, log, background } = this.#deps;
    const left = this.#pending = this.#sourcesNeeded(live);
    const task = emptyTask();
    if (left.size > 0) {
      log.event("info", "transfer_started", "Pulling partitions of the new layout", {
        partitions: left.size,
      });
    }
    background.transfer.begin(left.size);
    try {
      await this.#pullAll(live, left, task, signal);
      if (keeper.live !== live) return;
      await this.#setLeftoversAside(live, task, signal);
      if (keeper.live !== live) return;
    } catch (error) {
      if (!isLayoutMismatch(error) && !signal.aborted) background.transfer.fail(error);
      throw error;
    } finally {
      background.transfer.end();
    }
    await keeper.update((ring) =>
      keeper.live === live
        ? reportSynced(ring, keeper.self.address, { base: live.base.name, newest: live.newest.name })
        : ring
    );
    log.event("info", "transfer_done", "Holding this node's share of the new layout", {
      fetched: task.fetched,
    });
    gossip.announce();
  }

  /** Partitions to pull, with how many more of their previous owners each must be pulled from. */
  #sourcesNeeded(live: LiveLayouts): Map<number, number> {
    const { keeper } = this.#deps;
    const needed = new Map<number, number>();
    const required = readQuorum(live.base.n);
    for (let partition = 0; partition < keeper.state.partitions; partition++) {
      const owners = live.newest.owners(partition);
      if (!owners.includes(keeper.selfId)) continue;
      const previous = live.base.owners(partition);
      if (sameOwners(previous, owners)) continue;
      const others = required - (previous.includes(keeper.selfId) ? 1 : 0);
      if (others > 0) needed.set(partition, others);
    }
    return needed;
  }

  /**
   * Pulls from one previous owner after the other until nothing is left: each partition first from the first of its
   * owners, then from the second, and so on. What has to be copied is copied at the first turn, and owners come first
   * of equally many partitions, so that all of them share the work.
   *
   * @throws {Error} If something is left once all were asked, unless the layouts have changed meanwhile.
   */
  async #pullAll(
    live: LiveLayouts,
    left: Map<number, number>,
    task: Task,
    signal: AbortSignal,
  ): Promise<void> {
    const { background, exchange, keeper } = this.#deps;
    const pace = (bytes: number) => background.transfer.pace(bytes, signal);
    const pulled = (partition: number) => background.transfer.advance(countDown(left, partition));
    let failure: unknown;
    const sources = this.#sources(live);
    const turns = new Map([...left.keys()].map((partition) => [partition, this.#inTurn(live, partition)]));
    for (let turn = 0; turn < live.base.n; turn++) {
      for (const source of sources) {
        const partitions = [...left.keys()].filter((partition) => turns.get(partition)![turn] === source);
        if (partitions.length === 0) continue;
        try {
          await exchange.pull({ peer: source, live, partitions, signal, task, pace, pulled });
        } catch (error) {
          if (isLayoutMismatch(error) || signal.aborted) throw error;
          failure = error;
        }
      }
    }
    if (left.size === 0 || keeper.live !== live) return;
    throw failure ?? new Error("Too few previous owners can be reached");
  }

  /** What this node held of the partitions it gains may have been deleted and forgotten since it owned them last. */
  async #setLeftoversAside(live: LiveLayouts, task: Task, signal: AbortSignal): Promise<void> {
    const { exchange, keeper, peers, storage, log, background } = this.#deps;
    const pace = (bytes: number) => background.transfer.pace(bytes, signal);
    const scope = { live, sources: this.#sources(live), task, signal, pace };
    await setAsideLeftovers({ exchange, keeper, peers, storage }, scope);
    if (task.dropped === 0) return;
    log.event("info", "leftovers_set_aside", "Dropped what was deleted since this node last owned it", {
      records: task.dropped,
    });
  }

  /** Previous owners that may be asked: those that answer first. */
  #sources(live: LiveLayouts): OwnerId[] {
    return this.#usable(live.base.ids);
  }

  /** Those of one partition, in its own order. */
  #inTurn(live: LiveLayouts, partition: number): OwnerId[] {
    return this.#usable(live.base.owners(partition));
  }

  #usable(ids: readonly OwnerId[]): OwnerId[] {
    const { keeper, peers } = this.#deps;
    const usable = ids.filter((id) => id !== keeper.selfId && !isGone(keeper.state, id));
    const down = (id: OwnerId) => Number(peers.isDown(addressOf(id)));
    return usable.sort((a, b) => down(a) - down(b));
  }

  async #pauseAfter(error: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    if (isLayoutMismatch(error)) return await this.#deps.clock.sleep(CATCH_UP_MS, signal).catch(() => {});
    this.#deps.log.event(
      "warn",
      "transfer_failed",
      `Will pull again in ${RETRY_MS / 1000} s: ${sentence(error)}`,
    );
    await this.#deps.clock.sleep(RETRY_MS, signal).catch(() => {});
  }

  /** Resolves when the ring's state changes, or this ends. */
  async #changed(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener("abort", wake, { once: true });
    });
    this.#wake = undefined;
  }
}

/** Counts one more owner that a partition was pulled from; returns how many partitions that completes. */
function countDown(left: Map<number, number>, partition: number): number {
  const more = (left.get(partition) ?? 0) - 1;
  if (more > 0) left.set(partition, more);
  else left.delete(partition);
  return more > 0 ? 0 : 1;
}
