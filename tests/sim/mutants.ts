import { liveName } from "../../lib/core/layout.ts";
import { RingKeeper } from "../../lib/node/ring_keeper.ts";
import type { WriteRequest } from "../../lib/node/storage.ts";
import { receivedRecord, writeAsk } from "../../lib/node/write_ask.ts";
import type { Transport } from "../../lib/ports/transport.ts";
import {
  type Ask,
  type Call,
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
  type Outcome,
} from "../../lib/wire.ts";
import type { Host, Tampering } from "./host.ts";
import { nameByPlacement } from "./planted_layouts.ts";
import { restampStrongWrites, stampEnds, withoutAbsent } from "./planted_requests.ts";
import { forgetful, HastyKeeper, NamelessKeeper, TidyKeeper, withoutIdentity } from "./planted_ring.ts";
import {
  dropOldDeletions,
  dropWithoutFloor,
  halfCommits,
  hideDeletions,
  keepLeftovers,
  lateChunks,
  lazy,
  showEarly,
  writeBlindly,
} from "./planted_storage.ts";
import type { SwarmOptions } from "./swarm.ts";

/** A ring that grows at once, under much load on many keys, each of which is seldom written. */
const GROWTH: SwarmOptions = {
  plan: "growBehindBridge",
  workload: { thinkMs: 5, clients: 12, large: 0, keys: manyKeys(150) },
};

/** Keys that are only used strongly. */
const STRONG = ["s", "t"];

/** A planted bug, and under which faults it shows. */
export interface Mutant {
  /** What the nodes do wrong. */
  readonly name: string;
  /** Which promise that breaks. */
  readonly breaks: string;
  readonly options: SwarmOptions;
  /** Seeds within which it must be found. */
  readonly within: number;
}

/**
 * Bugs that an engineer could have made. Each is planted through a part of the
 * node that is passed in anyway; no checker knows of any of them.
 */
