/**
 * Messages between nodes: MessagePack arrays, with every field checked on the way in.
 *
 * One message carries many operations for one peer, and its reply their results
 * in the same order. Fields may be added at the end of a shape; anything else is a new `WIRE_VERSION`.
 */
import { decode as unpack, Encoder } from "@msgpack/msgpack";
import { DHT_ERROR_CODES, DhtError, type ErrorFacts } from "./core/errors.ts";
import { decodeRecord, encodeRecord } from "./core/record_codec.ts";
import type { LayoutData } from "./core/layout.ts";
import type { Member, RingState } from "./core/membership.ts";
import type { StoredRecord } from "./core/record.ts";
import {
  bytes,
  type Decoded,
  type Field,
  flag,
  list,
  oneOf,
  optional,
  positive,
  shape,
  text,
  TEXT_MAX_LENGTH,
  uint,
  uintWithin,
} from "./core/shape.ts";

// One for all messages: it keeps the buffer it has grown, where a new one would grow its own for every message.
const encoder = new Encoder();

/** Version of this format. A node answers a message of another version with "bad_message". */
export const WIRE_VERSION = 1;

const version = shape({ wallMs: uint, counter: uint, writer: text });
const head = shape({
  version,
  kind: oneOf("value", "expired", "tombstone"),
  valueBytes: uint,
  contentType: text,
  chunked: flag,
  expiresMs: optional(uint),
});
const record: Field<StoredRecord> = { encode: encodeRecord, decode: decodeRecord };

/** Copies of a key: a ring of more would be no use to anybody. */
const replicas = uintWithin(1, 1_000);
const layoutShape = shape({
  members: list(
    shape({ address: text, storeId: text, version: uint, weight: positive, zone: optional(text) }),
  ),
  replicas,
  height: uint,
});
const member = shape({
  address: text,
  storeId: text,
  incarnation: uint,
  state: oneOf("up", "leaving", "left", "removed"),
  version: uint,
  weight: positive,
  zone: optional(text),
  report: shape({ sequence: uint, base: text, newest: text }),
});
/** Members of a layout, whose zones are absent rather than undefined. */
const layout: Field<LayoutData> = {
  encode: (data) =>
    layoutShape.encode({ ...data, members: data.members.map((m) => ({ ...m, zone: m.zone })) }),
  decode: (data) => {
    const decoded = layoutShape.decode(data);
    if (decoded.members.length === 0) throw malformed();
    return { ...decoded, members: decoded.members.map(withoutEmptyZone) };
  },
};
const ringShape = shape({
  ringId: text,
  partitions: uintWithin(1, 65_536),
  replicas,
  base: layout,
  members: list(member),
  reported: list(layout, 10_000),
});

/** The state of a ring, or a part of it: all but those members that did not change. */
const ring: Field<RingState> = {
  encode: (state) => {
    const members = [...state.members.values()].map((m) => ({ ...m, zone: m.zone }));
    return ringShape.encode({ ...state, members });
  },
  decode: (data) => {
    const state = ringShape.decode(data);
    const members = state.members.map(withoutEmptyZone) as Member[];
    return { ...state, members: new Map(members.map((m) => [m.address, m])) };
  },
};

const task = shape({
  id: text,
  kind: oneOf("balance", "purge", "leave"),
  done: flag,
  compared: uint,
  sent: uint,
  fetched: uint,
  dropped: uint,
  failed: uint,
  error: optional(text),
  startedMs: uint,
  endedMs: optional(uint),
});
const errorCode = oneOf(...DHT_ERROR_CODES);
const nothing = shape({});
const place = { partition: uint, key: text };
const partitionFloor = shape({ partition: uint, floor: version });
const tombstone = shape({ key: text, version, expired: flag });

/**
 * What one node may ask of another. `lib/node/replica.ts` says which rely on the
 * layouts the message names.
 */
