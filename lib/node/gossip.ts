import { DhtError } from "../core/errors.ts";
import type { RingState } from "../core/membership.ts";
import { newsOf } from "../core/ring_news.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { ClockSkew } from "./clock_skew.ts";
import type { Peers } from "./peers.ts";
import { Prober } from "./prober.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import { RingTalk } from "./ring_talk.ts";
import { Rumours } from "./rumours.ts";

/** Time between two rounds. */
const GOSSIP_INTERVAL_MS = 1_000;
/** Members whose knowledge is compared with this node's, in each round. */
const TALKS_PER_ROUND = 3;
/** Others up to which whoever has news tells all of them; above, news go from some to some. */
const TELL_ALL_MAX = 50;
/** Members told at a time in a ring that is larger. */
const NEWS_FANOUT = 4;
/** In a large ring, what comes within this time is passed on together. */
const GATHER_MS = 100;
const QUICK = { timeoutMs: 1_500 } as const;

/**
 * Spreads what this node knows of the ring, and notices who does not answer.
 *
 * Each round it compares hashes with a few members and exchanges what differs, so that a node speaks to as many
 * members a second in a large ring as in a small one. What this node itself changes is told to all at once; in a
 * large ring to some, who tell some others, each a few times.
 */
export class Gossip {
  readonly #keeper: RingKeeper;
  readonly #peers: Peers;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #clockSkew: ClockSkew;
  readonly #prober: Prober;
  readonly #talk: RingTalk;
  readonly #talking = new Set<string>();
  #turn: string[] = [];
  #announcing: Promise<boolean> | undefined;
  #announceAgain = false;
  #announced: RingState | undefined;
  readonly #rumours: Rumours;
  #passingOn = false;

