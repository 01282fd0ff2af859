import { bytesText } from "../../../lib/cli/format.ts";
import { numberText } from "../markdown.ts";
import type { GossipCost } from "./gossip_cost.ts";
import type { PlacementCost } from "./placement_cost.ts";

/** What placement costs, as a table. */
export function placementTable(costs: readonly PlacementCost[]): string {
  const titles = [
    "nodes",
    "table built in",
    "its memory, and with all lists",
    "partitions per node",
    "most / mean",
    "to stay under",
    "least / mean",
    "moved by a join, a leave / ideal",
  ];
  return table(
    titles,
    costs.map((cost) => [
      cost.nodes.toLocaleString("en-US"),
      `${numberText(cost.buildMs)} ms`,
      [cost.tableBytes, cost.listsBytes].map((bytes) => bytes === undefined ? "?" : bytesText(bytes)).join(
        ", ",
      ),
      numberText(cost.perNode),
      cost.most.toFixed(3),
      `${cost.bound.toFixed(3)}${cost.most < cost.bound ? "" : " (not reached)"}`,
      cost.least.toFixed(3),
      `${cost.joinMoved.toFixed(3)}, ${cost.leaveMoved.toFixed(3)}`,
    ]),
  );
}

/** What gossip costs, as a table; rings that were not simulated have what follows from the largest two that were, marked `~`. */
export function gossipTable(simulated: readonly GossipCost[], nodes: readonly number[]): string {
  const titles = [
    "nodes",
    "at rest, per node",
    "a join known to all",
    "its bytes per node",
    "a change done, no data",
    "its bytes per node",
    "a death known to half",
    "to all",
  ];
  const rows = nodes.map((count) =>
    simulated.find((one) => one.nodes === count) ?? extrapolate(simulated, count)
  );
  return table(
    titles,
    rows.map((cost) => {
      const mark = simulated.includes(cost) ? "" : "~ ";
      return [
        cost.nodes.toLocaleString("en-US"),
        `${mark}${bytesText(Math.round(cost.bytesPerSecond))}/s`,
        `${mark}${numberText(cost.joinSeconds)} s`,
        `${mark}${bytesText(Math.round(cost.joinBytes))}`,
        cost.changeSeconds === undefined ? "not simulated" : `${numberText(cost.changeSeconds)} s`,
        cost.changeBytes === undefined ? "" : bytesText(Math.round(cost.changeBytes)),
        `${mark}${numberText(cost.deathHalfSeconds)} s`,
        `${mark}${numberText(cost.deathSeconds)} s`,
      ];
    }),
  );
}

/**
 * What follows for a larger ring: the same messages at rest; times that go on growing with the logarithm of the number
 * of nodes, as between the two largest that were simulated; and bytes of a join in proportion to the list of members,
 * which those who learn of it late are sent.
 *
 * @param simulated At least two, the largest last.
 */
export function extrapolate(simulated: readonly GossipCost[], nodes: number): GossipCost {
  const [before, last] = simulated.slice(-2) as [GossipCost, GossipCost];
  const doublings = Math.log2(nodes / last.nodes) / Math.log2(last.nodes / before.nodes);
  const further = (seconds: (cost: GossipCost) => number) =>
    seconds(last) + Math.max(0, seconds(last) - seconds(before)) * doublings;
  return {
    ...last,
    nodes,
    joinSeconds: further((cost) => cost.joinSeconds),
    joinBytes: last.joinBytes * nodes / last.nodes,
    changeSeconds: undefined,
    changeBytes: undefined,
    deathHalfSeconds: further((cost) => cost.deathHalfSeconds),
    deathSeconds: further((cost) => cost.deathSeconds),
  };
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  return [titles, titles.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
