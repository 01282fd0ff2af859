import { assert, assertEquals } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { changeMember, foundRing, type Member, type RingState } from "../../lib/core/membership.ts";
import { ClockSkew } from "../../lib/node/clock_skew.ts";
import { Gossip } from "../../lib/node/gossip.ts";
import { Peers } from "../../lib/node/peers.ts";
import { RingKeeper } from "../../lib/node/ring_keeper.ts";
import { answerCompare, answerExchange } from "../../lib/node/ring_talk.ts";
import { type Ask, decodeRequest, encodeReply, type Outcome } from "../../lib/wire.ts";
import { SeededRandom } from "../support/seeded_random.ts";

/** Many nodes that do nothing but gossip, round by round, with messages that take no time. */
async function gossiping(nodes: number) {
  const members = Array.from({ length: nodes }, (_, i) => memberOf(i));
  const founded = foundRing({ ringId: "r", partitions: 1, replicas: 3, self: members[0]! });
  const state: RingState = {
    ...founded,
    members: new Map(members.map((member) => [member.address, member])),
  };
  const clock = { nowMs: () => 0, monotonicMs: () => clockMs, sleep: () => Promise.resolve() };
  let clockMs = 0;
  const random = new SeededRandom(nodes);
  const keepers = new Map<string, RingKeeper>();
  const sent = new Map<string, number>();
  const network: { blocks: (from: string, to: string) => boolean } = { blocks: () => false };
  const handle = async (keeper: RingKeeper, op: string, ask: unknown): Promise<unknown> => {
    if (op === "exchange") return { ...answerExchange(keeper, ask as Ask<"exchange">), nowMs: 0 };
    if (op === "compare") return await answerCompare(keeper, ask as Ask<"compare">);
    if (op === "probe") {
      return { reached: !network.blocks(keeper.self.address, (ask as Ask<"probe">).address) };
    }
    if (op === "news") return { understood: await keeper.mergeNews((ask as Ask<"news">).news) };
    await keeper.merge((ask as Ask<"merge">).ring);
    return {};
  };
  const gossips = await Promise.all(members.map(async ({ address, storeId, incarnation }) => {
    const store = { loadState: () => Promise.resolve(undefined), saveState: () => Promise.resolve() };
    const keeper = new RingKeeper(store, { address, storeId, incarnation });
    await keeper.adopt(state);
    keepers.set(address, keeper);
    const transport = {
      async call(to: string, message: Uint8Array): Promise<Uint8Array> {
        sent.set(address, (sent.get(address) ?? 0) + 1);
        const target = keepers.get(to);
        if (target === undefined || network.blocks(address, to)) {
          throw new DhtError("peer_unreachable", `Cannot reach ${to}: it is dead`);
        }
        const { calls } = decodeRequest(message);
        const outcomes: Outcome[] = [];
        for (const { op, ask } of calls) outcomes.push({ ok: true, answer: await handle(target, op, ask) });
        return encodeReply({ kind: "results", outcomes }, calls);
      },
    };
    const peers = new Peers({ transport, clock, keeper });
    const log = { event: () => {} };
    return new Gossip({ keeper, peers, clock, random, log, clockSkew: new ClockSkew(clock) });
  }));
  const all = [...keepers.values()];
  return {
    keepers: all,
    gossips,
    sent,
    network,
    /** One second at all nodes. */
    async round() {
      clockMs += 1_000;
      await Promise.all(gossips.map((gossip) => gossip.round()));
      // News are passed on behind the round.
      for (let i = 0; i < 200; i++) await Promise.resolve();
    },
    knowing: (hash: string) => all.filter((keeper) => keeper.hash === hash).length,
    most: () => Math.max(...[...sent.values()]),
  };
}

function memberOf(index: number): Member {
  const report = { sequence: 0, base: "", newest: "" };
  return {
    address: `n${index}:1`,
    storeId: `s${index}`,
    incarnation: 1,
    state: "up",
    version: 1,
    weight: 1,
    report,
  };
}

for (const nodes of [10, 60, 100]) {
  Deno.test(`Gossip of ${nodes} nodes at rest, then each speaks to three others a second`, async () => {
    const ring = await gossiping(nodes);
    for (let i = 0; i < 10; i++) await ring.round();
    assertEquals(ring.most(), 30);
  });

  Deno.test(`Gossip of ${nodes} nodes given one changes something, then all soon know, and no node sends many messages for it`, async () => {
    const ring = await gossiping(nodes);
    const changed = ring.keepers[0]!;
    await changed.update((state) => changeMember(state, "n5:1", { weight: 2 }));
    await ring.gossips[0]!.announce();
    let rounds = 0;
    while (ring.knowing(changed.hash) < nodes && rounds < 20) {
      await ring.round();
      rounds++;
    }
    assertEquals(ring.knowing(changed.hash), nodes);
    assert(rounds <= (nodes <= 50 ? 0 : 5), `${rounds} rounds`);
    for (let i = rounds; i < 20; i++) await ring.round();
    // Told all, in a small ring; in a large one four at a time, in as many rounds as it takes.
    const news = nodes <= 50 ? nodes - 1 : 4 * (Math.ceil(Math.log2(nodes)) + 3);
    const talks = 20 * 3;
    assert(ring.most() <= talks + news + 12, `${ring.most()} messages`);
    const before = ring.most();
    await ring.round();
    assert(ring.most() <= before + 3, "it still passes on what all know");
  });
}

for (const nodes of [10, 60, 100]) {
  Deno.test(`Gossip of ${nodes} nodes given its two halves were cut for minutes and each changed something, when they meet again, then all soon know both`, async () => {
    const ring = await gossiping(nodes);
    const half = (address: string): boolean => Number(/\d+/.exec(address)) < nodes / 2;
    ring.network.blocks = (from, to) => half(from) !== half(to);
    for (let i = 0; i < 20; i++) await ring.round();
    for (const index of [0, nodes - 1]) {
      const keeper = ring.keepers[index]!;
      await keeper.update((state) => changeMember(state, keeper.self.address, { weight: 2 }));
      await ring.gossips[index]!.announce();
    }
    // Far longer than news are passed on.
    for (let i = 0; i < 120; i++) await ring.round();
    const hashes = () => new Set(ring.keepers.map(({ hash }) => hash));
    assertEquals(hashes().size, 2);
    ring.network.blocks = () => false;
    let rounds = 0;
    for (; hashes().size > 1 && rounds < 30; rounds++) await ring.round();
    assert(rounds <= 5, `${rounds} rounds`);
    const weights = [...ring.keepers[1]!.state.members.values()].filter(({ weight }) => weight === 2);
    assertEquals(weights.length, 2);
  });
}
