import { DhtError } from "../core/errors.ts";
import { compareOptionalVersions } from "../core/hlc.ts";
import {
  addressOf,
  type LiveLayouts,
  liveOwners,
  type OwnerId,
  ownsInBase,
  readNeeds,
} from "../core/layout.ts";
import { isGone } from "../core/membership.ts";
import { isMet } from "../core/quorum.ts";
import { compareHeads, type RecordHead } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Answer } from "../wire.ts";
import type { Place } from "./damage.ts";
import { isDamage } from "./entries.ts";
import type { Exchange } from "./exchange.ts";
import { inParallel } from "./in_parallel.ts";
import { layoutsChanged } from "./layout_mismatch.ts";
import { asDhtError } from "./peer_errors.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { PullTicket, Storage } from "./storage.ts";
import { emptyTask } from "./tasks.ts";

/** Time between two looks at whether something is damaged. */
const LOOK_MS = 1_000;
/** Wait after a pass in which something could not be mended. */
const RETRY_MS = 5_000;
/** Records mended at the same time. */
const PARALLEL_RECORDS = 8;

/** What mending needs of its node. */
export interface MenderDeps {
  readonly storage: Storage;
  readonly keeper: RingKeeper;
  readonly peers: Peers;
  readonly exchange: Exchange;
  readonly clock: Clock;
  readonly log: Log;
}

/** What one other owner has answered. */
interface Reply {
  readonly owner: OwnerId;
  readonly head: RecordHead | undefined;
  readonly floors: Answer<"heads">["floors"];
}

/**
 * Mends records of this node that were found damaged.
 *
 * What such a record was nobody here knows; it may be a write that this node has acknowledged and another owner has
 * missed. So the owners that are left are asked, as many as a read must ask, none of them damaged itself; and the
 * newest that any owner of the base holds takes its place. Until then it has no vote, and takes no other record in its place.
 */
export class Mender {
  readonly #deps: MenderDeps;
  readonly #signal: AbortSignal;

  /** @param signal Ends all of it. */
  constructor(deps: MenderDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Mends what is found damaged, until it is ended. */
  async run(): Promise<void> {
    const { clock } = this.#deps;
    while (!this.#signal.aborted) {
      const isWhole = await this.mendAll();
      await clock.sleep(isWhole ? LOOK_MS : RETRY_MS, this.#signal).catch(() => {});
    }
  }

  /** Tries to mend everything that is damaged; whether nothing is left. Never rejects. */
  async mendAll(): Promise<boolean> {
    const { storage, keeper, log } = this.#deps;
    const damaged = storage.damagedRecords();
    if (damaged.length === 0) return true;
    if (!keeper.inRing) return false;
    let mended = 0;
    let failure: unknown;
    await inParallel(damaged, PARALLEL_RECORDS, async (place) => {
      try {
        await this.#mend(place);
        mended++;
      } catch (error) {
        failure ??= error;
      }
    });
    if (mended > 0) {
      log.event("info", "records_mended", "Mended damaged records from other owners", { mended });
    }
    if (failure === undefined || this.#signal.aborted) return failure === undefined;
    const reason = asDhtError(failure).message;
    log.event("warn", "mend_failed", `Will try again to mend damaged records: ${reason}`, {
      left: damaged.length - mended,
    });
    return false;
  }

  async #mend(place: Place): Promise<void> {
    const { keeper, storage } = this.#deps;
    const { live } = keeper;
    // Before anybody is asked: what is collected from now on must not come back.
    const ticket = storage.tombstones.pullTicket(place.partition);
    const replies = await this.#ask(place, live);
    // As reads do: an owner that is only about to be one may have leftovers of what was deleted and forgotten.
    const holders = replies.filter(({ owner }) => ownsInBase(live, place.partition, owner));
    const newest = newestOf(holders);
    if (!await this.#suffice(place, live, replies, newest?.head)) {
      throw new DhtError(
        "read_quorum_unreachable",
        `Cannot mend key ${JSON.stringify(place.key)}: too few of its other owners answered with a good copy`,
        { answered: replies.map(({ owner }) => owner) },
      );
    }
    if (keeper.live !== live) throw layoutsChanged();
    const isOwner = liveOwners(live, place.partition).includes(keeper.selfId);
    if (newest === undefined || !isOwner) await this.#forget(place, replies, ticket);
    else await this.#fetch(place, live, holders, newest.head);
  }

  /** What the other owners hold; those that do not answer, or are damaged themselves, are missing. */
  async #ask(place: Place, live: LiveLayouts): Promise<Reply[]> {
    const { keeper, peers } = this.#deps;
    const others = liveOwners(live, place.partition).filter((owner) => owner !== keeper.selfId);
    const replies = await Promise.all(others.map(async (owner): Promise<Reply | undefined> => {
      try {
        const ask = { items: [{ partition: place.partition, key: place.key }], strict: true };
        const { heads, floors } = await peers.ask(owner, live, "heads", ask);
        return { owner, head: heads[0], floors };
      } catch {
        return undefined;
      }
    }));
    return replies.filter((reply) => reply !== undefined);
  }

  /** Whether no acknowledged write can be newer than what has been answered, or none that is left anywhere. */
  async #suffice(
    place: Place,
    live: LiveLayouts,
    replies: readonly Reply[],
    newest: RecordHead | undefined,
  ): Promise<boolean> {
    const answered = new Set(replies.map(({ owner }) => owner));
    if (isMet(readNeeds(live, place.partition), (owner) => answered.has(owner))) return true;
    const own = await this.#ownHead(place);
    // Where only the bytes are damaged, it is known what this node has acknowledged; and the key can be written anew.
    if (own !== "unreadable") {
      return own !== undefined && newest !== undefined && compareHeads(newest, own) >= 0;
    }
    return this.#areAllThatAreLeft(place, live, answered);
  }