const OPERATIONS = {
  /**
   * Stores a record: sent by a coordinator for a client ("client": unless its stamp is too far ahead of the peer's
   * clock; "admitted": whatever that says), or as a repair ("merge").
   */
  write: {
    ask: shape({ ...place, record, mode: oneOf("client", "admitted", "merge") }),
    answer: shape({
      kind: oneOf("stored", "duplicate", "stale", "collected", "ahead"),
      held: optional(version),
      hadValue: flag,
    }),
  },
  /** The record, bytes included where they are inline. */
  read: { ask: shape(place), answer: shape({ record: optional(record) }) },
  /** What a write must go above, and what the peer's wall clock shows. Refused where the record is damaged. */
  survey: {
    ask: shape(place),
    answer: shape({ held: optional(version), hasValue: flag, floor: optional(version), nowMs: uint }),
  },
  /**
   * With `strict` a record that is damaged refuses the call; else it is answered as if there were none. The floors
   * are those of the items' partitions, of as many as have one, as they were once the heads had been looked up.
   */
  heads: {
    ask: shape({ items: list(shape(place), 10_000), strict: optional(flag) }),
    answer: shape({ heads: list(optional(head), 10_000), floors: list(partitionFloor, 10_000) }),
  },
  /** Chunks of a blob; `place` says whose value they are of, so that damage is that record's. */
  readChunks: {
    ask: shape({ blobId: text, first: uint, count: uint, place: optional(shape(place)) }),
    answer: shape({ chunks: list(bytes, 64) }),
  },
  openUpload: { ask: shape({ id: text }), answer: nothing },
  writeChunks: {
    ask: shape({ id: text, first: uint, chunks: list(bytes, 64) }),
    answer: nothing,
  },
  abortUpload: { ask: shape({ id: text }), answer: nothing },
  /** Has the peer fetch a record that is too large to be sent, from a node that holds it. */
  pullRecord: {
    ask: shape({ ...place, record, source: text }),
    answer: shape({ held: flag }),
  },
  /** Has an owner that holds these records keep them in mind for one that missed them. */
  hint: { ask: shape({ target: text, items: list(shape(place), 1_000) }), answer: nothing },
  /** Has a node deliver what it has kept in mind for an owner that is back; answered when it has tried. */
  handoff: { ask: shape({ target: text }), answer: nothing },
  /** A part of a partition: what is there, without bytes; and whether something damaged was left out. */
  scan: {
    ask: shape({ partition: uint, after: optional(text), limit: uint }),
    answer: shape({
      entries: list(shape({ key: text, head })),
      next: optional(text),
      floor: optional(version),
      damaged: flag,
    }),
  },
  /** Digests of those partitions that are not empty, and the floors of those that have one; of all where none are named. */
  digests: {
    ask: shape({ partitions: optional(list(uint)) }),
    answer: shape({
      digests: list(
        shape({ partition: uint, records: uint, values: uint, valueBytes: uint, hash: text, damaged: uint }),
      ),
      floors: list(partitionFloor),
    }),
  },
  /** Raises the floor of a partition: what was accepted below it before is on the disk, nothing else ever will be. */
  raiseFloor: { ask: partitionFloor, answer: nothing },
  /**
   * Whether the peer holds just these tombstones on its disk, in their order; it stores those that it holds less
   * than. One beside a damaged record, or a greater one, is not confirmed.
   */
  confirmTombstones: {
    ask: shape({ partition: uint, tombstones: list(tombstone, 1_000) }),
    answer: shape({ confirmed: list(flag, 1_000) }),
  },
  /** Forgets tombstones that every owner has confirmed; the floor of the partition takes their place. */
  collectTombstones: {
    ask: shape({ partition: uint, tombstones: list(tombstone, 1_000) }),
    answer: shape({ removed: uint }),
  },
  /** Hashes of nodes of the tree over those partitions that this node and `owner`, who asks, both own. */
  tree: {
    ask: shape({ owner: text, level: uint, nodes: list(uint, 65_536) }),
    answer: shape({ hashes: list(text, 65_536) }),
  },
  /** Values in the partitions of which this node is the first owner that is not among `down`. */
  counts: {
    ask: shape({ down: list(text) }),
    answer: shape({ partitions: uint, values: uint, valueBytes: uint }),
  },
  /** A part of this node's ordered key index; and the partitions of keys left out because they are damaged. */
  listKeys: {
    ask: shape({ prefix: text, after: optional(text), limit: uint }),
    answer: shape({
      entries: list(shape({ key: text, partition: uint, head })),
      next: optional(text),
      damaged: list(uint),
    }),
  },
  /** Asks to be taken into the ring. */
  join: {
    ask: shape({
      address: text,
      storeId: text,
      incarnation: uint,
      weight: optional(positive),
      zone: optional(text),
    }),
    answer: shape({ ring }),
  },
  /**
   * "This is the hash of what I know": answered with all the peer knows, unless that has the same hash, and with
   * what its wall clock shows.
   */
  exchange: { ask: shape({ hash: text }), answer: shape({ ring: optional(ring), nowMs: uint }) },
  /** Tells the peer what has changed. */
  merge: { ask: shape({ ring }), answer: nothing },
  /** Tells a node that still asks to be taken in that it has been, with all there is to know. */
  welcome: { ask: shape({ ring }), answer: nothing },
  /** Whether the peer itself reaches another node. */
  probe: { ask: shape({ address: text }), answer: shape({ reached: flag }) },
  /** How far the peer is in fetching its share of the newest layout of `live`, its own. */
  progress: {
    ask: nothing,
    answer: shape({
      live: text,
      partitionsLeft: uint,
      bytesLeft: optional(uint),
      bytesPerSecond: uint,
      error: optional(text),
      diskFull: flag,
    }),
  },
  startTask: { ask: shape({ id: text, kind: oneOf("balance") }), answer: nothing },
  task: { ask: shape({ id: text }), answer: shape({ task: optional(task) }) },
} as const;

