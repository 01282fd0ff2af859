import type { Member, RingState } from "../core/membership.ts";

type Members = RingState["members"];

/**
 * Times that each is passed on, to some members each time. Who is missed by all of them, one in thousands, learns it
 * in an exchange of its own.
 */
const TIMES = 3;

/** What a node of a large ring has learnt of its members and still passes on. */
export class Rumours {
  /** By address, how many times more. */
  readonly #left = new Map<string, number>();
  readonly #self: string;
  #known: Members | undefined;

  /**
   * @param self Address of this node.
   * @param known What is no news; absent: nothing but itself in what it learns first, from some others.
   */
  constructor(self: string, known?: Members) {
    this.#self = self;
    this.#known = known;
  }

  /** Whether there is nothing to pass on. */
  get isEmpty(): boolean {
    return this.#left.size === 0;
  }

  /** Takes in what the ring is now; what differs from before is news, unless others are told in another way. */
  learn(members: Members, { isTold }: { readonly isTold: boolean }): void {
    for (const [address, member] of members) {
      const isNews = this.#known === undefined ? address === this.#self : this.#known.get(address) !== member;
      if (isNews && !isTold) this.#left.set(address, TIMES);
    }
    this.#known = members;
  }

  /** The members to tell of. */
  members(): Map<string, Member> {
    const found = new Map<string, Member>();
    for (const address of this.#left.keys()) {
      const member = this.#known?.get(address);
      if (member !== undefined) found.set(address, member);
    }
    return found;
  }

  /** They were told; what they have become meanwhile was not. */
  told(members: Members): void {
    for (const [address, member] of members) {
      if (this.#known?.get(address) !== member) continue;
      const left = (this.#left.get(address) ?? 1) - 1;
      if (left > 0) this.#left.set(address, left);
      else this.#left.delete(address);
    }
  }
}