  async #ownHead(place: Place): Promise<RecordHead | "unreadable" | undefined> {
    try {
      return (await this.#deps.storage.heads([place], { strict: true }))[0];
    } catch (error) {
      if (isDamage(error)) return "unreadable";
      throw error;
    }
  }

  /**
   * Whether an owner was removed, or its disk replaced, and all others have answered: there is nobody to wait for.
   * Should it and this node alone have had a later write, that is lost; but else every change of layout would wait
   * for this record for ever.
   */
  #areAllThatAreLeft(place: Place, live: LiveLayouts, answered: ReadonlySet<OwnerId>): boolean {
    const { keeper, log } = this.#deps;
    const missing = liveOwners(live, place.partition).filter((owner) =>
      owner !== keeper.selfId && !answered.has(owner)
    );
    const isAnyAsked = live.base.owners(place.partition).some((owner) => answered.has(owner));
    if (!isAnyAsked || !missing.every((owner) => isGone(keeper.state, owner))) return false;
    log.event(
      "warn",
      "mended_without_quorum",
      `Mending key ${JSON.stringify(place.key)} from what is left: ${
        missing.map(addressOf).join(", ")
      } is gone, ` +
        "and a later write of it may be lost",
    );
    return true;
  }

  /** Nobody holds any of the key: it was deleted, and the deletion collected, or never acknowledged. */
  async #forget(place: Place, replies: readonly Reply[], ticket: PullTicket): Promise<void> {
    const { storage } = this.#deps;
    const floors = replies.flatMap(({ floors }) => floors.map(({ floor }) => floor));
    const highest = floors.sort(compareOptionalVersions).at(-1);
    // The others refuse what the deletion has deleted: so must this node, which has forgotten it, too.
    if (highest !== undefined) await storage.tombstones.raiseFloor(place.partition, highest);
    await storage.forgetDamaged(place, ticket);
  }

  /** Fetches the newest from any of those that hold it. */
  async #fetch(
    place: Place,
    live: LiveLayouts,
    holders: readonly Reply[],
    newest: RecordHead,
  ): Promise<void> {
    const { exchange } = this.#deps;
    let failure: unknown;
    for (const { owner, head } of holders) {
      if (head === undefined || compareHeads(head, newest) < 0) continue;
      try {
        const source = { peer: owner, live, signal: this.#signal, task: emptyTask(), mends: true };
        return await exchange.fetch(source, place);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }
}

function newestOf(replies: readonly Reply[]): { readonly head: RecordHead } | undefined {
  let newest: { readonly head: RecordHead } | undefined;
  for (const { head } of replies) {
    if (head !== undefined && (newest === undefined || compareHeads(head, newest.head) > 0)) {
      newest = { head };
    }
  }
  return newest;
}
