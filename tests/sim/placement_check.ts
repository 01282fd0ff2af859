import type { Layout } from "../../lib/core/layout.ts";

/** Standard deviations by which a node may own more than others like it. */
const DEVIATIONS = 4;
/** Partitions that nodes must own on average for their shares to say anything. */
const FEWEST = 12;

/**
 * Looks at how evenly partitions are spread over nodes of the same weight, and that heavier ones own no less. Where
 * nodes are in zones, how many are in each decides: nothing is said then.
 *
 * @returns A sentence for each violation.
 */
export function checkBalanced(layout: Layout): string[] {
  const { members } = layout.data;
  if (members.some(({ zone }) => zone !== undefined)) return [];
  const owned = layout.shares().map((share) => share.owned);
  if (owned.reduce((sum, count) => sum + count, 0) < FEWEST * owned.length) return [];
  const groups = Map.groupBy(members.keys(), (i) => members[i]!.weight);
  const means = [...groups].sort(([a], [b]) => a - b).map(([weight, group]) => {
    const counts = group.map((i) => owned[i]!);
    return { weight, mean: counts.reduce((sum, count) => sum + count, 0) / counts.length, counts };
  });
  return means.flatMap(({ weight, mean, counts }, i) => {
    const violations: string[] = [];
    const most = mean + DEVIATIONS * Math.sqrt(mean);
    if (Math.max(...counts) > most) {
      violations.push(`nodes of weight ${weight} own ${counts.join(", ")} partitions: not balanced`);
    }
    const lighter = means[i - 1];
    if (lighter !== undefined && mean + DEVIATIONS * Math.sqrt(mean) < lighter.mean) {
      violations.push(
        `nodes of weight ${weight} own fewer partitions than those of weight ${lighter.weight}`,
      );
    }
    return violations;
  });
}
