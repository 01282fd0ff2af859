import { DhtError } from "../core/errors.ts";
import { isActive, type Member, type RingState } from "../core/membership.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { ClockSkew } from "./clock_skew.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";

/** Time between two rounds. */
export const GOSSIP_INTERVAL_MS = 1_000;
/** Every member is spoken to at least once in that many rounds. */
const ROUNDS_PER_TURN = 10;
/** Members spoken to per round at least, where there are so many. */
const MIN_PER_ROUND = 5;
const QUICK = { timeoutMs: 1_500 } as const;

/**
 * Spreads what this node knows of the ring, and notices who does not answer.
 *
 * Each round it compares hashes with some members and exchanges what differs;
 * what this node itself changes is told to all at once. Who answers is only
 * used to route around a node, never to move data.
 */
export class Gossip {
  readonly #keeper: RingKeeper;
  readonly #peers: Peers;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #clockSkew: ClockSkew;
  readonly #down = new Set<string>();
  #turn: string[] = [];
  #announcing: Promise<boolean> | undefined;
  #announceAgain = false;
  #announced: RingState | undefined;

  constructor(
    deps: { keeper: RingKeeper; peers: Peers; clock: Clock; random: Random; log: Log; clockSkew: ClockSkew },
  ) {
    this.#keeper = deps.keeper;
    this.#peers = deps.peers;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#log = deps.log;
    this.#clockSkew = deps.clockSkew;
  }

  /** Runs rounds until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.round();
      await this.#clock.sleep(GOSSIP_INTERVAL_MS, signal).catch(() => {});
    }
  }

  /** Speaks to the members whose turn it is. */
  async round(): Promise<void> {
    await Promise.all(this.#next().map((address) => this.#speak(address)));
  }

  /**
   * Tells all members what this node knows; resolves when each has been told or did not answer.
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
      const before = this.#announced;
      const ring = this.#news();
      const tell = ({ address }: Member) =>
        this.#peers.control(address, "merge", { ring }, QUICK).then(() => true, () => false);
      const told = await Promise.all(this.#others().map(tell));
      heard = told.length === 0 || told.includes(true);
      // News that nobody has heard are still news.
      if (!heard) this.#announced = before;
    }
    return heard;
  }

  /** The ring, with only those members that changed since the last announcement: a large ring stays cheap. */
  #news(): RingState {
    const ring = this.#keeper.state;
    const known = this.#announced;
    this.#announced = ring;
    const changed = [...ring.members].filter(([address, member]) => known?.members.get(address) !== member);
    return { ...ring, members: new Map(changed) };
  }

  async #speak(address: string): Promise<void> {
    try {
      const ask = { hash: this.#keeper.hash };
      const sentMs = this.#clock.monotonicMs();
      const { ring, nowMs } = await this.#peers.control(address, "exchange", ask, QUICK);
      this.#clockSkew.note(address, nowMs, sentMs);
      if (ring !== undefined) {
        await this.#keeper.merge(ring);
        await this.#peers.control(address, "merge", { ring: this.#keeper.state }, QUICK);
      }
      if (this.#down.delete(address)) this.#log.event("info", "node_up", `Node ${address} answers again`);
    } catch (error) {
      // The ring took it in, but whoever was to tell it has gone: it still asks to be.
      if (error instanceof DhtError && error.code === "not_in_ring") await this.#welcome(address);
      this.#noteSilence(address, error);
    }
  }

  async #welcome(address: string): Promise<void> {
    await this.#peers.control(address, "welcome", { ring: this.#keeper.state }, QUICK).catch(() => {});
  }

  #noteSilence(address: string, error: unknown): void {
    if (!this.#peers.isDown(address) || this.#down.has(address)) return;
    this.#down.add(address);
    const reason = error instanceof Error ? error.message : String(error);
    this.#log.event("warn", "node_down", `Node ${address} does not answer: ${reason}`);
  }

  /** All other members, a part of them each round, in an order drawn anew each turn; those that are down in each. */
  #next(): string[] {
    const others = this.#others().map((member) => member.address);
    const count = Math.max(MIN_PER_ROUND, Math.ceil(others.length / ROUNDS_PER_TURN));
    if (this.#turn.length === 0) this.#turn = this.#shuffle(others);
    const due = this.#turn.splice(0, count).filter((address) => others.includes(address));
    // Whoever counts as down is asked nothing else: requests go around it until it is heard here.
    return [...new Set([...due, ...others.filter((address) => this.#peers.isDown(address))])];
  }

  #others(): Member[] {
    const { members } = this.#keeper.state;
    return [...members.values()].filter((member) =>
      isActive(member) && member.address !== this.#keeper.self.address
    );
  }

  #shuffle(addresses: string[]): string[] {
    const shuffled = [...addresses];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = Math.floor(this.#random.next() * (i + 1));
      [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
    }
    return shuffled;
  }
}
