import { hash32 } from "./hash.ts";

/** Partitions of a new ring, unless told otherwise: enough for a few hundred nodes to share evenly. */
export const DEFAULT_PARTITIONS = 16_384;

/** Bytes of UTF-8 that a key may have at most. */
export const KEY_MAX_BYTES = 1_024;

/**
 * The partition a key belongs to: 0 to `partitions - 1`.
 *
 * @param partitions Number of equal slices the hash space is cut into; an integer from 1 to 65,536, fixed
 * when a ring is founded.
 */
export function partitionOf(key: string, partitions: number): number {
  return Math.floor(hash32(key) / 2 ** 32 * partitions);
}
