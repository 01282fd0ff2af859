import { DhtError, sentence } from "../core/errors.ts";
import type { RingState } from "../core/membership.ts";
import {
  type Answer,
  type Call,
  decodeRequest,
  encodeReply,
  type Handlers,
  type Operation,
  type Outcome,
  type ReplyMessage,
  type RequestMessage,
} from "../wire.ts";
import { type PartitionHandlerDeps, partitionHandlers } from "./partition_handlers.ts";
import type { LocalReplica, Peers } from "./peers.ts";
import { answerCompare, answerExchange } from "./ring_talk.ts";
import { chunkHandlers, type RecordHandlerDeps, recordHandlers } from "./record_handlers.ts";
import type { JoinRequest } from "./service.ts";
import { type Tasks, unknownTask } from "./tasks.ts";
import { Yielding } from "./yielding.ts";

/** What a replica needs of its node. */
export interface ReplicaDeps extends RecordHandlerDeps, PartitionHandlerDeps {
  readonly peers: Peers;
  readonly tasks: Tasks;
  /** Whether this node has made sure that the ring still counts on its store. */
  hasEntered(): boolean;
  /** Takes a node into the ring. */
  admit(joiner: JoinRequest): Promise<void>;
  /** Takes the word of a ring that it has taken this node in. */
  welcome(ring: RingState): Promise<void>;
  startBalance(id: string): void;
  /** How far this node is in fetching its share of the newest layout. */
  progress(): Promise<Answer<"progress">>;
  /** Called with the name of whoever sent a message: it need not be a member. */
  heardFrom(address: string): void;
  /** Called with the state of a ring that is not this node's but lists this node's address. */
  foreignRing(ringId: string): void;
}

/** Serves the operations other nodes, and this node's own coordinator, ask of this store. */
export class Replica implements LocalReplica {
  readonly #deps: ReplicaDeps;
  readonly #handlers: Handlers;

  constructor(deps: ReplicaDeps) {
    this.#deps = deps;
    const yielding = new Yielding(deps.clock, () => deps.storage.served);
    this.#handlers = {
      ...recordHandlers(deps),
      ...chunkHandlers(deps),
      ...partitionHandlers(deps, yielding),
      ...ringHandlers(deps),
    };
  }

  /** Answers one message; every failure becomes part of the reply. Only an unreadable message throws. */
  async receive(data: Uint8Array): Promise<Uint8Array> {
    const message = decodeRequest(data);
    this.#deps.heardFrom(message.from.address);
    return encodeReply(await this.#reply(message), message.calls);
  }

  /** @throws {DhtError} "layout_mismatch" if the caller relies on layouts other than those in force here. */
  handle(live: string | undefined, call: Call): Promise<unknown> {
    // Checked in the same turn in which the operation is queued: a layout adopted later finds it committed.
    const refusal = this.#layoutRefusal(live, [call]);
    if (refusal !== undefined) return Promise.reject(refusal);
    if (OF_REQUESTS.has(call.op)) this.#deps.storage.served++;
    const handler = this.#handlers[call.op] as (ask: unknown) => Promise<unknown>;
    try {
      return handler(call.ask);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #reply(message: RequestMessage): Promise<ReplyMessage> {
    const refusal = this.#identityRefusal(message) ?? this.#layoutRefusal(message.live, message.calls);
    if (refusal !== undefined) {
      const ring = refusal.code === "layout_mismatch" ? this.#deps.keeper.state : undefined;
      return { kind: "refused", error: refusal, ring };
    }
    const outcomes = await Promise.all(message.calls.map((call) => this.#outcome(message.live, call)));
    return { kind: "results", outcomes };
  }

  async #outcome(live: string | undefined, call: Call): Promise<Outcome> {
    try {
      return { ok: true, answer: await this.handle(live, call) };
    } catch (error) {
      if (error instanceof DhtError) return { ok: false, error };
      const reason = sentence(error);
      return { ok: false, error: new DhtError("store_failed", `Cannot ${call.op}: ${reason}`) };
    }
  }

  #identityRefusal(message: RequestMessage): DhtError | undefined {
    const { keeper } = this.#deps;
    const { address, storeId } = keeper.self;
    if (message.toStoreId !== undefined && message.toStoreId !== storeId) {
      return new DhtError(
        "wrong_store",
        `Cannot answer for store ${message.toStoreId}: ${address} holds another`,
        {
          node: address,
        },
      );
    }
    if (!keeper.inRing && message.calls.every((call) => call.op === "welcome")) return undefined;
    if (!keeper.inRing) {
      return new DhtError("not_in_ring", `Cannot answer: node ${address} is not in a ring yet`, {
        node: address,
      });
    }
    if (message.ringId === undefined || message.ringId === keeper.state.ringId) return undefined;
    if (message.calls.some((call) => call.op === "exchange")) this.#deps.foreignRing(message.ringId);
    return new DhtError(
      "wrong_ring",
      `Cannot answer: ${address} is in ring ${keeper.state.ringId}, not in ${message.ringId}`,
      {
        node: address,
        ring: keeper.state.ringId,
      },
    );
  }

  #layoutRefusal(live: string | undefined, calls: readonly Call[]): DhtError | undefined {
    if (live === undefined) {
      if (calls.every((call) => !LAYOUT_BOUND.has(call.op))) return undefined;
      return new DhtError("bad_message", "Cannot read message: it names no layouts");
    }
    const { keeper } = this.#deps;
    if (!this.#deps.hasEntered()) {
      return new DhtError("not_in_ring", `Cannot answer: ${keeper.self.address} is coming back to its ring`, {
        node: keeper.self.address,
      });
    }
    if (live === keeper.liveName) return undefined;
    return new DhtError("layout_mismatch", `Cannot answer: ${keeper.self.address} lives by other layouts`, {
      node: keeper.self.address,
    });
  }
}