export const MUTANTS: readonly Mutant[] = [
  mutant("acknowledges before any other owner has the write", "promise 1", {
    transport: (transport) =>
      answering(transport, "write", (call) => writeModeOf(call) === "client" && STORED, "also send"),
  }),
  mutant("answers before the commit is on the disk", "promise 1", {
    store: (store, host) => lazy(store, (ms) => host.sleep(ms)),
  }, { plan: "blackout" }),
  mutant("takes client writes that are below what it holds", "promise 3", {
    storage: (storage) => {
      const write = storage.write.bind(storage);
      storage.write = async (request) => {
        const outcome = await write(request);
        return outcome.kind === "stale" && request.mode === "client"
          ? { kind: "stored", hadValue: outcome.hadValue }
          : outcome;
      };
    },
  }),
  mutant("lets repairs replace newer records", "promise 3", {
    storage: (storage) => {
      const write = storage.write.bind(storage);
      storage.write = async (request) => {
        const outcome = await write(request);
        if (outcome.kind !== "stale" || request.mode !== "merge") return outcome;
        await storage.drop(request.partition, request.key, outcome.held);
        return await write(request);
      };
    },
  }, {
    faults: ["sever", "storm"],
    faultPauseMs: 200,
    operatorPauseMs: 300,
    weather: { slow: 0.3 },
    workload: { thinkMs: 10, clients: 8, large: 0, keys: ["a", "b"] },
  }),
  mutant("forgets deletions as soon as they are stored", "promise 5", {
    storage: (storage) => {
      const write = storage.write.bind(storage);
      storage.write = async (request) => {
        const outcome = await write(request);
        if (request.record.kind === "tombstone" && outcome.kind === "stored") {
          await storage.drop(request.partition, request.key, request.record.version);
        }
        return outcome;
      };
    },
  }),
  mutant("reads from one owner only", "promise 3", {
    transport: (transport) =>
      answering(transport, "heads", (call) => ({ heads: itemsOf(call).map(() => undefined), floors: [] })),
  }),
  mutant("does not write back what a read has shown", "promise 3", {
    transport: (transport) =>
      answering(transport, "write", (call) => writeModeOf(call) === "merge" && STORED),
  }, {
    faults: ["isolate", "mute", "sever"],
    faultPauseMs: 100,
    operatorPauseMs: 60_000,
    workload: { thinkMs: 10, clients: 8, large: 0, keys: manyKeys(5) },
  }),
  mutant("compares owners by the number of their records", "promise 2", {
    storage: (storage) => {
      const digests = storage.digests.bind(storage);
      storage.digests = async () => {
        const exact = await digests();
        return new Map(
          [...exact].map(([partition, digest]) => [partition, { ...digest, hash: `${digest.records}` }]),
        );
      };
    },
  }),
  mutant("does not compare the layouts that messages rely on", "promise 4", {
    keeper: (storage, identity) => new NamelessKeeper(storage, identity),
  }, GROWTH),
  mutant("drops the old layout before it holds its share of the new", "promise 4", {
    keeper: (storage, identity) => new HastyKeeper(storage, identity),
  }, { operatorPauseMs: 300 }),
  mutant("pulls from one previous owner instead of a quorum", "promise 2", {
    transport: (transport, host) => trustingOne(transport, host),
  }, GROWTH),
  mutant("gives a wiped disk the vote of the one before", "promise 2", {
    identity: (identity, host) => ({ ...identity, storeId: host.address, incarnation: host.starts }),
  }, {
    faults: ["sever", "wipe"],
    faultPauseMs: 100,
    operatorPauseMs: 60_000,
    workload: { thinkMs: 30, clients: 5, large: 0, keys: manyKeys(60) },
  }),
  mutant("uses an incarnation twice", "promise 3", {
    identity: (identity) => ({ ...identity, incarnation: 1 }),
  }, { plan: "restartWithStoppedClock" }),
  mutant("purges what it has not asked the owners about", "promise 7", {
    transport: (transport, host) => claimingAll(transport, host),
  }, { operatorPauseMs: 300 }),
  mutant("stores records of large values before their chunks", "promise 6", {
    store: (store, host) => lateChunks(store, (ms) => host.sleep(ms)),
  }, { faults: ["crash", "isolate"], faultPauseMs: 200, workload: { large: 0.5, keys: manyKeys(6) } }),
  mutant("commits by halves", "promise 1", {
    store: (store, host) => halfCommits(store, (ms) => host.sleep(ms)),
  }, { plan: "blackout", workload: { thinkMs: 5, clients: 12, large: 0.2, keys: manyKeys(6) } }),
  mutant("shows what is not on the disk yet", "promise 3", {
    storage: (storage, host) => showEarly(storage, (ms) => host.sleep(ms)),
  }, { plan: "blackout", workload: { thinkMs: 5, clients: 12, large: 0, keys: ["a", "b"] } }),
  mutant("writes repairs over what has come meanwhile", "promise 3", {
    storage: (storage, host) => writeBlindly(storage, (ms) => host.sleep(ms)),
  }, {
    faults: ["sever", "storm", "slowDisk"],
    faultPauseMs: 200,
    operatorPauseMs: 300,
    weather: { slow: 0.3 },
    workload: { thinkMs: 10, clients: 8, large: 0, keys: ["a", "b"] },
  }),
  mutant("leaves deletions out of what it exchanges", "promise 5", { storage: hideDeletions }),
  mutant("stamps what it repairs anew", "promise 3", {
    transport: (transport) => restampingRepairs(transport),
  }),
  mutant("forgets in a crash which layout it had adopted", "promise 2", {
    keeper: (storage, identity, host) => new RingKeeper(forgetful(storage, (ms) => host.sleep(ms)), identity),
  }, { faultPauseMs: 200, operatorPauseMs: 300 }),
  mutant("drops what a change takes from it before others hold it", "promise 2", {
    keeper: (storage, identity) => new TidyKeeper(storage, identity),
  }, { plan: "random", operatorPauseMs: 300 }),
  mutant("forgets deletions by their age", "promise 5", {
    storage: (storage, host) => dropOldDeletions(storage, () => host.nowMs()),
  }, {
    plan: "random",
    faults: ["isolate", "sever"],
    faultPauseMs: 200,
    operatorPauseMs: 1_000,
    workload: { thinkMs: 100, clients: 8, large: 0, keys: manyKeys(100), strongKeys: [] },
  }),
  mutant("merges what it had when it was removed", "promise 5", {
    setAside: withoutIdentity,
    storage: (storage, host) => keepLeftovers(storage, host),
  }, { plan: "random", operatorPauseMs: 300, faultPauseMs: 3_000 }),
  mutant("skips the first phase of a strong write", "linearizability of strong operations", {
    transport: (transport) =>
      answering(transport, "survey", () => ({
        held: undefined,
        hasValue: false,
        floor: undefined,
        nowMs: 0,
      })),
  }),
  mutant("forgets deletions and keeps no floor in their place", "promise 5", { storage: dropWithoutFloor }, {
    plan: "returnAfterCollection",
  }),
  mutant("keeps what it held of a partition before it owned it again", "promise 5", {
    storage: keepLeftovers,
  }, {
    plan: "returnAfterCollection",
  }),
  mutant("gives a layout that comes back its old name", "promise 2", { install: nameByPlacement }, {
    plan: "leaveAgain",
    workload: { thinkMs: 10, clients: 8, large: 0, keys: manyKeys(300) },
  }),
  mutant("stamps the end of an expired value anew", "promise 3", { storage: stampEnds }, {
    plan: "random",
    nodes: 3,
    // Values end early and late, and what ends them is long on its way.
    faults: ["jumpClock"],
    faultPauseMs: 400,
    operatorPauseMs: 60_000,
    weather: { meanDelayMs: 100, slow: 0 },
    workload: { thinkMs: 200, clients: 24, large: 0, expiring: 0.5, keys: manyKeys(8), strongKeys: [] },
  }),
  mutant("stamps strong writes again", "linearizability of strong operations", {
    install: restampStrongWrites,
  }, {
    plan: "random",
    faults: ["isolate", "mute", "sever"],
    faultPauseMs: 100,
    operatorPauseMs: 60_000,
    workload: { thinkMs: 10, clients: 8, large: 0, keys: STRONG, strongKeys: STRONG },
  }),
  mutant("counts owners that are down as if they were none", "promise 1", { transport: withoutAbsent }, {
    plan: "random",
    faults: ["isolate", "mute"],
    faultPauseMs: 200,
    operatorPauseMs: 60_000,
  }),
];

