import type { StoredRecord } from "../core/record.ts";
import { decodeRecord, encodeRecord } from "../core/record_codec.ts";
import {
  bytes,
  type Decoded,
  type Field,
  fieldsOf,
  flag,
  list,
  oneOf,
  optional,
  positive,
  shape,
  text,
  uint,
  uintWithin,
} from "../core/shape.ts";
import { recordList } from "./record_list.ts";
import { ring, ringNews } from "./ring_format.ts";

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
const nothing = shape({});
const place = { partition: uint, key: text };
/** A partition from a key on; from its beginning where `after` is undefined. */
const range = shape({ partition: uint, after: optional(text) });
const partitionFloor = shape({ partition: uint, floor: version });
const tombstone = shape({ key: text, version, expired: flag });

/** What somebody has asked for keeps to no rate, does not wait, and leaves nothing out. */
const comparing = oneOf("by itself", "as asked");
const writeMode = oneOf("client", "admitted", "merge");
/** By hand, as it is what is asked most. */
const writeAsk: Field<WriteAsk> = {
  encode: ({ partition, key, entry, mode }) => [partition, key, entry, mode],
  decode: (data) => {
    const [partition, key, entry, mode] = fieldsOf(data);
    return {
      partition: uint.decode(partition),
      key: text.decode(key),
      entry: bytes.decode(entry),
      mode: writeMode.decode(mode),
    };
  },
};

/** What may become of a write, in the order of their numbers in a message. */
const WRITE_KINDS = ["stored", "duplicate", "stale", "collected", "ahead"] as const;
const writeKind = uintWithin(0, WRITE_KINDS.length - 1);
const heldVersion = optional(version);
/** By hand too, and with numbers for words, which take longer to read than all the rest. */
const writeAnswer: Field<WriteAnswer> = {
  encode: ({ kind, held, hadValue }) => [WRITE_KINDS.indexOf(kind), heldVersion.encode(held), hadValue],
  decode: (data) => {
    const [kind, held, hadValue] = fieldsOf(data);
    return {
      kind: WRITE_KINDS[writeKind.decode(kind)]!,
      held: heldVersion.decode(held),
      hadValue: flag.decode(hadValue),
    };
  },
};

/** What became of a write at an owner. */
interface WriteAnswer {
  readonly kind: (typeof WRITE_KINDS)[number];
  /** The greatest version known there, where that kept it from being stored. */
  readonly held: Decoded<typeof version> | undefined;
  /** Whether the key had a value before. */
  readonly hadValue: boolean;
}

/** What is asked of an owner that shall store a record. */
interface WriteAsk {
  readonly partition: number;
  readonly key: string;
  /** The record as an entry of its owner's database. */
  readonly entry: Uint8Array;
  readonly mode: Decoded<typeof writeMode>;
  /** The record, where it was made in this process: it is not sent. */
  readonly record?: StoredRecord;
}

/**
 * What one node may ask of another. `lib/node/replica.ts` says which rely on the
 * layouts the message names.
 */
export const OPERATIONS = {
  /**
   * Stores a record: sent by a coordinator for a client ("client": unless its stamp is too far ahead of the peer's
   * clock; "admitted": whatever that says), or as a repair ("merge").
   */
  write: {
    ask: writeAsk,
    answer: writeAnswer,
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
  /**
   * Has a node deliver what it has kept in mind for an owner that is back; answered when it has tried, or after a
   * while, with what is left to be delivered.
   */
  handoff: { ask: shape({ target: text }), answer: shape({ left: uint }) },
  /** Parts of partitions, of the first ones asked for as far as they fit one answer: what is there, without bytes. */
  scan: {
    ask: shape({ ranges: list(range, 1_000) }),
    answer: shape({
      pages: list(
        shape({ entries: list(shape({ key: text, head })), next: optional(text), damaged: flag }),
        1_000,
      ),
    }),
  },
  /** The same with the records themselves. */
  scanRecords: {
    ask: shape({ ranges: list(range, 1_000) }),
    answer: shape({
      pages: list(shape({ entries: recordList, next: optional(text), damaged: flag }), 1_000),
    }),
  },
  /** The records of the first `answered` of these keys; and the partitions of those that are damaged. */
  readRecords: {
    ask: shape({ items: list(shape(place), 1_000) }),
    answer: shape({ answered: uint, records: recordList, damaged: list(uint, 1_000) }),
  },
  /** Stores records as "merge" of `write` does; answers in their order what became of each, "damaged" where what is held is. */
  mergeRecords: {
    ask: shape({ records: recordList }),
    answer: shape({ outcomes: list(oneOf("stored", "duplicate", "stale", "collected", "damaged"), 2_000) }),
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
  /**
   * Hashes of nodes of the tree over those partitions that this node and `owner`, who asks, both own; while a change
   * of layout is open, to who compares by itself, of which both hold their share. Refused as "overloaded" to the
   * latter while the peer fetches what it missed.
   */
  tree: {
    ask: shape({ owner: text, level: uint, nodes: list(uint, 65_536), comparing }),
    answer: shape({ hashes: list(text, 65_536) }),
  },
  /** Values in the partitions of which this node is the first owner that is not among `down`. */
  counts: {
    ask: shape({ down: list(text) }),
    answer: shape({ partitions: uint, values: uint, valueBytes: uint }),
  },
  /**
   * A part of this node's ordered key index, as `packKeyPage` makes it of `packIndexEntry`; and the partitions of keys
   * left out because they are damaged.
   */
  listKeys: {
    ask: shape({ prefix: text, after: optional(text), limit: uintWithin(1, 10_000) }),
    answer: shape({
      page: bytes,
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
   * "This is the hash of what I know": answered, unless what the peer knows has the same hash, with prints of the
   * members that it knows, or where that is asked for with the `whole` ring; and with what its wall clock shows.
   */
  exchange: {
    ask: shape({ hash: text, whole: flag }),
    answer: shape({
      ring: optional(ring),
      prints: optional(list(shape({ address: text, print: text }))),
      nowMs: uint,
    }),
  },
  /** After an exchange: tells the peer what differed, and asks for the members that did. */
  compare: {
    ask: shape({ news: ringNews, wants: list(text) }),
    answer: shape({ understood: flag, news: ringNews }),
  },
  /** Tells the peer what has changed. */
  merge: { ask: shape({ ring }), answer: nothing },
  /** Tells the peer what has changed in a few bytes; not `understood` where it lacks a layout that is named. */
  news: { ask: shape({ news: ringNews }), answer: shape({ understood: flag }) },
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
/** What answers each operation. */
export type Handlers = { readonly [Op in Operation]: (ask: Ask<Op>) => Promise<Answer<Op>> };
