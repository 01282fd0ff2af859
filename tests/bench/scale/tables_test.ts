import { assertEquals } from "@std/assert";
import type { GossipCost } from "./gossip_cost.ts";
import { extrapolate, gossipTable } from "./tables.ts";

const HUNDRED: GossipCost = {
  nodes: 100,
  bytesPerSecond: 600,
  messagesPerSecond: 3,
  joinSeconds: 2,
  joinBytes: 5_000,
  changeSeconds: 9,
  changeBytes: 70_000,
  deathHalfSeconds: 20,
  deathSeconds: 60,
  realSeconds: 1,
};

const TEN: GossipCost = { ...HUNDRED, nodes: 10, joinSeconds: 1, deathHalfSeconds: 5, deathSeconds: 40 };

Deno.test("extrapolate() to ten times the nodes, then times grow as before, and nothing is said of what was never simulated", () => {
  const cost = extrapolate([TEN, HUNDRED], 1_000);
  assertEquals([cost.joinSeconds, cost.deathHalfSeconds, cost.deathSeconds], [3, 35, 80]);
  assertEquals([cost.bytesPerSecond, cost.joinBytes, cost.changeSeconds], [600, 50_000, undefined]);
});

Deno.test("gossipTable() given a ring that was not simulated, then marks its figures", () => {
  assertEquals(gossipTable([TEN, HUNDRED], [100, 1_000]).split("\n").slice(2), [
    "| 100 | 600 B/s | 2 s | 5 kB | 9 s | 70 kB | 20 s | 60 s |",
    "| 1,000 | ~ 600 B/s | ~ 3 s | ~ 50 kB | not simulated |  | ~ 35 s | ~ 80 s |",
  ]);
});