/** Name of an operation. */
export type Operation = keyof typeof OPERATIONS;
/** What an operation is asked with. */
export type Ask<Op extends Operation> = Decoded<(typeof OPERATIONS)[Op]["ask"]>;
/** What it answers. */
export type Answer<Op extends Operation> = Decoded<(typeof OPERATIONS)[Op]["answer"]>;

/** One operation of a message, still without its types. */
export interface Call {
  readonly op: Operation;
  readonly ask: unknown;
}

/** How one operation ended. */
export type Outcome = { readonly ok: true; readonly answer: unknown } | {
  readonly ok: false;
  readonly error: DhtError;
};

/** A message: who asks whom, relying on what, for what. */
export interface RequestMessage {
  /** Undefined only from a node that wants to join. */
  readonly ringId: string | undefined;
  readonly from: { readonly address: string; readonly storeId: string };
  /** The store that must answer; undefined where any store at the address may. */
  readonly toStoreId: string | undefined;
  /** `liveName` of the layouts relied on; undefined for operations that rely on none. */
  readonly live: string | undefined;
  readonly calls: readonly Call[];
}

/** The answer to a message: a result for each operation, or one refusal of them all, with the ring to catch up with. */
export type ReplyMessage =
  | { readonly kind: "results"; readonly outcomes: readonly Outcome[] }
  | { readonly kind: "refused"; readonly error: DhtError; readonly ring: RingState | undefined };

/** Encodes a message. */
export function encodeRequest(message: RequestMessage): Uint8Array {
  const { ringId, from, toStoreId, live, calls } = message;
  return encoder.encode([
    WIRE_VERSION,
    ringId ?? null,
    from.address,
    from.storeId,
    toStoreId ?? null,
    live ?? null,
    calls.map(({ op, ask }) => [op, OPERATIONS[op].ask.encode(ask as never)]),
  ]);
}

/** @throws {DhtError} "bad_message" */
export function decodeRequest(data: Uint8Array): RequestMessage {
  const [wireVersion, ringId, address, storeId, toStoreId, live, calls] = unpackList(data);
  checkWireVersion(wireVersion);
  if (!Array.isArray(calls)) throw malformed();
  return {
    ringId: optional(text).decode(ringId),
    from: { address: text.decode(address), storeId: text.decode(storeId) },
    toStoreId: optional(text).decode(toStoreId),
    live: optional(text).decode(live),
    calls: calls.map((call) => {
      if (!Array.isArray(call)) throw malformed();
      const op = operation(call[0]);
      return { op, ask: OPERATIONS[op].ask.decode(call[1]) };
    }),
  };
}

