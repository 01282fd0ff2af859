import { assert, assertEquals, assertRejects } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { foundRing, type Member } from "../../lib/core/membership.ts";
import { Peers } from "../../lib/node/peers.ts";
import { RingKeeper } from "../../lib/node/ring_keeper.ts";

/** The peers of node n0:1 with store s0, none of which answers. */
async function silentPeers(): Promise<Peers> {
  const report = { sequence: 0, base: "", newest: "" };
  const self: Member = {
    address: "n0:1",
    storeId: "s0",
    incarnation: 1,
    state: "up",
    version: 1,
    weight: 1,
    report,
  };
  const keeper = new RingKeeper({
    loadState: () => Promise.resolve(undefined),
    saveState: () => Promise.resolve(),
  }, self);
  await keeper.adopt(foundRing({ ringId: "r", partitions: 1, replicas: 3, self }));
  const transport = {
    call: () => Promise.reject(new DhtError("peer_unreachable", "Cannot reach anybody: all is dark")),
  };
  const clock = { nowMs: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() };
  return new Peers({ transport, clock, keeper });
}

async function askThrice(peers: Peers, owner: string): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await assertRejects(() => peers.ask(owner, undefined, "task", { id: "" }), DhtError);
  }
}

Deno.test("Peers given a peer leaves two calls without an answer, then it is down", async () => {
  const peers = await silentPeers();
  await askThrice(peers, "n1:1/s1");
  assert(peers.isDown("n1:1"));
});

Deno.test("Peers given a store that was at this node's own address leaves calls without an answer, then the node does not take itself for down", async () => {
  const peers = await silentPeers();
  await askThrice(peers, "n0:1/s-of-a-lost-disk");
  assertEquals(peers.isDown("n0:1"), false);
});
