import { isMet, isReachable, type QuorumNeed } from "./quorum.ts";
import { compareHeads, type RecordHead } from "./record.ts";

/** What a coordinator does next with a read. */
export type ReadStep =
  | { readonly kind: "wait" }
  /** No owner of a read quorum knows the key. */
  | { readonly kind: "absent" }
  /**
   * This is the newest, and those hold it. Answer it once `stale`, the
   * owners of the same quorum that answered with less, hold it too: otherwise a later read could miss it.
   */
  | {
    readonly kind: "found";
    readonly head: RecordHead;
    readonly holders: readonly string[];
    readonly stale: readonly string[];
  }
  | { readonly kind: "fail" };

/**
 * One read of one key: what owners hold in, what to do next out.
 *
 * Only what owners of the base hold can be the newest. A node that is to become an owner may have leftovers from a
 * time when it was one, of what was deleted since and forgotten: it sets them aside before it says that it holds
 * its share. Nothing is missed: what was acknowledged, or shown by a read, is on a quorum of every live layout.
 */
export class ReadState {
  readonly #needs: readonly QuorumNeed[];
  readonly #isBaseOwner: (owner: string) => boolean;
  readonly replies = new Map<string, RecordHead | undefined>();
  readonly lost = new Set<string>();

  /** @param isBaseOwner Whether an owner is one in the base, too: all are, while nothing changes. */
  constructor(needs: readonly QuorumNeed[], isBaseOwner: (owner: string) => boolean = () => true) {
    this.#needs = needs;
    this.#isBaseOwner = isBaseOwner;
  }

  /** What the owner holds; also its new holding after it was repaired. */
  reply(owner: string, head: RecordHead | undefined): void {
    if (!this.lost.has(owner)) this.replies.set(owner, head);
  }

  /** The owner did not answer, or could not be repaired: its reply no longer counts. */
  fail(owner: string): void {
    this.replies.delete(owner);
    this.lost.add(owner);
  }

  step(): ReadStep {
    if (!isMet(this.#needs, (owner) => this.replies.has(owner))) {
      return { kind: isReachable(this.#needs, (owner) => this.lost.has(owner)) ? "wait" : "fail" };
    }
    const newest = this.#newest();
    if (newest === undefined) return { kind: "absent" };
    const holders: string[] = [];
    const stale: string[] = [];
    for (const [owner, head] of this.replies) {
      const order = head === undefined ? -1 : compareHeads(head, newest);
      if (order === 0) holders.push(owner);
      else if (order < 0) stale.push(owner);
    }
    return { kind: "found", head: newest, holders, stale };
  }

  #newest(): RecordHead | undefined {
    let newest: RecordHead | undefined;
    for (const [owner, head] of this.replies) {
      if (head === undefined || !this.#isBaseOwner(owner)) continue;
      if (newest === undefined || compareHeads(head, newest) > 0) newest = head;
    }
    return newest;
  }
}
