import { isTooFarAhead } from "../core/clock_bound.ts";
import { DhtError, sentence } from "../core/errors.ts";
import type { Version } from "../core/hlc.ts";
import { addressOf, type OwnerId } from "../core/layout.ts";
import type { RingState } from "../core/membership.ts";
import type { ValueRecord } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import {
  type Answer,
  type Ask,
  type Call,
  decodeRequest,
  encodeReply,
  type Operation,
  type Outcome,
  type ReplyMessage,
  type RequestMessage,
} from "../wire.ts";
import type { PartitionTrees } from "./partition_trees.ts";
import type { HintedHandoff } from "./hinted_handoff.ts";
import type { LocalReplica, Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { JoinRequest } from "./service.ts";
import type { Storage } from "./storage.ts";
import { type Tasks, unknownTask } from "./tasks.ts";

/** What a replica needs of its node. */
export interface ReplicaDeps {
  readonly storage: Storage;
  readonly keeper: RingKeeper;
  readonly peers: Peers;
  readonly tasks: Tasks;
  readonly hints: Pick<HintedHandoff, "keep" | "deliverOnRequest">;
  readonly trees: PartitionTrees;
  readonly clock: Clock;
  /** Fetches a chunked record from the owner that holds it; resolves to whether it is held afterwards. */
  pullRecord(
    source: OwnerId,
    place: { partition: number; key: string },
    record: ValueRecord,
  ): Promise<boolean>;
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

type Handlers = { readonly [Op in Operation]: (ask: Ask<Op>) => Promise<Answer<Op>> };

/** Serves the operations other nodes, and this node's own coordinator, ask of this store. */
export class Replica implements LocalReplica {
  readonly #deps: ReplicaDeps;
  readonly #handlers: Handlers;

  constructor(deps: ReplicaDeps) {
    this.#deps = deps;
    this.#handlers = { ...dataHandlers(deps), ...ringHandlers(deps) };
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
    const handler = this.#handlers[call.op] as (ask: unknown) => Promise<unknown>;
    return handler(call.ask);
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
  "digests",
  "tree",
  "raiseFloor",
  "confirmTombstones",
  "collectTombstones",
  "counts",
  "listKeys",
]);

type DataOperation =
  | "write"
  | "read"
  | "survey"
  | "heads"
  | "readChunks"
  | "openUpload"
  | "writeChunks"
  | "abortUpload"
  | "pullRecord"
  | "hint"
  | "handoff"
  | "scan"
  | "digests"
  | "tree"
  | "raiseFloor"
  | "confirmTombstones"
  | "collectTombstones"
  | "counts"
  | "listKeys";

function dataHandlers(deps: ReplicaDeps): Pick<Handlers, DataOperation> {
  const { storage } = deps;
  return {
    write: async (ask) => {
      // Only here, where a client's write comes in: what others hold is taken whatever its stamp says.
      if (ask.mode === "client" && isTooFarAhead(ask.record.version, deps.clock.nowMs())) {
        return { kind: "ahead", held: undefined, hadValue: false };
      }
      const outcome = await storage.write({ ...ask, mode: ask.mode === "merge" ? "merge" : "client" });
      const held = "held" in outcome ? outcome.held : undefined;
      return { kind: outcome.kind, held, hadValue: outcome.hadValue };
    },
    read: async ({ partition, key }) => ({ record: await storage.read(partition, key) }),
    survey: (place) => survey(deps, place),
    heads: async ({ items, strict }) => {
      const heads = await storage.heads(items, strict === undefined ? {} : { strict });
      // Not before: a tombstone that is collected meanwhile shows in one of the two at least.
      return { heads, floors: floorsOf(storage, new Set(items.map(({ partition }) => partition))) };
    },
    readChunks: async ({ blobId, first, count, place }) => ({
      chunks: await storage.blobs.readChunks(blobId, first, count, place),
    }),
    openUpload: async ({ id }) => {
      await storage.blobs.openUpload(id);
      return {};
    },
    writeChunks: async ({ id, first, chunks }) => {
      await storage.blobs.writeChunks(id, first, chunks);
      return {};
    },
    abortUpload: async ({ id }) => {
      await storage.blobs.abortUpload(id);
      return {};
    },
    pullRecord: async ({ partition, key, record, source }) => {
      if (record.kind !== "value") {
        throw new DhtError("bad_message", "Cannot pull a deletion: it is sent as it is");
      }
      return { held: await deps.pullRecord(source, { partition, key }, record) };
    },
    hint: ({ target, items }) => {
      deps.hints.keep(target, items);
      return Promise.resolve({});
    },
    handoff: async ({ target }) => {
      await deps.hints.deliverOnRequest(target);
      return {};
    },
    scan: async ({ partition, after, limit }) => {
      const page = await storage.scan(partition, { limit, ...(after === undefined ? {} : { after }) });
      return { entries: page.entries, next: page.next, floor: page.floor, damaged: page.damaged };
    },
    digests: async ({ partitions }) => ({
      digests: await digestsOf(storage, partitions),
      floors: floorsOf(storage, partitions),
    }),
    raiseFloor: async ({ partition, floor }) => {
      await storage.tombstones.raiseFloor(partition, floor);
      return {};
    },
    confirmTombstones: async ({ partition, tombstones }) => ({
      confirmed: await storage.tombstones.confirm(partition, tombstones),
    }),
    collectTombstones: async ({ partition, tombstones }) => ({
      removed: await storage.tombstones.collect(partition, tombstones),
    }),
    tree: (ask) => treeHashes(deps, ask),
    counts: ({ down }) => countPrimary(deps, new Set(down)),
    listKeys: async ({ prefix, after, limit }) => {
      const page = await storage.listKeys({ prefix, limit, ...(after === undefined ? {} : { after }) });
      return { entries: page.entries, next: page.next, damaged: page.damaged };
    },
  };
}

function ringHandlers(deps: ReplicaDeps): Omit<Handlers, DataOperation> {
  const { keeper, peers, tasks } = deps;
  return {
    join: async (joiner) => {
      await deps.admit(joiner);
      return { ring: keeper.state };
    },
    exchange: ({ hash }) =>
      Promise.resolve({
        ring: hash === keeper.hash ? undefined : keeper.state,
        nowMs: Math.max(0, Math.floor(deps.clock.nowMs())),
      }),
    merge: async ({ ring }) => {
      await keeper.merge(ring);
      return {};
    },
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
  };
}

/** Whether the store that the ring knows at an address answers this node. */
export async function answers(peers: Peers, ring: RingState, address: string): Promise<boolean> {
  return ring.members.has(address) && await peers.reaches(address, { timeoutMs: 1_500 });
}

async function survey({ storage, clock }: ReplicaDeps, place: Ask<"survey">): Promise<Answer<"survey">> {
  const [head] = await storage.heads([place], { strict: true });
  // After the record: what is collected in between is at or below the floor that is read now.
  const floor = storage.tombstones.floor(place.partition);
  const nowMs = Math.max(0, Math.floor(clock.nowMs()));
  return { held: head?.version, hasValue: head?.kind === "value", floor, nowMs };
}

/** The floors of partitions, of all where none are named. */
function floorsOf(
  storage: Storage,
  partitions: Iterable<number> | undefined,
): Answer<"digests">["floors"] {
  const found: { partition: number; floor: Version }[] = [];
  for (const partition of partitions ?? storage.tombstones.flooredPartitions()) {
    const floor = storage.tombstones.floor(partition);
    if (floor !== undefined) found.push({ partition, floor });
  }
  return found;
}

async function digestsOf(
  storage: Storage,
  partitions: readonly number[] | undefined,
): Promise<Answer<"digests">["digests"]> {
  const digests = await storage.digests();
  const wanted = partitions ?? [...digests.keys()];
  return wanted.flatMap((partition) => {
    const digest = digests.get(partition);
    return digest === undefined ? [] : [{ partition, ...digest }];
  });
}

async function treeHashes(deps: ReplicaDeps, ask: Ask<"tree">): Promise<Answer<"tree">> {
  const tree = await deps.trees.with(ask.owner, deps.keeper.live);
  try {
    return { hashes: tree.hashes(ask.level, ask.nodes) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new DhtError("bad_message", error.message);
  }
}

/** Each partition is counted by the first of its owners that is up, so that a ring's keys are counted once. */
async function countPrimary(deps: ReplicaDeps, down: ReadonlySet<string>): Promise<Answer<"counts">> {
  const { live, state, selfId } = deps.keeper;
  const digests = await deps.storage.digests();
  const counts = { partitions: 0, values: 0, valueBytes: 0 };
  for (let partition = 0; partition < state.partitions; partition++) {
    // The base's owners have all the data; the newest's may still be pulling it.
    const first = live.base.owners(partition).find((owner) => !down.has(addressOf(owner)));
    if (first !== selfId) continue;
    const digest = digests.get(partition);
    counts.partitions++;
    counts.values += digest?.values ?? 0;
    counts.valueBytes += digest?.valueBytes ?? 0;
  }
  return counts;
}
