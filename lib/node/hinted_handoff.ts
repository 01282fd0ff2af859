import { addressOf, liveIds, liveOwners, type OwnerId, storeIdOf } from "../core/layout.ts";
import type { DhtError } from "../core/errors.ts";
import type { StoredRecord } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { KeyedRecord } from "../wire.ts";
import type { Background, Pace } from "./background.ts";
import type { Exchange, Gift } from "./exchange.ts";
import { isLayoutMismatch } from "./layout_mismatch.ts";
import type { HintedPlace, HintPage } from "./hints.ts";
import { asDhtError } from "./peer_errors.ts";
import type { Peers } from "./peers.ts";
import { inRounds } from "./pauses.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Storage } from "./storage.ts";

/** How long hints are gathered before they are written, or sent to who keeps them. */
const GATHER_MS = 250;
/** Hints on their way to other keepers; more are given up. */
const OUTBOX_PLACES = 20_000;
/** Hints in one operation. */
const PLACES_PER_ASK = 500;
/** Time between two looks at what waits for owners that answer. */
const LOOK_MS = 5_000;
/** Wait after a delivery that failed; doubled with each, up to the most. */
const RETRY_MS = 5_000;
const RETRY_MAX_MS = 160_000;
/** Times one record is tried under layouts that change meanwhile. */
const LAYOUT_TRIES = 20;
const CATCH_UP_MS = 100;
/** How long a node that is back waits for an answer about what is kept for it, and after what time it gets one. */
const HANDOFF_TIMEOUT_MS = 15_000;
const HANDOFF_ANSWER_MS = 5_000;

/** What hinted handoff needs of its node. */
export interface HandoffDeps {
  readonly keeper: RingKeeper;
  readonly peers: Peers;
  readonly storage: Storage;
  readonly exchange: Exchange;
  readonly background: Pick<Background, "hints">;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Remembers which owners missed a write, and brings them the record when they answer again.
 *
 * A hint is kept by an owner that holds the record, and says only where that is: what is delivered is what the
 * keeper then holds, with its version as it is. It counts towards no quorum. Hints that are lost or given up
 * cost time, not data: the comparison of owners finds the same.
 */
export class HintedHandoff {
  readonly #deps: HandoffDeps;
  readonly #signal: AbortSignal;
  /** Hints that others are to keep: by keeper, by target. */
  readonly #outbox = new Map<OwnerId, Map<OwnerId, HintedPlace[]>>();
  #outboxPlaces = 0;
  #flushing: Promise<void> | undefined;
  readonly #delivering = new Map<OwnerId, Promise<void>>();
  /** When delivery to an owner is tried again, by the monotonic clock, after how long a wait. */
  readonly #waits = new Map<OwnerId, { readonly untilMs: number; readonly waitMs: number }>();
  #delivered = 0;
  #dropped = 0;

  readonly #pace: Pace = (bytes) => this.#deps.background.hints.pace(bytes, this.#signal);

