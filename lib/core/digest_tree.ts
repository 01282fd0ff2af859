import { encodeHex } from "@std/encoding/hex";
import { hash128 } from "./hash.ts";

/** Children of a node of the tree. */
const TREE_FANOUT = 16;

/** Letters of a hash: 64 bits tell apart what differs by chance. */
const HASH_LETTERS = 16;

/** Asks the other side for the hashes of nodes of one level of its tree, in that order. */
export type AskHashes = (level: number, nodes: readonly number[]) => Promise<readonly string[]>;

/**
 * A hash tree over the partitions of a ring: two nodes compare what they hold with a few small messages.
 *
 * Level 0 has a leaf for each partition; each level above one node for 16 of the level below; the last level is
 * the root. What is empty, or left out, has the empty hash, and so has all above it.
 */
export class DigestTree {
  readonly #levels: string[][];

  /** @param leaves A hash for each partition, by number; "" where there is nothing. At least one. */
  constructor(leaves: readonly string[]) {
    if (leaves.length === 0) throw new RangeError("Cannot build a tree without leaves");
    let level = leaves.slice();
    this.#levels = [level];
    while (level.length > 1) {
      level = parentsOf(level);
      this.#levels.push(level);
    }
  }

  /** Number of the root's level. */
  get top(): number {
    return this.#levels.length - 1;
  }

  /**
   * Hashes of nodes of one level, in the order asked.
   *
   * @throws {RangeError} If there is no such node.
   */
  hashes(level: number, nodes: readonly number[]): string[] {
    return nodes.map((node) => {
      const hash = this.#levels[level]?.[node];
      if (hash === undefined) throw new RangeError(`Cannot find node ${node} of level ${level} of the tree`);
      return hash;
    });
  }

  /**
   * Partitions in which another tree of as many partitions differs. Asks for its root, and from there only for
   * what lies below a node that differs: a message for each level.
   */
  async differing(ask: AskHashes): Promise<number[]> {
    let nodes = [0];
    for (let level = this.top; level >= 0; level--) {
      const theirs = await ask(level, nodes);
      const ours = this.hashes(level, nodes);
      nodes = nodes.filter((_, i) => ours[i] !== theirs[i]);
      if (nodes.length === 0 || level === 0) break;
      nodes = nodes.flatMap((node) => this.#childrenOf(level, node));
    }
    return nodes;
  }

  #childrenOf(level: number, node: number): number[] {
    const first = node * TREE_FANOUT;
    const count = Math.min(TREE_FANOUT, this.#levels[level - 1]!.length - first);
    return Array.from({ length: count }, (_, i) => first + i);
  }
}

function parentsOf(level: readonly string[]): string[] {
  const parents: string[] = [];
  for (let first = 0; first < level.length; first += TREE_FANOUT) {
    const children = level.slice(first, first + TREE_FANOUT);
    // Set apart: a hash that moves from one child to another must not go unseen.
    parents.push(children.every((child) => child === "") ? "" : shortHash(children.join(",")));
  }
  return parents;
}

function shortHash(text: string): string {
  return encodeHex(hash128(text)).slice(0, HASH_LETTERS);
}