  constructor(
    deps: { keeper: RingKeeper; peers: Peers; clock: Clock; random: Random; log: Log; clockSkew: ClockSkew },
  ) {
    this.#keeper = deps.keeper;
    this.#peers = deps.peers;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#clockSkew = deps.clockSkew;
    this.#talk = new RingTalk(deps.keeper, deps.peers, QUICK);
    this.#prober = new Prober({ ...deps, others: () => this.#others() });
    this.#rumours = new Rumours(
      deps.keeper.self.address,
      deps.keeper.inRing ? deps.keeper.state.members : undefined,
    );
    this.#keeper.onChange(() => this.#passOn());
  }

  /** Runs rounds until `signal` is aborted. A round does not wait for those of the last that hang. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      void this.round();
      await this.#clock.sleep(GOSSIP_INTERVAL_MS, signal).catch(() => {});
    }
  }

  /** Speaks to the members whose turn it is, and to those in doubt; resolves when all have answered or were too slow. */
  async round(): Promise<void> {
    const members = new Set(this.#keeper.state.members.keys());
    this.#clockSkew.retain(members);
    this.#peers.detector.retain(members);
    this.#prober.retain(members);
    this.#peers.tellRecoveries();
    this.#peers.overtakeSilent();
    if (!this.#rumours.isEmpty) void this.#passOnAll();
    await Promise.all(this.#next().map((address) => this.#speak(address)));
  }

  /** Speaks to all members at once, for what any one of them may be the only one to know. */
  async meetAll(): Promise<void> {
    await Promise.all(this.#others().map((address) => this.#speak(address)));
  }

  /** Members that do not answer because their secret is another than this node's. */
  refusing(): string[] {
    return this.#prober.refusing();
  }

  /** A peer has sent this node a message: where requests go around it, it is worth another look. */
  heardFrom(address: string): void {
    // One that is not in its ring has nothing to say.
    if (this.#keeper.inRing && this.#prober.mayTry(address)) void this.#speak(address);
  }

  /**
   * Tells all members what this node knows, some of them in a large ring; resolves when each has been told or did
   * not answer.
   *
   * @returns Whether any of them has heard it: who has tells the others. True where there is no other.
   */
  announce(): Promise<boolean> {
    this.#announceAgain = true;
    this.#announcing ??= this.#announceUntilTold().finally(() => this.#announcing = undefined);
    return this.#announcing;
  }

  async #announceUntilTold(): Promise<boolean> {
    let heard = true;
    while (this.#announceAgain) {
      this.#announceAgain = false;
      const others = this.#others();
      if (others.length > TELL_ALL_MAX) {
        heard = await this.#tellSome();
        continue;
      }
      const before = this.#announced;
      const news = this.#news();
      this.#announced = this.#keeper.state;
      heard = await this.#tell(others, news);
      // News that nobody has heard are still news.
      if (!heard) this.#announced = before;
    }
    return heard;
  }

  /** @returns Whether any of them has heard it, or there is none. */
  async #tell(addresses: readonly string[], ring: RingState): Promise<boolean> {
    const news = newsOf(ring);
    const told = await Promise.all(
      addresses.map((address) => this.#talk.tell(address, news, ring).then(() => true, () => false)),
    );
    return told.length === 0 || told.includes(true);
  }

  /** In a large ring whoever learns something passes it on, at once and in some rounds to come. */
  #passOn(): void {
    const isTold = this.#keeper.otherMembers.length <= TELL_ALL_MAX;
    this.#rumours.learn(this.#keeper.state.members, { isTold });
    if (!isTold) void this.#passOnAll();
  }

  async #passOnAll(): Promise<void> {
    if (this.#passingOn) return;
    this.#passingOn = true;
    while (!this.#rumours.isEmpty && await this.#tellSome()) {
      // In a change of layout all nodes have news at about one time: told one by one they would be too many.
      await this.#clock.sleep(GATHER_MS).catch(() => {});
    }
    this.#passingOn = false;
  }

  /** Tells some members what is news; returns whether any of them has heard it. */
  async #tellSome(): Promise<boolean> {
    const members = this.#rumours.members();
    const heard = await this.#tell(this.#some(this.#others()), { ...this.#keeper.state, members });
    if (heard) this.#rumours.told(members);
    return heard;
  }

  /** The ring, with only those members that changed since all were told: a large ring stays cheap. */
  #news(): RingState {
    const ring = this.#keeper.state;
    const known = this.#announced;
    const changed = [...ring.members].filter(([address, member]) => known?.members.get(address) !== member);
    return { ...ring, members: new Map(changed) };
  }

  async #speak(address: string): Promise<void> {
    if (this.#talking.has(address)) return;
    this.#talking.add(address);
    try {
      const sentMs = this.#clock.monotonicMs();
      const ask = { hash: this.#keeper.hash, whole: false };
      const { prints, nowMs } = await this.#peers.control(address, "exchange", ask, QUICK);
      this.#clockSkew.note(address, nowMs, sentMs);
      this.#prober.answered(address);
      if (prints !== undefined) await this.#talk.level(address, prints);
    } catch (error) {
      // The ring took it in, but whoever was to tell it has gone: it still asks to be.
      if (error instanceof DhtError && error.code === "not_in_ring") await this.#welcome(address);
      void this.#prober.silent(address, error);
    } finally {
      this.#talking.delete(address);
    }
  }

  async #welcome(address: string): Promise<void> {
    await this.#peers.control(address, "welcome", { ring: this.#keeper.state }, QUICK).catch(() => {});
  }

  /** Those whose turn it is, in an order drawn anew each turn; and those in doubt. */
  #next(): string[] {
    const others = this.#others();
    if (this.#turn.length === 0) this.#turn = this.#shuffle(others);
    const due = [...this.#turn.splice(0, TALKS_PER_ROUND), ...this.#prober.due()];
    return [...new Set(due)].filter((address) => others.includes(address));
  }

  #others(): string[] {
    return this.#keeper.otherMembers.map(({ address }) => address);
  }

  #some(addresses: string[]): string[] {
    return this.#shuffle(addresses).slice(0, NEWS_FANOUT);
  }

  #shuffle(addresses: readonly string[]): string[] {
    const shuffled = [...addresses];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = Math.floor(this.#random.next() * (i + 1));
      [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
    }
    return shuffled;
  }
}