  /** @param signal Ends all of it. */
  constructor(deps: HandoffDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /** Hints kept here now; delivered, and given up, since the start. */
  get counts(): { readonly kept: number; readonly delivered: number; readonly dropped: number } {
    const { kept, dropped } = this.#deps.storage.hints.counts;
    return { kept, delivered: this.#delivered, dropped: dropped + this.#dropped };
  }

  /** Takes note of the owners that missed a write, while at least one has it. */
  missed(
    place: HintedPlace,
    owners: { acknowledged: readonly OwnerId[]; missed: readonly OwnerId[] },
  ): void {
    const { selfId } = this.#deps.keeper;
    const [first] = owners.acknowledged;
    if (first === undefined) return;
    const holder = owners.acknowledged.includes(selfId) ? selfId : first;
    for (const target of owners.missed) {
      if (holder === selfId) this.#deps.storage.hints.add(target, place);
      else this.#hand(holder, target, place);
    }
    this.#flushSoon();
  }

  /** Keeps hints that another coordinator gathered. */
  keep(target: OwnerId, places: readonly HintedPlace[]): void {
    if (!this.#isMember(target) || target === this.#deps.keeper.selfId) return;
    for (const place of places) this.#deps.storage.hints.add(target, place);
    this.#flushSoon();
  }

  /** Delivers at intervals what waits for owners that answer, until the node stops. */
  async run(): Promise<void> {
    const { clock } = this.#deps;
    await inRounds(
      { clock, pauseMs: () => LOOK_MS, signal: this.#signal },
      () => this.#deliverDue().catch((error) => this.#note(error)),
    );
    // Deliveries end by themselves, and are made again after the next start.
    await this.#flushing;
  }

  /** Delivers all that is kept for the store at an address. Never rejects. */
  async deliver(address: string): Promise<void> {
    const targets = await this.#deps.storage.hints.targets().catch(() => []);
    const there = targets.filter((target) => addressOf(target) === address && this.#isMember(target));
    await Promise.all(there.map((target) => this.#deliverTo(target)));
  }

  /**
   * Delivers to an owner that asks for it, and so is back whether this node has noticed that or not.
   *
   * @returns Entries that are left, once it has tried or after a few seconds.
   */
  async deliverOnRequest(target: OwnerId): Promise<number> {
    if (!this.#isMember(target)) return 0;
    const { peers, clock, storage } = this.#deps;
    await peers.greet(addressOf(target), storeIdOf(target), { signal: this.#signal });
    const answered = new AbortController();
    const isLong = clock.sleep(HANDOFF_ANSWER_MS, AbortSignal.any([this.#signal, answered.signal])).catch(
      () => {},
    );
    await Promise.race([this.deliver(addressOf(target)), isLong]);
    answered.abort();
    return storage.hints.pages(target);
  }

  /** Has all others deliver what they have kept for this node, for as long as that gets less. Never rejects. */
  async askForMine(): Promise<void> {
    const { keeper } = this.#deps;
    const others = liveIds(keeper.live).filter((owner) => owner !== keeper.selfId);
    await Promise.allSettled(others.map((owner) => this.#askOne(owner)));
  }

  async #askOne(owner: OwnerId): Promise<void> {
    const { keeper, peers } = this.#deps;
    const options = { timeoutMs: HANDOFF_TIMEOUT_MS, signal: this.#signal };
    for (let before = Infinity; before > 0;) {
      const { left } = await peers.control(addressOf(owner), "handoff", { target: keeper.selfId }, options);
      if (left >= before) return;
      before = left;
    }
  }

  /** Brings one record to an owner that may have missed it. */
  async give(target: OwnerId, place: HintedPlace, record: StoredRecord): Promise<void> {
    const { keeper, exchange } = this.#deps;
    await exchange.give({ peer: target, live: keeper.live, pace: this.#pace }, place, record);
  }

  #isMember(target: OwnerId): boolean {
    return liveIds(this.#deps.keeper.live).includes(target);
  }

  #hand(holder: OwnerId, target: OwnerId, place: HintedPlace): void {
    if (this.#outboxPlaces >= OUTBOX_PLACES) {
      this.#dropped++;
      return;
    }
    let byTarget = this.#outbox.get(holder);
    if (byTarget === undefined) this.#outbox.set(holder, byTarget = new Map());
    const places = byTarget.get(target);
    if (places === undefined) byTarget.set(target, [place]);
    else places.push(place);
    this.#outboxPlaces++;
  }

  #flushSoon(): void {
    this.#flushing ??= this.#flush().finally(() => this.#flushing = undefined);
  }

  async #flush(): Promise<void> {
    const { clock, storage, background } = this.#deps;
    await clock.sleep(GATHER_MS, this.#signal).catch(() => {});
    const sending = this.#sendOutbox();
    await storage.hints.flush().catch((error) => this.#note(error));
    background.hints.setLeft(storage.hints.counts.kept);
    if (!this.#signal.aborted) await sending;
  }

  async #sendOutbox(): Promise<void> {
    const { peers } = this.#deps;
    const outbox = [...this.#outbox];
    this.#outbox.clear();
    this.#outboxPlaces = 0;
    const asks = outbox.flatMap(([holder, byTarget]) =>
      [...byTarget].flatMap(([target, places]) =>
        inPages(places).map((items) =>
          peers.ask(holder, undefined, "hint", { target, items }).catch(() =>
            void (this.#dropped += items.length)
          )
        )
      )
    );
    await Promise.all(asks);
  }

  async #deliverDue(): Promise<void> {
    const { storage, peers, clock } = this.#deps;
    const nowMs = clock.monotonicMs();
    await storage.hints.sweep();
    for (const target of await storage.hints.targets()) {
      const wait = this.#waits.get(target);
      if (!this.#isMember(target)) await this.#forget(target);
      else if (!peers.isDown(addressOf(target)) && (wait === undefined || wait.untilMs <= nowMs)) {
        void this.#deliverTo(target);
      }
    }
  }

  /** A store that is not in the ring any more misses nothing. */
  async #forget(target: OwnerId): Promise<void> {
    this.#waits.delete(target);
    await this.#deps.storage.hints.drop(target);
  }

  /** One delivery to an owner at a time. */
  #deliverTo(target: OwnerId): Promise<void> {
    let delivery = this.#delivering.get(target);
    if (delivery === undefined) {
      if (this.#delivering.size === 0) this.#deps.background.hints.begin(this.counts.kept);
      delivery = this.#deliverAll(target).finally(() => this.#ended(target));
      this.#delivering.set(target, delivery);
    }
    return delivery;
  }

  #ended(target: OwnerId): void {
    const { background, storage } = this.#deps;
    this.#delivering.delete(target);
    if (this.#delivering.size > 0) return;
    background.hints.end();
    // Those for owners that are still down.
    background.hints.setLeft(storage.hints.counts.kept);
  }

  async #deliverAll(target: OwnerId): Promise<void> {
    const { storage, log } = this.#deps;
    const before = this.#delivered;
    let failure: DhtError | undefined;
    try {
      // What is missed meanwhile, or fails, comes behind these and is left to the next look.
      for (let pages = storage.hints.pages(target); pages > 0; pages--) {
        const page = await storage.hints.first(target);
        if (page === undefined) break;
        const failed = await this.#deliverPage(page);
        failure ??= failed;
      }
      if (failure !== undefined) throw failure;
      this.#waits.delete(target);
    } catch (error) {
      this.#backOff(target, error);
    }
    const records = this.#delivered - before;
    if (records === 0) return;
    log.event("info", "hints_delivered", `Brought ${addressOf(target)} what it had missed`, { records });
  }

  /**
   * Delivers the hints of one entry. What fails by itself becomes a hint anew.
   *
   * @returns The first such failure. @throws {DhtError} If the owner does not answer: the entry is left as it is.
   */
  async #deliverPage(page: HintPage): Promise<DhtError | undefined> {
    const { storage, background } = this.#deps;
    const items = await this.#recordsOf(page);
    const failed: HintedPlace[] = [];
    let failure: DhtError | undefined;
    const gifts = await this.#giveUnderLiveLayouts(page.target, items);
    for (const [i, gift] of gifts.entries()) {
      if (!("error" in gift)) {
        this.#delivered++;
        continue;
      }
      if (this.#signal.aborted || this.#deps.peers.isDown(addressOf(page.target))) throw gift.error;
      failed.push(items[i]!);
      failure ??= asDhtError(gift.error);
    }
    await storage.hints.remove(page);
    for (const place of failed) storage.hints.add(page.target, place);
    background.hints.advance(page.places.length - failed.length);
    background.hints.setLeft(storage.hints.counts.kept);
    if (failed.length > 0) this.#flushSoon();
    return failure;
  }

  /** The records to be given; but for what is not held any more, and what the other does not own any more. */
  async #recordsOf({ target, places }: HintPage): Promise<KeyedRecord[]> {
    const { keeper, storage } = this.#deps;
    const owned = places.filter(({ partition }) => liveOwners(keeper.live, partition).includes(target));
    const records = await storage.readMany(owned);
    // A damaged copy is nothing to give: the other owners have the record.
    this.#dropped += records.filter((record) => record === "damaged").length;
    return owned.flatMap((place, i) => {
      const record = records[i];
      return record === undefined || record === "damaged" ? [] : [{ ...place, record }];
    });
  }

  /** What became of each record; those that were refused for the layouts are tried again under later ones. */
  async #giveUnderLiveLayouts(target: OwnerId, items: readonly KeyedRecord[]): Promise<Gift[]> {
    const { exchange, keeper, clock } = this.#deps;
    const gifts: Gift[] = new Array(items.length);
    let left = [...items.keys()];
    for (let tries = 1; left.length > 0; tries++) {
      const to = { peer: target, live: keeper.live, pace: this.#pace };
      const given = await exchange.giveAll(to, left.map((i) => items[i]!));
      left.forEach((i, at) => gifts[i] = given[at]!);
      left = left.filter((i) => isMismatch(gifts[i]!));
      if (left.length === 0 || tries === LAYOUT_TRIES) break;
      await clock.sleep(CATCH_UP_MS, this.#signal);
    }
    return gifts;
  }

  #backOff(target: OwnerId, error: unknown): void {
    if (this.#signal.aborted) return;
    this.#note(error);
    const waitMs = Math.min(RETRY_MAX_MS, (this.#waits.get(target)?.waitMs ?? RETRY_MS / 2) * 2);
    this.#waits.set(target, { untilMs: this.#deps.clock.monotonicMs() + waitMs, waitMs });
  }

  #note(error: unknown): void {
    this.#deps.background.hints.fail(error);
  }
}

function isMismatch(gift: Gift): boolean {
  return "error" in gift && isLayoutMismatch(gift.error);
}

function inPages(places: readonly HintedPlace[]): HintedPlace[][] {
  const pages: HintedPlace[][] = [];
  for (let at = 0; at < places.length; at += PLACES_PER_ASK) {
    pages.push(places.slice(at, at + PLACES_PER_ASK));
  }
  return pages;
}