/**
 * Operations that are right only under the layouts their sender had in mind.
 * Chunks are not among them: nothing is visible before its record is, and a long transfer outlives a layout.
 */
const LAYOUT_BOUND: ReadonlySet<Operation> = new Set<Operation>([
  "write",
  "read",
  "survey",
  "heads",
  "pullRecord",
  "scan",
  "scanRecords",
  "readRecords",
  "mergeRecords",
  "digests",
  "tree",
  "raiseFloor",
  "confirmTombstones",
  "collectTombstones",
  "counts",
  "listKeys",
]);

/** Operations that clients wait for: others give way to them. */
const OF_REQUESTS: ReadonlySet<Operation> = new Set<Operation>(["write", "read", "survey"]);

function ringHandlers(deps: ReplicaDeps) {
  const { keeper, peers, tasks } = deps;
  return {
    join: async (joiner) => {
      await deps.admit(joiner);
      return { ring: keeper.state };
    },
    exchange: (ask) =>
      Promise.resolve({
        ...answerExchange(keeper, ask),
        nowMs: Math.max(0, Math.floor(deps.clock.nowMs())),
      }),
    compare: (ask) => answerCompare(keeper, ask),
    merge: async ({ ring }) => {
      await keeper.merge(ring);
      return {};
    },
    news: async ({ news }) => ({ understood: await keeper.mergeNews(news) }),
    welcome: async ({ ring }) => {
      await deps.welcome(ring);
      return {};
    },
    probe: async ({ address }) => ({ reached: await answers(peers, keeper.state, address) }),
    progress: () => deps.progress(),
    startTask: ({ id }) => {
      deps.startBalance(id);
      return Promise.resolve({});
    },
    task: ({ id }) => {
      const task = tasks.find(id);
      if (task === undefined) throw unknownTask(id);
      return Promise.resolve({ task: { ...task, error: task.error, endedMs: task.endedMs } });
    },
  } satisfies Partial<Handlers>;
}

/** Whether the store that the ring knows at an address answers this node. */
export async function answers(peers: Peers, ring: RingState, address: string): Promise<boolean> {
  return ring.members.has(address) && await peers.reaches(address, { timeoutMs: 1_500 });
}