/** Encodes the reply to a message with those calls. */
export function encodeReply(reply: ReplyMessage, calls: readonly Call[]): Uint8Array {
  if (reply.kind === "refused") {
    return encoder.encode([
      WIRE_VERSION,
      encodeError(reply.error),
      reply.ring ? ring.encode(reply.ring) : null,
    ]);
  }
  return encoder.encode([
    WIRE_VERSION,
    reply.outcomes.map((outcome, i) =>
      outcome.ok
        ? [OPERATIONS[calls[i]!.op].answer.encode(outcome.answer as never)]
        : [null, encodeError(outcome.error)]
    ),
  ]);
}

/** @throws {DhtError} "bad_message" */
export function decodeReply(data: Uint8Array, calls: readonly Call[]): ReplyMessage {
  const [wireVersion, first, second] = unpackList(data);
  checkWireVersion(wireVersion);
  if (!Array.isArray(first)) throw malformed();
  if (typeof first[0] === "string") {
    return { kind: "refused", error: decodeError(first), ring: optional(ring).decode(second) };
  }
  if (first.length !== calls.length) throw malformed();
  const outcomes = first.map((result: unknown, i): Outcome => {
    if (!Array.isArray(result)) throw malformed();
    if (result.length > 1) return { ok: false, error: decodeError(result[1]) };
    return { ok: true, answer: OPERATIONS[calls[i]!.op].answer.decode(result[0]) };
  });
  return { kind: "results", outcomes };
}

/** The state of a ring as bytes: for a node's own database, and to be hashed. */
export function encodeRing(state: RingState): Uint8Array {
  const members = new Map([...state.members].sort(([a], [b]) => (a < b ? -1 : 1)));
  return encoder.encode([WIRE_VERSION, ring.encode({ ...state, members })]);
}

/** @throws {DhtError} "bad_message" */
export function decodeRing(data: Uint8Array): RingState {
  const [wireVersion, state] = unpackList(data);
  checkWireVersion(wireVersion);
  return ring.decode(state);
}

function operation(name: unknown): Operation {
  if (typeof name === "string" && Object.hasOwn(OPERATIONS, name)) return name as Operation;
  throw new DhtError("bad_message", `Cannot read message: unknown operation`);
}

function encodeError(error: DhtError): unknown[] {
  // A message may quote a reason of any length; what is longer than a text would not be read at all.
  return [error.code, error.message.slice(0, TEXT_MAX_LENGTH), error.facts];
}

function decodeError(data: unknown): DhtError {
  if (!Array.isArray(data)) throw malformed();
  const [code, message, facts] = data;
  return new DhtError(errorCode.decode(code), text.decode(message), decodeFacts(facts));
}

function decodeFacts(data: unknown): ErrorFacts {
  if (typeof data !== "object" || data === null || Object.getPrototypeOf(data) !== Object.prototype) {
    throw malformed();
  }
  if (!Object.values(data).every(isFact)) throw malformed();
  return data as ErrorFacts;
}

function isFact(value: unknown): boolean {
  return ["string", "number", "boolean"].includes(typeof value) ||
    (Array.isArray(value) && value.every((item) => typeof item === "string"));
}

// Room is made for a list as long as a message says before its items are read.
const LIST_MAX_LENGTH = 100_000;

function unpackList(data: Uint8Array): unknown[] {
  let list: unknown;
  try {
    list = unpack(data, { maxArrayLength: LIST_MAX_LENGTH, maxMapLength: LIST_MAX_LENGTH });
  } catch (cause) {
    throw new DhtError("bad_message", "Cannot read message: not MessagePack", {}, { cause });
  }
  if (!Array.isArray(list)) throw malformed();
  return list;
}

function checkWireVersion(found: unknown): void {
  if (found === WIRE_VERSION) return;
  const format = typeof found === "number" ? found : "unknown";
  throw new DhtError(
    "bad_message",
    `Cannot read message: its format is ${format}, this node speaks ${WIRE_VERSION}`,
  );
}

function withoutEmptyZone<T extends { readonly zone: string | undefined }>(
  member: T,
): Omit<T, "zone"> & { readonly zone?: string } {
  const { zone, ...rest } = member;
  return zone === undefined ? rest : { ...rest, zone };
}

function malformed(): DhtError {
  return new DhtError("bad_message", "Cannot read message: it is not of the form of a message between nodes");
}
