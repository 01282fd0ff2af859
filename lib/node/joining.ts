import { DhtError, sentence } from "../core/errors.ts";
import {
  changeMember,
  changeShare,
  foundRing,
  isActive,
  type Member,
  type MemberShare,
  raiseIncarnation,
  type RingState,
} from "../core/membership.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Gossip } from "./gossip.ts";
import { recallServers, rememberServers } from "./join_memory.ts";
import type { Peers } from "./peers.ts";
import { RetiredStoreError, retirement } from "./retirement.ts";
import type { RingKeeper, StateStore } from "./ring_keeper.ts";

/** Wait before the first further try to join; doubled with each, up to the most. */
const JOIN_RETRY_MS = 500;
const JOIN_RETRY_MAX_MS = 15_000;
/** How long the claim of another ring on this address counts: its nodes repeat it every ten seconds or more often. */
const FOREIGN_RING_MS = 30_000;

/** How a node comes into a ring. */
export interface EnterOptions {
  /** Nodes to join through, tried in turn. */
  readonly servers: readonly string[];
  /** Of a ring that this node founds. */
  readonly replicas: number;
  readonly partitions: number;
  /** What this node asks to own; absent: what the ring knows of it. */
  readonly share?: MemberShare;
}

/** How this node comes into its ring: founds it, joins it, or comes back to it; and whether it may serve. */
export class Joining {
  readonly #keeper: RingKeeper;
  readonly #store: StateStore;
  readonly #peers: Peers;
  readonly #gossip: Gossip;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #entered = Promise.withResolvers<void>();
  #hasEntered = false;
  #isJoining = false;
  #waitingFor: string | undefined;
  #foreignRing: { readonly ringId: string; readonly heardMs: number } | undefined;

  constructor(
    deps: {
      keeper: RingKeeper;
      storage: StateStore;
      peers: Peers;
      gossip: Gossip;
      clock: Clock;
      random: Random;
      log: Log;
    },
  ) {
    this.#keeper = deps.keeper;
    this.#store = deps.storage;
    this.#peers = deps.peers;
    this.#gossip = deps.gossip;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#log = deps.log;
  }

  /** Resolves once this node is in a ring; rejects where it is stopped before. */
  get entered(): Promise<void> {
    return this.#entered.promise;
  }

  /**
   * Whether this node is in its ring for good. One that comes back may turn out to have been retired, or to run on an
   * older copy of its disk: until it has asked the others it must not vote with what it holds.
   */
  get hasEntered(): boolean {
    return this.#hasEntered;
  }

  /** Whether this node may be sent requests; if not, why. */
  readiness(): { readonly ready: true } | { readonly ready: false; readonly reason: string } {
    if (!this.#keeper.inRing) {
      return { ready: false, reason: this.#waitingFor ?? "The node is joining its ring" };
    }
    if (!this.#hasEntered) {
      return { ready: false, reason: "The node asks its ring what has changed while it was down" };
    }
    const { foreignRing } = this;
    if (foreignRing !== undefined && this.#keeper.otherMembers.length === 0) {
      return {
        ready: false,
        reason: `Ring ${foreignRing} lists this node's address, but this node is not in it`,
      };
    }
    return { ready: true };
  }

  /**
   * Brings this node into a ring; joining goes on in the background until it succeeds or `signal` is aborted.
   *
   * @returns Whether it found the ring it was in before.
   * @throws {RetiredStoreError} If that ring has seen this store leave, or has removed or replaced it.
   * @throws {DhtError} "wrong_ring" if `servers` are of another ring than the database.
   */
  async enter(options: EnterOptions, signal: AbortSignal): Promise<boolean> {
    if (await this.#keeper.load()) {
      this.#refuseRetired();
      await this.#comeBack(options);
      this.#enter();
      return true;
    }
    const servers = options.servers.length > 0 ? options.servers : await recallServers(this.#store);
    if (servers.length === 0) {
      await this.#keeper.adopt(
        foundRing({
          ...options,
          ringId: this.#random.hex(8),
          self: { ...this.#keeper.self, ...options.share },
        }),
      );
      this.#log.event("info", "ring_founded", "Founded a new ring", { ring: this.#keeper.state.ringId });
      this.#enter();
    } else {
      await rememberServers(this.#store, servers);
      this.#isJoining = true;
      void this.#join({ ...options, servers }, signal);
    }
    return false;
  }

  /** Another ring knows this address: most likely this node lost its disk and founded a ring of its own. */
  noteForeignRing(ringId: string): void {
    const known = this.foreignRing === ringId;
    this.#foreignRing = { ringId, heardMs: this.#clock.monotonicMs() };
    if (known) return;
    const advice = "stop this node, put its data directory aside and start it with --server";
    this.#log.event("error", "foreign_ring", `Ring ${ringId} lists this node's address: ${advice}`);
  }

  /** The id of another ring that claims this address, and said so of late. */
  get foreignRing(): string | undefined {
    const foreign = this.#foreignRing;
    if (foreign === undefined) return undefined;
    return this.#clock.monotonicMs() - foreign.heardMs < FOREIGN_RING_MS ? foreign.ringId : undefined;
  }

  /**
   * Hears from a ring that it has taken this node in: the node that did so may have gone before it could say so.
   *
   * @throws {DhtError} "not_in_ring" where this node did not ask for that, or the ring lists another store.
   */
  async welcome(ring: RingState): Promise<void> {
    if (this.#keeper.inRing) return;
    const { address, storeId } = this.#keeper.self;
    const member = ring.members.get(address);
    if (!this.#isJoining || member?.storeId !== storeId || !isActive(member)) {
      throw new DhtError("not_in_ring", `Cannot enter ring ${ring.ringId}: node ${address} has not asked to`);
    }
    await this.#keeper.adopt(ring);
    this.#log.event("info", "joined", "Joined the ring, as its nodes say", { ring: ring.ringId });
    this.#enter();
  }

  /** @param remembered The last start that this database knows of: every start is written down before others hear of it. */
  #refuseRetired(remembered = this.#keeper.self.incarnation): void {
    const reason = retirement(this.#keeper.selfMember, remembered);
    if (reason === undefined) return;
    const servers = this.#keeper.otherMembers.map((other) => other.address);
    throw new RetiredStoreError(`Cannot use this database again: ${reason}`, servers);
  }

  /** Learns what it missed, then tells the ring of the new start; a node that was leaving when it stopped stays after all. */
  async #comeBack({ servers, share = {} }: EnterOptions): Promise<void> {
    const { self } = this.#keeper;
    const remembered = this.#keeper.selfMember?.incarnation ?? 0;
    for (const server of servers) {
      try {
        // No "exchange": that is what the nodes of a ring that lists the asked one say to it.
        await this.#peers.control(server, "merge", { ring: this.#keeper.state }, { timeoutMs: 1_500 });
      } catch (error) {
        if (error instanceof DhtError && error.code === "wrong_ring") throw this.#otherRing(server, error);
      }
    }
    // What it missed while it was down; and a start that an older copy of this disk has not had, one of them may know.
    await this.#gossip.meetAll();
    this.#refuseRetired(remembered);
    const before = this.#keeper.selfMember;
    await this.#keeper.update((ring) => {
      const raised = changeShare(
        raiseIncarnation(ring, self.address, self.incarnation),
        self.address,
        share,
      );
      const leaving = raised.members.get(self.address)?.state === "leaving";
      return leaving ? changeMember(raised, self.address, { state: "up" }) : raised;
    });
    this.#sayWhatChanged(before);
    // Before it acknowledges anything: from then on an older copy of this disk can be told from it.
    await this.#gossip.announce();
  }

  #enter(): void {
    this.#hasEntered = true;
    this.#entered.resolve();
  }