function mutant(
  name: string,
  breaks: string,
  tampering: Tampering,
  options: Omit<SwarmOptions, "tampering"> = {},
): Mutant {
  return { name, breaks, options: { ...options, tampering }, within: 60 };
}

const STORED = { kind: "stored", held: undefined, hadValue: false };

function manyKeys(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `k${i}`);
}

function writeModeOf(call: Call): unknown {
  return (call.ask as { readonly mode?: unknown }).mode;
}

function itemsOf(call: Call): readonly { readonly partition: number; readonly key: string }[] {
  return (call.ask as { readonly items: readonly { partition: number; key: string }[] }).items;
}

/** A transport that makes up the answers to one operation, and does the rest. */
function answering(
  transport: Transport,
  op: Call["op"],
  answer: (call: Call) => object | false,
  also: "also send" | "instead" = "instead",
): Transport {
  return {
    async call(address, message, options) {
      const request = decodeRequest(message);
      const madeUp = request.calls.map((call) => call.op === op && answer(call));
      if (madeUp.every((one) => one === false)) return await transport.call(address, message, options);
      const rest = request.calls.filter((_, i) => madeUp[i] === false);
      if (also === "also send") void transport.call(address, message, options).catch(() => {});
      const outcomes: Outcome[] = [];
      if (rest.length > 0) {
        const reply = decodeReply(
          await transport.call(address, encodeRequest({ ...request, calls: rest }), options),
          rest,
        );
        if (reply.kind === "refused") return encodeReply(reply, request.calls);
        outcomes.push(...reply.outcomes);
      }
      const all = madeUp.map((one): Outcome => one === false ? outcomes.shift()! : { ok: true, answer: one });
      return encodeReply({ kind: "results", outcomes: all }, request.calls);
    },
  };
}

/** A transport that gives what it sends as a repair a version of its own, a little above. */
function restampingRepairs(transport: Transport): Transport {
  return {
    call(address, message, options) {
      const request = decodeRequest(message);
      const calls = request.calls.map((call): Call => {
        const later = <T extends Pick<WriteRequest, "record">>(ask: T): T => {
          const { version } = ask.record;
          return { ...ask, record: { ...ask.record, version: { ...version, wallMs: version.wallMs + 500 } } };
        };
        if (call.op === "mergeRecords") {
          const { records } = call.ask as { readonly records: readonly WriteRequest[] };
          return { op: call.op, ask: { records: records.map(later) } };
        }
        if (call.op !== "write" || writeModeOf(call) !== "merge") return call;
        const ask = call.ask as Ask<"write">;
        const { record } = later(receivedRecord(ask));
        return { op: "write", ask: writeAsk(ask, record, ask.mode) };
      });
      return transport.call(address, encodeRequest({ ...request, calls }), options);
    },
  };
}

/** Has every owner but the first that is asked under a pair of layouts seem to hold just what this node holds. */
function trustingOne(transport: Transport, host: Host): Transport {
  const asked = new Map<string, string>();
  return {
    async call(address, message, options) {
      const { calls, live } = decodeRequest(message);
      const bytes = await transport.call(address, message, options);
      const { running } = host;
      if (calls[0]?.op !== "digests" || live === undefined || running === undefined) return bytes;
      const reply = decodeReply(bytes, calls);
      if (reply.kind === "refused") return bytes;
      if (!asked.has(live)) asked.set(live, address);
      if (
        asked.get(live) === address ||
        live === liveName({ ...running.keeper.live, newest: running.keeper.live.base })
      ) {
        return bytes;
      }
      const own = [...await running.storage.digests()].map(([partition, digest]) => ({
        partition,
        ...digest,
      }));
      return encodeReply(
        { kind: "results", outcomes: [{ ok: true, answer: { digests: own, floors: [] } }] },
        calls,
      );
    },
  };
}

/** Has owners seem to hold all that this node holds of partitions that are not its own. */
function claimingAll(transport: Transport, host: Host): Transport {
  return {
    async call(address, message, options) {
      const { calls } = decodeRequest(message);
      const [call] = calls;
      const { running } = host;
      if (call?.op !== "heads" || calls.length > 1 || running === undefined) {
        return await transport.call(address, message, options);
      }
      const { live, selfId } = running.keeper;
      const isOwn = (partition: number) =>
        live.newest.owners(partition).includes(selfId) || live.base.owners(partition).includes(selfId);
      const items = itemsOf(call);
      if (items.some(({ partition }) => isOwn(partition))) {
        return await transport.call(address, message, options);
      }
      const heads = await running.storage.heads(items);
      if (heads.some((head) => head === undefined)) return await transport.call(address, message, options);
      return encodeReply({ kind: "results", outcomes: [{ ok: true, answer: { heads, floors: [] } }] }, calls);
    },
  };
}
