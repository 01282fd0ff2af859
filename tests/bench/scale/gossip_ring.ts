import { DhtError } from "../../../lib/core/errors.ts";
import { foundRing, type Member, type RingState } from "../../../lib/core/membership.ts";
import { ClockSkew } from "../../../lib/node/clock_skew.ts";
import { Gossip } from "../../../lib/node/gossip.ts";
import { Peers } from "../../../lib/node/peers.ts";
import { answers } from "../../../lib/node/replica.ts";
import { RingKeeper } from "../../../lib/node/ring_keeper.ts";
import { answerCompare, answerExchange } from "../../../lib/node/ring_talk.ts";
import type { Transport } from "../../../lib/ports/transport.ts";
import { type Ask, type Call, decodeRequest, encodeReply, type Outcome } from "../../../lib/wire.ts";
import { Network } from "../../sim/network.ts";
import { Scheduler } from "../../sim/scheduler.ts";
import { SimClock } from "../../sim/sim_clock.ts";
import { SimProcess } from "../../sim/sim_process.ts";
import { Trace } from "../../sim/trace.ts";
import { SeededRandom } from "../../support/seeded_random.ts";

/** Bytes that a frame puts around each message and each reply between nodes with a secret. */
const FRAME_BYTES = 34;

/** A node that does nothing but gossip. */
export interface GossipNode {
  readonly process: SimProcess;
  readonly keeper: RingKeeper;
  readonly peers: Peers;
  readonly gossip: Gossip;
}

/**
 * Many nodes on virtual time that do nothing but gossip and find out who answers: by the real gossip, prober, failure
 * detector, ring state and messages, over the simulator's network.
 */
export class GossipRing {
  readonly scheduler: Scheduler = new Scheduler();
  readonly nodes: GossipNode[] = [];
  /** Messages between nodes so far, and the bytes of them and their replies, frames included and HTTP left out. */
  readonly sent = { messages: 0, bytes: 0 };
  readonly #random = new SeededRandom("gossip");
  readonly #network = new Network(
    this.scheduler,
    this.#random.fork("network"),
    new Trace(() => this.scheduler.nowMs),
  );
  readonly #ending = new AbortController();

  /** Plays a scenario in a ring of that many nodes, which has been at rest for ever. */
  static async run<T>(
    nodes: number,
    scenario: (ring: GossipRing) => Promise<T>,
    limitMs: number,
  ): Promise<T> {
    const ring = new GossipRing();
    return await ring.scheduler.run(async () => {
      const state = ringOf(nodes);
      for (let i = 0; i < nodes; i++) await ring.add(i, state);
      // Nodes that were started at one moment would speak at one moment.
      await ring.scheduler.sleep(1_000);
      return await scenario(ring);
    }, limitMs).finally(() => ring.#ending.abort());
  }

  /** Adds a node that knows of the ring what `state` says; it begins to gossip some time in the next second. */
  async add(number: number, state: RingState): Promise<GossipNode> {
    const { address, storeId, incarnation } = memberOf(number);
    const process = new SimProcess(address);
    const clock = new SimClock(this.scheduler, { offsetMs: 0, drift: 0 }, process);
    const store = { loadState: () => Promise.resolve(undefined), saveState: () => Promise.resolve() };
    const keeper = new RingKeeper(store, { address, storeId, incarnation });
    await keeper.adopt(state);
    const peers = new Peers({ transport: this.#counting(this.#network.transportOf(process)), clock, keeper });
    const random = this.#random.fork(address);
    const log = { event: () => {} };
    const gossip = new Gossip({ keeper, peers, clock, random, log, clockSkew: new ClockSkew(clock) });
    const node = { process, keeper, peers, gossip };
    process.answer = (message) => answer(node, clock, message);
    this.#network.attach(process);
    this.nodes.push(node);
    this.scheduler.after(random.next() * 1_000, () => void gossip.run(this.#ending.signal));
    return node;
  }

  /** Lets time pass until `condition` holds; returns how long that took, in seconds. */
  async until(condition: () => boolean): Promise<number> {
    const beganMs = this.scheduler.nowMs;
    while (!condition()) await this.scheduler.sleep(50);
    return (this.scheduler.nowMs - beganMs) / 1000;
  }

  #counting(transport: Transport): Transport {
    return {
      call: async (address, message, options) => {
        this.sent.messages++;
        this.sent.bytes += message.length + FRAME_BYTES;
        const reply = await transport.call(address, message, options);
        this.sent.bytes += reply.length + FRAME_BYTES;
        return reply;
      },
    };
  }
}

/** A member of the ring as nodes of that number are. */
export function memberOf(number: number): Member {
  return {
    address: `node-${number}.example:50140`,
    storeId: number.toString(16).padStart(16, "0"),
    incarnation: 1,
    state: "up",
    version: 1,
    weight: 1,
    report: { sequence: 0, base: "", newest: "" },
  };
}

function ringOf(nodes: number): RingState {
  const members = Array.from({ length: nodes }, (_, i) => memberOf(i));
  const founded = foundRing({
    ringId: "0123456789abcdef",
    partitions: 16_384,
    replicas: 3,
    self: members[0]!,
  });
  const all = new Map(members.map((member) => [member.address, member]));
  const layout = {
    replicas: 3,
    height: 4 * nodes,
    members: members.map(({ address, storeId, version, weight }) => ({ address, storeId, version, weight }))
      .sort((a, b) => a.address < b.address ? -1 : 1),
  };
  return { ...founded, members: all, base: layout };
}

/** What `Replica` answers to the operations of gossip. */
async function answer(node: GossipNode, clock: SimClock, message: Uint8Array): Promise<Uint8Array> {
  const { calls, from } = decodeRequest(message);
  node.gossip.heardFrom(from.address);
  const outcomes: Outcome[] = [];
  for (const call of calls) outcomes.push(await outcomeOf(node, clock, call));
  return encodeReply({ kind: "results", outcomes }, calls);
}

async function outcomeOf(
  { keeper, peers }: GossipNode,
  clock: SimClock,
  { op, ask }: Call,
): Promise<Outcome> {
  switch (op) {
    case "exchange":
      return {
        ok: true,
        answer: { ...answerExchange(keeper, ask as Ask<"exchange">), nowMs: clock.nowMs() },
      };
    case "compare":
      return { ok: true, answer: await answerCompare(keeper, ask as Ask<"compare">) };
    case "merge":
      await keeper.merge((ask as Ask<"merge">).ring);
      return { ok: true, answer: {} };
    case "news":
      return { ok: true, answer: { understood: await keeper.mergeNews((ask as Ask<"news">).news) } };
    case "probe": {
      const { address } = ask as Ask<"probe">;
      return { ok: true, answer: { reached: await answers(peers, keeper.state, address) } };
    }
    default:
      return { ok: false, error: new DhtError("store_failed", `Cannot ${op}: these nodes only gossip`) };
  }
}