  /** A start may change what the ring knows of this node. */
  #sayWhatChanged(before: Member | undefined): void {
    const after = this.#keeper.selfMember;
    if (before === undefined || after === undefined) return;
    if (before.weight !== after.weight || before.zone !== after.zone) {
      const was = shareText(before);
      const now = shareText(after);
      this.#log.event("info", "share_changed", `This node now has ${now}, and had ${was}: data moves`);
    }
    if (before.state === "leaving") {
      const how =
        "what the others have fetched already need not be fetched again if it is told to leave anew";
      this.#log.event(
        "warn",
        "leave_ended",
        `This node stopped while leaving, and stays in the ring; ${how}`,
      );
    }
  }

  #otherRing(server: string, cause: DhtError): DhtError {
    const { state, self } = this.#keeper;
    return new DhtError(
      "wrong_ring",
      `Cannot start ${self.address}: its database belongs to ring ${state.ringId}, and ${server} is of another ring; ` +
        `start it without --server, or name another directory with --data to join the ring of ${server}`,
      { node: server },
      { cause },
    );
  }

  async #join({ servers, share = {} }: EnterOptions, signal: AbortSignal): Promise<void> {
    let waitMs = JOIN_RETRY_MS;
    while (!signal.aborted) {
      for (const server of servers) {
        if (this.#keeper.inRing || await this.#joinThrough(server, share)) return this.#enter();
      }
      this.#log.event("warn", "join_retry", `${this.#waitingFor}; trying again in ${waitMs / 1000} s`);
      await this.#clock.sleep(waitMs, signal).catch(() => {});
      waitMs = Math.min(waitMs * 2, JOIN_RETRY_MAX_MS);
    }
    this.#entered.reject(signal.reason);
  }

  async #joinThrough(server: string, { weight, zone }: MemberShare): Promise<boolean> {
    const { self } = this.#keeper;
    try {
      const { ring } = await this.#peers.control(server, "join", { ...self, weight, zone });
      await this.#keeper.adopt(ring);
      await this.#gossip.announce();
      this.#log.event("info", "joined", `Joined the ring through ${server}`, {
        ring: ring.ringId,
        nodes: [...ring.members.values()].filter(isActive).length,
      });
      return true;
    } catch (error) {
      const reason = sentence(error);
      this.#waitingFor = `Cannot join the ring through ${server}: ${reason}`;
      return false;
    }
  }
}

function shareText({ weight, zone }: Member): string {
  return `weight ${weight} ${zone === undefined ? "in no zone" : `in zone ${zone}`}`;
}
