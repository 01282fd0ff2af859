import { assert, assertEquals } from "@std/assert";
import { placementCost } from "./placement_cost.ts";

Deno.test("placementCost() of ten nodes, then a join and a leave move what one node owns, and nothing else", () => {
  const cost = placementCost(10, 4096);
  assertEquals([cost.joinMoved, cost.leaveMoved], [1, 1]);
  assertEquals(cost.perNode, 1228.8);
  assert(cost.most >= 1 && cost.most < cost.bound, `${cost.most} of ${cost.bound}`);
  assert(cost.least <= 1 && cost.least > 0.8, `${cost.least}`);
});

Deno.test("placementCost() of fewer nodes than copies, then all own all", () => {
  const { perNode, most, least } = placementCost(2, 64);
  assertEquals([perNode, most, least], [64, 1, 1]);
});
