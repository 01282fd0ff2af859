/**
 * What a node offers to those who speak for it: the HTTP routes, and the tests
 * in their place. `lib/node/node.ts` is the one that does it.
 */
import type { Health } from "../core/health.ts";
import type { Version } from "../core/hlc.ts";
import type { Plan, PlannedChange } from "../core/plan.ts";
import type { BackgroundView } from "./background.ts";

/** Who is to be answered, as a `Request` tells it. */
export interface Client {
  /**
   * Aborted when the client has gone; the request then ends as soon as it can. To be looked at only where that
   * matters: making one costs more than the rest of a small read. Where it is made after the client has gone, it
   * is aborted a moment later.
   */
  readonly signal: AbortSignal;
}

/** Options every request of a client takes. */
export interface RequestOptions {
  readonly client?: Client | undefined;
}

/** What is to be stored: all of it, or a stream; nothing is a value of no bytes. */
export type PutBody = Uint8Array | ReadableStream<Uint8Array> | undefined;

/** Options of a put. */
export interface PutOptions extends RequestOptions {
  readonly contentType: string;
  readonly consistency?: WriteConsistency;
  /** Seconds after which the value is to be no more, 1 to `TTL_MAX_SECONDS`; absent: it stays. */
  readonly ttlSeconds?: number;
}

/** An acknowledged write. */
export interface Written {
  readonly version: Version;
  /** Bytes of the value; 0 for a deletion. */
  readonly valueBytes: number;
  /** Addresses of the owners that had it, or a greater one, on disk when it was answered, at least a majority. */
  readonly acknowledged: readonly string[];
  /** Whether an acknowledging owner held a value (not a deletion) of this key before. */
  readonly existed: boolean;
  /** When the value will be no more, in milliseconds since 1970; absent: it stays. */
  readonly expiresMs?: number;
}

/** Part of a value in bytes: from `start` to before `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A value that was found. */
export interface FoundValue {
  readonly version: Version;
  readonly valueBytes: number;
  readonly contentType: string;
  /** SHA-256 of the whole value. */
  readonly sha256: Uint8Array;
  /** When it will be no more, in milliseconds since 1970; absent: it stays. */
  readonly expiresMs?: number | undefined;
  /** The bytes, where the value is small; already verified. */
  readonly bytes?: Uint8Array;
  /**
   * Streams the value or a part of it. Every chunk is verified before it is handed out; the stream errors
   * where no owner has a good copy. To be called at most once; not at all if only the head is wanted.
   */
  stream(range?: ByteRange): ReadableStream<Uint8Array>;
}

/**
 * Which owners a read asks: "quorum": enough to meet every acknowledged write (default); "strong": a majority, which
 * then holds what is answered; "all": every one; "one": whichever answers; "local": only this node.
 */
export type Consistency = "quorum" | "strong" | "all" | "one" | "local";

/**
 * What a write waits for: "quorum": a majority of the owners, stamped again until they take it (default); "strong":
 * the same, stamped once above what a majority held; "all": every owner.
 */
export type WriteConsistency = "quorum" | "strong" | "all";

/** Options of a delete. */
export interface DeleteOptions extends RequestOptions {
  readonly consistency?: WriteConsistency;
}

/** One key of a listing. */
export interface ListedKey {
  readonly key: string;
  readonly valueBytes: number;
  readonly version: Version;
  readonly contentType: string;
  readonly partition: number;
  /** Addresses where the key belongs, in order. */
  readonly nodes: readonly string[];
  /** When it will be no more, in milliseconds since 1970; absent: it stays. */
  readonly expiresMs?: number;
}

/** A page of a listing, in the byte order of keys. */
export interface KeyPage {
  readonly keys: readonly ListedKey[];
  /** Where the next page begins, to be given as `after`; absent on the last page. */
  readonly next?: string;
}

/** A node as another node sees it. */
export interface NodeView {
  /** The name it is reached by, `host:port`. */
  readonly address: string;
  readonly storeId: string;
  readonly state: "joining" | "up" | "leaving" | "left" | "removed";
  /** Whether it answered this node of late; always true for this node itself. */
  readonly reachable: boolean;
  /** Where it did not answer: others reach it; nobody does, for a short time; nobody does. */
  readonly trouble?: "unreachable" | "suspect" | "down";
  /** Partitions it is first in the preference list of, and those it holds a copy of. */
  readonly primaryPartitions: number;
  readonly ownedPartitions: number;
  /** Whether it holds all of its share of the newest layout, by its own report. */
  readonly synced: boolean;
  /** Share of the partitions it takes, relative to the others: 1 unless told otherwise. */
  readonly weight: number;
  /** What it fails with; absent: it is in no zone. */
  readonly zone?: string;
}

/** The ring as this node sees it. */
export interface RingView {
  readonly ringId: string;
  readonly self: string;
  /** Copies of each key that are wanted (N). */
  readonly replicas: number;
  readonly partitions: number;
  /** Name of the newest layout: equal on all nodes once all know of the last change. */
  readonly layout: string;
  /** Whether a change of layout is still being carried out. */
  readonly changing: boolean;
  /** Nodes of the ring, by address; without those that left or were removed. */
  readonly nodes: readonly NodeView[];
}

/** How far a member that still fetches its share of the newest layout is; what is absent is not known. */
export interface FetchingView {
  readonly address: string;
  readonly reachable: boolean;
  readonly partitionsLeft?: number;
  readonly bytesLeft?: number;
  readonly bytesPerSecond: number;
  /** The last thing that went wrong there, in one sentence. */
  readonly error?: string;
}

