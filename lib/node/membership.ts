import { DhtError } from "../core/errors.ts";
import {
  activeMembers,
  admitMember,
  changeMember,
  isActive,
  isMostOf,
  type MemberState,
} from "../core/membership.ts";
import { writeQuorum } from "../core/quorum.ts";
import type { Log } from "../ports/log.ts";
import type { Gossip } from "./gossip.ts";
import type { Peers } from "./peers.ts";
import { answers } from "./replica.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { JoinRequest } from "./service.ts";

const GREETING = { timeoutMs: 2_000 } as const;

/** Who is in the ring: takes stores in, has this one leave, removes those that are gone. */
export class MembershipService {
  readonly #keeper: RingKeeper;
  readonly #peers: Peers;
  readonly #gossip: Gossip;
  readonly #log: Log;
  constructor(
    deps: {
      keeper: RingKeeper;
      peers: Peers;
      gossip: Gossip;
      log: Log;
    },
  ) {
    this.#keeper = deps.keeper;
    this.#peers = deps.peers;
    this.#gossip = deps.gossip;
    this.#log = deps.log;
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
    return this.#keeper.otherMembers.every((member) => member.state !== "up");
  }

  /** Whether no other node is in the ring. */
  isAlone(): boolean {
    return this.#keeper.otherMembers.length === 0;
  }

  /**
   * Takes a node that is gone for good out of the ring.
   *
   * @throws {DhtError} "unknown_node", "last_node", "node_reachable" if any member still reaches it; "needs_force"
   * where the ring had only two copies, or where no majority of the members answers: those that do not may be alive,
   * and this node the one that is cut off.
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
      throw new DhtError("node_reachable", `Cannot remove ${address}: it answers`, {
        node: address,
      });
    }
    const members = activeMembers(ring).length;
    const { answered, reachedBy } = await this.#whoReaches(address);
    if (reachedBy.length > 0) {
      throw new DhtError(
        "node_reachable",
        `Cannot remove ${address}: ${reachedBy.join(", ")} still reach it`,
        {
          node: address,
          reachedBy,
        },
      );
    }
    if (!isMostOf(answered, members) && !force) {
      throw new DhtError(
        "needs_force",
        `Cannot remove ${address}: only ${answered} of ${members} nodes answer here; the others may be alive, and ` +
          "hold what would be lost",
        {
          node: address,
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

  /** Asks all members but that one, this node included: how many answer, and which of them reach that address. */
  async #whoReaches(address: string): Promise<{ answered: number; reachedBy: string[] }> {
    const { state, self } = this.#keeper;
    const asked = activeMembers(state).map((member) => member.address).filter((other) => other !== address);
    const replies = await Promise.all(
      asked.map((witness) =>
        witness === self.address
          ? answers(this.#peers, state, address)
          : this.#peers.control(witness, "probe", { address }).then(({ reached }) => reached, () => undefined)
      ),
    );
    return {
      answered: replies.filter((reached) => reached !== undefined).length,
      reachedBy: asked.filter((_, i) => replies[i] === true),
    };
  }
}

function addressTaken(address: string): DhtError {
  return new DhtError(
    "node_reachable",
    `Cannot take in a node as ${address}: another one answers there; start it with an --advertise of its own`,
    { node: address },
  );
}
