import { isChanging, type LiveLayouts } from "../core/layout.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { BackgroundTask } from "./background.ts";
import { isLayoutMismatch, layoutsChanged } from "./layout_mismatch.ts";
import { inRounds, type Pauses } from "./pauses.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Storage, TombstoneName } from "./storage.ts";

/** Records looked at per page of a partition. */
const PAGE_KEYS = 500;
/** Tombstones of one round; the next goes on from there. */
const ROUND_TOMBSTONES = 100_000;
/** What asking one owner about one tombstone costs, beside its key; roughly. */
const TOMBSTONE_BYTES = 200;
const TIMEOUT_MS = 15_000;

/** What collecting tombstones needs of its node. */
export interface TombstoneDeps {
  readonly keeper: RingKeeper;
  readonly storage: Storage;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly log: Log;
  readonly background: { readonly tombstones: BackgroundTask };
  readonly pauses: Pick<Pauses, "tombstoneMs">;
}

/**
 * Forgets deletions once every owner of the one live layout has confirmed to hold them: never by age, and never
 * while the layout changes.
 *
 * The first owner of a partition does it. An owner that has confirmed holds the deletion until it is told to forget
 * it, and then has its floor instead; so from the last confirmation on, none of them ever takes anything older.
 * The first owner forgets it last: where another could not be told, it is still there to be told in the next round.
 */
export class TombstoneCollector {
  readonly #deps: TombstoneDeps;
  /** The partition that the last round did not come to. */
  #next = 0;

  constructor(deps: TombstoneDeps) {
    this.#deps = deps;
  }

  /** Runs rounds until it is ended. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, pauses } = this.#deps;
    await inRounds({ clock, pauseMs: () => pauses.tombstoneMs, signal }, () => this.round(signal));
  }

  /** One round over the partitions of which this node is the first owner. Never rejects. */
  async round(signal: AbortSignal): Promise<void> {
    const { keeper, background: { tombstones: task } } = this.#deps;
    if (!keeper.inRing || isChanging(keeper.live)) return;
    const { live } = keeper;
    task.begin();
    try {
      const partitions = await this.#partitions(live);
      task.setLeft(partitions.length);
      let room = ROUND_TOMBSTONES;
      for (const partition of partitions) {
        if (room <= 0) break;
        room -= await this.#collectPartition(live, partition, signal);
        this.#next = partition + 1;
        task.advance();
      }
    } catch (error) {
      // The next round is under the layouts of then.
      if (!isLayoutMismatch(error) && !signal.aborted) task.fail(error);
    } finally {
      task.end();
    }
  }

  /** Partitions to look at: those with tombstones, from where the last round ended. */
  async #partitions({ newest }: LiveLayouts): Promise<number[]> {
    const { storage, keeper } = this.#deps;
    const found: number[] = [];
    for (const [partition, { records, values }] of await storage.digests()) {
      if (records > values && newest.owners(partition)[0] === keeper.selfId) found.push(partition);
    }
    found.sort((a, b) => a - b);
    const from = found.findIndex((partition) => partition >= this.#next);
    return from < 0 ? found : [...found.slice(from), ...found.slice(0, from)];
  }

  /** Returns how many tombstones it came upon. */
  async #collectPartition(live: LiveLayouts, partition: number, signal: AbortSignal): Promise<number> {
    const { storage, background: { tombstones: task } } = this.#deps;
    let seen = 0;
    let after: string | undefined;
    do {
      signal.throwIfAborted();
      const page = await storage.scan(partition, {
        limit: PAGE_KEYS,
        ...(after === undefined ? {} : { after }),
      });
      const tombstones = page.entries.flatMap(({ key, head: { version, kind } }) =>
        kind === "value" ? [] : [{ key, version, expired: kind === "expired" }]
      );
      seen += tombstones.length;
      try {
        if (tombstones.length > 0) await this.#collect(live, partition, tombstones, signal);
      } catch (error) {
        if (isLayoutMismatch(error) || signal.aborted) throw error;
        // An owner that is down, mostly: the others' partitions are not held up.
        task.fail(error);
        return seen;
      }
      after = page.next;
    } while (after !== undefined);
    return seen;
  }

  async #collect(
    live: LiveLayouts,
    partition: number,
    tombstones: readonly TombstoneName[],
    signal: AbortSignal,
  ): Promise<void> {
    const { keeper, peers, background: { tombstones: task }, log } = this.#deps;
    const owners = live.newest.owners(partition);
    const keyBytes = tombstones.reduce((sum, { key }) => sum + key.length, 0);
    await task.pace(owners.length * (tombstones.length * TOMBSTONE_BYTES + keyBytes), signal);
    this.#assertUnchanged(live);
    const votes = await Promise.all(
      owners.map((owner) => peers.ask(owner, live, "confirmTombstones", { partition, tombstones }, OWN_LANE)),
    );
    const agreed = tombstones.filter((_, i) => votes.every(({ confirmed }) => confirmed[i] === true));
    if (agreed.length === 0) return;
    const ask = { partition, tombstones: agreed };
    const others = owners.filter((owner) => owner !== keeper.selfId);
    this.#assertUnchanged(live);
    await Promise.all(others.map((owner) => peers.ask(owner, live, "collectTombstones", ask, OWN_LANE)));
    const { removed } = await peers.ask(keeper.selfId, live, "collectTombstones", ask);
    log.event("debug", "tombstones_collected", "Forgot deletions that every owner had confirmed", {
      partition,
      removed,
    });
  }

  /** What was confirmed under other layouts counts for nothing. */
  #assertUnchanged(live: LiveLayouts): void {
    if (this.#deps.keeper.live !== live) throw layoutsChanged();
  }
}

const OWN_LANE = { lane: "own", timeoutMs: TIMEOUT_MS } as const;
