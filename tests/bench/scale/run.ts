import { DEFAULT_PARTITIONS } from "../../../lib/core/partition.ts";
import { type GossipCost, gossipCost } from "./gossip_cost.ts";
import { type PlacementCost, placementCost } from "./placement_cost.ts";
import { gossipTable, placementTable } from "./tables.ts";

/** Numbers of nodes that are looked at. */
const NODES = [10, 30, 100, 300, 1_000, 2_000];
/** Rings up to which gossip is simulated; above, its figures are extrapolated from those, and marked so. */
const SIMULATED_MAX = 1_000;
const QUICK_SIMULATED_MAX = 100;

/** How cost grows with the number of nodes. */
export interface ScaleReport {
  readonly partitions: number;
  readonly placement: readonly PlacementCost[];
  /** Of rings that were simulated. */
  readonly gossip: readonly GossipCost[];
}

/** Computes and simulates it: no node is started, and nothing waits on real time. */
export async function runScale(
  { quick, print }: { readonly quick: boolean; readonly print: (line: string) => void },
): Promise<{ readonly report: ScaleReport; readonly markdown: string }> {
  const placement = NODES.map((nodes) => {
    print(`placing ${DEFAULT_PARTITIONS} partitions on ${nodes} nodes`);
    return placementCost(nodes, DEFAULT_PARTITIONS);
  });
  const gossip: GossipCost[] = [];
  for (const nodes of NODES.filter((nodes) => nodes <= (quick ? QUICK_SIMULATED_MAX : SIMULATED_MAX))) {
    print(`simulating the gossip of ${nodes} nodes`);
    gossip.push(await gossipCost(nodes));
    print(`that took ${gossip.at(-1)!.realSeconds.toFixed(1)} s`);
  }
  const report = { partitions: DEFAULT_PARTITIONS, placement, gossip };
  return { report, markdown: `${placementTable(placement)}\n\n${gossipTable(gossip, NODES)}\n` };
}
