import { isChanging, type LiveLayouts, type OwnerId, ownsInBase } from "../core/layout.ts";
import { hasReported, idOf, type RingState } from "../core/membership.ts";

/** Who compares: a node by itself, or because somebody has asked for it. */
export type Comparing = "by itself" | "as asked";

/**
 * Tells which owners of a partition, by the newest layout, are compared with one another.
 *
 * At rest, and where somebody has asked, all are. A node by itself leaves out, while a change of layout is open, an
 * owner that is new to the partition and has not reported yet that it holds its share: its transfer brings it all
 * that the owners in the base hold, at a rate of its own, and a comparison would bring the same again.
 *
 * Nothing relies on the comparison that is left out. What was acknowledged is on a write quorum of the base, whose
 * owners go on being compared, however long the change stays open; the change does not end before the newcomer has
 * pulled from a read quorum of them; until it ends no owner gives anything up for it, and no deletion is
 * forgotten. What is written meanwhile comes to the newcomer by the write itself, by hints and by read repair.
 * From its report on it is compared like the others, also while the change waits for somebody else.
 *
 * Two nodes that have not heard of the same reports draw different trees: they look closer, and find nothing.
 */
export function comparableOwners(
  ring: RingState,
  live: LiveLayouts,
  comparing: Comparing,
): (partition: number, owner: OwnerId) => boolean {
  const owns = (partition: number, owner: OwnerId) => live.newest.owners(partition).includes(owner);
  if (comparing === "as asked" || !isChanging(live)) return owns;
  const reported = new Set([...ring.members.values()].filter((one) => hasReported(one, live)).map(idOf));
  return (partition, owner) =>
    owns(partition, owner) && (reported.has(owner) || ownsInBase(live, partition, owner));
}
