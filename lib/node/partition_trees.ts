import { DigestTree } from "../core/digest_tree.ts";
import type { LiveLayouts, OwnerId } from "../core/layout.ts";
import { comparableOwners, type Comparing } from "./comparable.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { PartitionDigest, Storage } from "./storage.ts";

/** Trees kept for peers that may ask for their next level: each has some MiB at 16,384 partitions. */
const MAX_TREES = 4;

/** What trees are built from. */
export interface TreeSources {
  readonly storage: Storage;
  readonly keeper: RingKeeper;
}

interface Kept {
  readonly leaves: readonly string[];
  readonly tree: DigestTree;
}

/**
 * The hash trees this node compares with its peers: one for each, over the partitions in which both are to be
 * compared, see `comparableOwners`. Others count as empty.
 */
export class PartitionTrees {
  /** Whether this node was away, and fetches what it missed by itself: who compares meanwhile would send it twice. */
  isBehind = false;
  readonly #sources: TreeSources;
  readonly #kept = new Map<OwnerId, Kept>();

  constructor(sources: TreeSources) {
    this.#sources = sources;
  }

  /** The tree for one peer, of all that this node held when it was asked for. */
  async with(peer: OwnerId, live: LiveLayouts, comparing: Comparing): Promise<DigestTree> {
    const digests = await this.#sources.storage.digests();
    const leaves = this.#leaves(peer, comparableOwners(this.#sources.keeper.state, live, comparing), digests);
    const kept = this.#kept.get(peer);
    this.#kept.delete(peer);
    const tree = kept !== undefined && areEqual(kept.leaves, leaves) ? kept.tree : new DigestTree(leaves);
    this.#kept.set(peer, { leaves, tree });
    if (this.#kept.size > MAX_TREES) this.#kept.delete(this.#kept.keys().next().value!);
    return tree;
  }

  #leaves(
    peer: OwnerId,
    isComparable: ReturnType<typeof comparableOwners>,
    digests: ReadonlyMap<number, PartitionDigest>,
  ): string[] {
    const { state, selfId } = this.#sources.keeper;
    const leaves = new Array<string>(state.partitions).fill("");
    for (const [partition, { hash, damaged }] of digests) {
      if (partition >= state.partitions) continue;
      if (!isComparable(partition, peer) || !isComparable(partition, selfId)) continue;
      // Two that hold the same beside what is damaged are not known to be equal.
      leaves[partition] = damaged > 0 ? `${hash} and ${damaged} damaged at ${selfId}` : hash;
    }
    return leaves;
  }
}

// Digests that did not change are the same texts: comparing 16,384 of them takes a tenth of a millisecond.
function areEqual(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((leaf, i) => leaf === b[i]);
}
