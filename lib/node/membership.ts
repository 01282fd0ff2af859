import { DhtError, sentence } from "../core/errors.ts";
import {
  admitMember,
  changeMember,
  changeShare,
  foundRing,
  isActive,
  type Member,
  type MemberShare,
  type MemberState,
  raiseIncarnation,
  type RingState,
} from "../core/membership.ts";
import { writeQuorum } from "../core/quorum.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Gossip } from "./gossip.ts";
import type { Peers } from "./peers.ts";
import { answers } from "./replica.ts";
import { RetiredStoreError, retirement } from "./retirement.ts";
import { recallServers, rememberServers } from "./join_memory.ts";
import type { RingKeeper, StateStore } from "./ring_keeper.ts";
import type { JoinRequest } from "./service.ts";

/** Wait before the first further try to join; doubled with each, up to the most. */
const JOIN_RETRY_MS = 500;
const JOIN_RETRY_MAX_MS = 15_000;
const GREETING = { timeoutMs: 2_000 } as const;

/** How long the claim of another ring on this address counts: its nodes repeat it every ten seconds or more often. */
const FOREIGN_RING_MS = 30_000;

export { RetiredStoreError } from "./retirement.ts";

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

/** Founding, joining, leaving and removing. */
export class MembershipService {
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

  /**
   * Takes a store into the ring, if it answers at its address: one that does not could neither be told of
   * changes nor asked for data, and one that answers in its place would be turned out.
   *
   * @throws {DhtError} "peer_unreachable" or "wrong_ring"; "node_reachable" where another node has that address.
   */
  async admit({ weight, zone, ...store }: JoinRequest): Promise<void> {
    const { state, self } = this.#keeper;
    const request = {
      ...store,
      ...(weight === undefined ? {} : { weight }),
      ...(zone === undefined ? {} : { zone }),
    };
    if (admitMember(state, request) === state) return;
    if (request.address === self.address) throw addressTaken(request.address);
    await this.#peers.greet(request.address, request.storeId, GREETING).catch((error) => {
      throw error instanceof DhtError && error.code === "wrong_store" ? addressTaken(request.address) : error;
    });
    await this.#keeper.update((ring) => admitMember(ring, request));
  }

  /** Takes a store into the ring as `admit` does, and tells all. */
  async admitAndTell(request: JoinRequest): Promise<void> {
    await this.admit(request);
    await this.#gossip.announce();
  }

  /** Says that this node is about to leave, and tells all. */
  async startLeaving(): Promise<void> {
    await this.#changeSelf("up", "leaving");
    await this.#gossip.announce();
  }

  /** Takes that back, and tells all; false where this node is not leaving, or has left already. */
  async stayAfterAll(): Promise<boolean> {
    const changed = await this.#changeSelf("leaving", "up");
    if (changed) await this.#gossip.announce();
    return changed;
  }

  /** Says that this node has left; returns whether anybody has heard it, `undefined` where it was not leaving. */
  async sayLeft(): Promise<boolean | undefined> {
    return await this.#changeSelf("leaving", "left") ? await this.#gossip.announce() : undefined;
  }

  /** One change after the other: of a cancellation and a goodbye only the first counts. */
  async #changeSelf(from: MemberState, to: MemberState): Promise<boolean> {
    const { address } = this.#keeper.self;
    let changed = false;
    await this.#keeper.update((ring) => {
      changed = ring.members.get(address)?.state === from;
      return changed ? changeMember(ring, address, { state: to }) : ring;
    });
    return changed;
  }

  /** Whether this node is the only one that stays: there is nobody to hand anything to. */
  isLast(): boolean {
    return this.#others().every((member) => member.state !== "up");
  }

  /** Whether no other node is in the ring. */
  isAlone(): boolean {
    return this.#others().length === 0;
  }

  /**
   * Takes a node that is gone for good out of the ring.
   *
   * @throws {DhtError} "unknown_node", "last_node", "node_reachable" if any member still reaches it,
   * "needs_force" where the ring had only two copies.
   */
  async remove(address: string, { force }: { readonly force: boolean }): Promise<void> {
    const ring = this.#keeper.state;
    const member = ring.members.get(address);
    if (member === undefined || !isActive(member)) {
      throw new DhtError("unknown_node", `Cannot remove ${address}: it is not in the ring`, {
        node: address,
      });
    }
    if (address === this.#keeper.self.address) {
      throw new DhtError("node_reachable", `Cannot remove ${address}: it answers; let it leave`, {
        node: address,
      });
    }
    const witnesses = await this.#whoReaches(address);
    if (witnesses.length > 0) {
      throw new DhtError(
        "node_reachable",
        `Cannot remove ${address}: ${witnesses.join(", ")} still reach it`,
        {
          node: address,
          reachedBy: witnesses,
        },
      );
    }
    if (this.#keeper.live.base.n <= 2 && !force) {
      const copies = writeQuorum(this.#keeper.live.base.n);
      throw new DhtError(
        "needs_force",
        `Cannot remove ${address}: with ${copies} copies what is left may be the only one`,
        {
          node: address,
        },
      );
    }
    await this.#keeper.update((state) => changeMember(state, address, { state: "removed" }));
    this.#log.event("warn", "node_removed", `Removed ${address} from the ring`);
    await this.#gossip.announce();
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

  /** Whether this node may be sent requests. */
  /**
   * Whether this node is in its ring for good. One that comes back may turn out to have been retired, or to run on an
   * older copy of its disk: until it has asked the others it must not vote with what it holds.
   */
  get hasEntered(): boolean {
    return this.#hasEntered;
  }

  readiness(): { readonly ready: true } | { readonly ready: false; readonly reason: string } {
    if (!this.#keeper.inRing) {
      return { ready: false, reason: this.#waitingFor ?? "The node is joining its ring" };
    }
    if (!this.#hasEntered) {
      return { ready: false, reason: "The node asks its ring what has changed while it was down" };
    }
    const { foreignRing } = this;
    if (foreignRing !== undefined && this.#others().length === 0) {
      return {
        ready: false,
        reason: `Ring ${foreignRing} lists this node's address, but this node is not in it`,
      };
    }
    return { ready: true };
  }

  /** @param remembered The last start that this database knows of: every start is written down before others hear of it. */
  #refuseRetired(remembered = this.#keeper.self.incarnation): void {
    const reason = retirement(this.#keeper.selfMember, remembered);
    if (reason === undefined) return;
    const servers = this.#others().map((other) => other.address);
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
    // What it missed while it was down, it learns from whoever answers first.
    await this.#gossip.round();
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

  /** Members, this node included, that get an answer from that address. */
  async #whoReaches(address: string): Promise<string[]> {
    const asked = [this.#keeper.self.address, ...this.#others().map((member) => member.address)];
    const reached = await Promise.all(
      asked.filter((witness) => witness !== address).map(async (witness) => {
        if (witness === this.#keeper.self.address) {
          return await answers(this.#peers, this.#keeper.state, address);
        }
        const reply = await this.#peers.control(witness, "probe", { address }).catch(() => undefined);
        return reply?.reached === true;
      }),
    );
    return asked.filter((witness) => witness !== address).filter((_, i) => reached[i]);
  }

  #others(): Member[] {
    return [...this.#keeper.state.members.values()].filter((member) =>
      isActive(member) && member.address !== this.#keeper.self.address
    );
  }
}

function shareText({ weight, zone }: Member): string {
  return `weight ${weight} ${zone === undefined ? "in no zone" : `in zone ${zone}`}`;
}

function addressTaken(address: string): DhtError {
  return new DhtError(
    "node_reachable",
    `Cannot take in a node as ${address}: another one answers there; start it with an --advertise of its own`,
    { node: address },
  );
}
