import { liveIds, type LiveLayouts, type OwnerId, readNeeds } from "./layout.ts";

/** Who is asked for what a read quorum of every partition knows. */
export interface ReadCover {
  readonly asked: readonly OwnerId[];
  /** Members whose answers are not needed while all others answer. */
  readonly spared: readonly OwnerId[];
}

/**
 * Spares as many members as can be: all others hold a read quorum of each partition in each live layout. Where
 * every node owns everything only a quorum of them is left; in a large ring nearly all are.
 *
 * @param candidates Members that may be spared, those that are spared first in front. What cannot be spared is asked.
 */
export function readCover(
  live: LiveLayouts,
  partitions: number,
  candidates: readonly OwnerId[],
): ReadCover {
  const spare = new Map<OwnerId, { left: number }[]>(liveIds(live).map((owner) => [owner, []]));
  for (let partition = 0; partition < partitions; partition++) {
    for (const { owners, required } of readNeeds(live, partition)) {
      const need = { left: owners.length - required };
      for (const owner of owners) spare.get(owner)?.push(need);
    }
  }
  const spared = candidates.filter((owner) => {
    const needs = spare.get(owner);
    if (needs === undefined || needs.some(({ left }) => left <= 0)) return false;
    for (const need of needs) need.left--;
    return true;
  });
  return { asked: liveIds(live).filter((owner) => !spared.includes(owner)), spared };
}