/** How far an open change of layout is, over all nodes that still fetch. What is absent is not known. */
export interface ChangeView {
  readonly partitionsLeft: number;
  readonly bytesLeft?: number;
  readonly bytesPerSecond: number;
  readonly secondsLeft?: number;
  /** Whom it waits for. */
  readonly fetching: readonly FetchingView[];
}

/** Work that runs in the background and is polled. */
export interface TaskView {
  readonly id: string;
  readonly kind: "balance" | "purge" | "leave";
  readonly done: boolean;
  /** Records compared with another owner's, sent to one, fetched from one, dropped here; attempts that failed. */
  readonly compared: number;
  readonly sent: number;
  readonly fetched: number;
  readonly dropped: number;
  readonly failed: number;
  /** The last thing that went wrong, in one sentence. */
  readonly error?: string;
  readonly startedMs: number;
  readonly endedMs?: number;
  /** How far the others are in taking over from a node that leaves, a second or two ago. */
  readonly change?: ChangeView;
}

/** Everything the status page shows but the table of keys. */
export interface StatusView {
  readonly version: string;
  readonly startedMs: number;
  readonly nowMs: number;
  readonly ring: RingView;
  /** Keys with a value in the whole ring, each once, and their bytes, each once; counted seconds ago at most. */
  readonly ringKeys: number;
  readonly ringBytes: number;
  /** Whether every partition was counted: false while a node that alone could tell is unreachable. */
  readonly countsComplete: boolean;
  /** Keys with a value, and their bytes, that this node holds. */
  readonly localKeys: number;
  /** False while this node still counts what it holds, as for some seconds after a start. */
  readonly localComplete: boolean;
  readonly localBytes: number;
  /** How far the open change of layout is; absent while nothing changes. */
  readonly change?: ChangeView;
  /** What the ring can bear now. */
  readonly health: Health;
  /** How things are, where that needs nobody's attention: each one sentence. */
  readonly notes: readonly string[];
  /** What an operator should know now, each one sentence. */
  readonly warnings: readonly string[];
  /** What this node does by itself, and how far it is. */
  readonly background: readonly BackgroundView[];
  /** Time since every partition of this node was last compared with all its other owners, and made equal. */
  readonly oldestVerifiedMs: number;
  /** Partitions of this node for which that was not done since its start. */
  readonly unverifiedPartitions: number;
}

/** A number that only rises, or a gauge, by its Prometheus name (without the `mydht_` prefix) and label values. */
export interface Metric {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly help: string;
  readonly values: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}

/** Who asks to join: a new store at an address. */
export interface JoinRequest {
  readonly address: string;
  readonly storeId: string;
  readonly incarnation: number;
  /** Share of the partitions it takes, and its zone; absent: those of the node that was last at the address. */
  readonly weight?: number | undefined;
  readonly zone?: string | undefined;
}

/**
 * A running node, seen from its routes.
 *
 * Every call that cannot be done throws a `DhtError` (see `lib/core/errors.ts`); a missing key is
 * `undefined`. Keys are already checked: 1 to 1,024 bytes of UTF-8.
 */
export interface NodeService {
  /** Stores a value: bytes, or what `body` streams, of which at most a few chunks are in memory at a time. */
  put(key: string, body: PutBody, options: PutOptions): Promise<Written>;
  get(
    key: string,
    options: RequestOptions & { readonly consistency: Consistency },
  ): Promise<FoundValue | undefined>;
  /** What `get` would answer, where this node's memory alone tells; "unknown" where it does not. */
  getNow(key: string, consistency: Consistency): FoundValue | undefined | "unknown";
  /** Deletes a key, whether it is there or not. */
  delete(key: string, options: DeleteOptions): Promise<Written>;
  /** Keys beginning with `prefix` that sort after `after`. 1 <= limit <= 1,000. */
  list(
    options: RequestOptions & { readonly prefix: string; readonly after?: string; readonly limit: number },
  ): Promise<KeyPage>;
  /** Version of this node's own copy; `undefined` where it holds none or a deletion. */
  localVersion(key: string): Promise<Version | undefined>;
  /** Where a key belongs: addresses in order, its partition. */
  whereIs(key: string): { readonly partition: number; readonly nodes: readonly string[] };
  ring(): RingView;
  status(): Promise<StatusView>;
  /** Whether the node is a member of a ring and may be sent requests; otherwise why not, in one sentence. */
  readiness(): { readonly ready: true } | { readonly ready: false; readonly reason: string };
  metrics(): readonly Metric[];
  /** Adds a node to the ring and tells all others. */
  join(request: JoinRequest): Promise<RingView>;
  /** Removes a node that no member reaches. */
  remove(address: string, options: { readonly force: boolean }): Promise<RingView>;
  /** Starts to leave; the process ends some time after the task is done. */
  leave(): Promise<TaskView>;
  /** Has a node that is leaving stay; resolves once its task has ended with that. */
  cancelLeave(): Promise<TaskView>;
  /** What a change of the ring would move. */
  plan(change: PlannedChange): Promise<Plan>;
  /** Starts comparing and exchanging on all nodes. */
  balance(): Promise<TaskView>;
  /** Starts dropping what is not this node's own. */
  purge(): Promise<TaskView>;
  /** A task of this node, or of the whole ring where it was started here. */
  task(id: string): Promise<TaskView>;
  /** Answers one message of another node. */
  receive(message: Uint8Array): Promise<Uint8Array>;
}
