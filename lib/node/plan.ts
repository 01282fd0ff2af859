import { movingPartitions, type Plan, planChange, type PlannedChange, plannedLayouts } from "../core/plan.ts";
import { bytesByPartition } from "./partition_bytes.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";

/** What planning needs of its node. */
export interface PlanDeps {
  readonly keeper: RingKeeper;
  readonly peers: Peers;
}

/**
 * What a change of the ring would move. Nothing moves, and nothing is remembered.
 *
 * Bytes are those that the owners hold at this moment; where none of them says so within ten seconds, they count as
 * unknown.
 *
 * @throws {DhtError} Where there is no such change: see `plannedLayouts`.
 */
export async function makePlan({ keeper, peers }: PlanDeps, change: PlannedChange): Promise<Plan> {
  const { state } = keeper;
  const layouts = plannedLayouts(state, change);
  const { self } = keeper;
  const isDown = (address: string) => address !== self.address && peers.isDown(address);
  const down = new Set([...state.members.keys()].filter(isDown));
  const moving = movingPartitions(layouts, state.partitions);
  const bytes = await bytesByPartition({ keeper, peers }, layouts.before, moving);
  return planChange(state, change, layouts, { down, bytesOf: (partition) => bytes.get(partition) });
}
