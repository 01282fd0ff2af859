import { assert } from "@std/assert";
import { gossipCost } from "./gossip_cost.ts";

Deno.test("gossipCost() of seven nodes, then each speaks to three a second, and all learn of a join and of a death", async () => {
  const cost = await gossipCost(7);
  assert(
    cost.messagesPerSecond > 2.8 && cost.messagesPerSecond < 3.2,
    `${cost.messagesPerSecond} messages/s`,
  );
  assert(cost.bytesPerSecond > 100 && cost.bytesPerSecond < 2_000, `${cost.bytesPerSecond} B/s`);
  assert(cost.joinSeconds < 1, `a join is known after ${cost.joinSeconds} s`);
  assert(cost.changeSeconds !== undefined && cost.changeSeconds >= 1 && cost.changeSeconds < 10);
  assert(cost.deathHalfSeconds <= cost.deathSeconds && cost.deathSeconds > 1 && cost.deathSeconds < 15);
});
