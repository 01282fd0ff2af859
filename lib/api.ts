/**
 * The JSON bodies of the HTTP API: what `routes/` writes and `lib/client.ts` reads.
 *
 * Timestamps are seconds since 1970 with decimals; sizes are bytes.
 */

/** What `?consistency=` may say of a read; the first is meant where it says nothing. */
export const READ_CONSISTENCIES = ["quorum", "strong", "all", "one", "local"] as const;
export type ReadConsistency = (typeof READ_CONSISTENCIES)[number];

/** What it may say of a put or a delete; the first is meant where it says nothing. */
export const WRITE_CONSISTENCIES = ["quorum", "strong", "all"] as const;
export type WriteConsistency = (typeof WRITE_CONSISTENCIES)[number];

/** `PUT /keys/{key}`, 200. */
export interface PutAnswer {
  readonly key: string;
  readonly timestamp: number;
  /** The same text as in the `ETag`, without its quotes. */
  readonly version: string;
  readonly size: number;
  /** Nodes that had the value on disk when this was answered. */
  readonly replicas: readonly string[];
  /** When the value will be no more; null: it stays. */
  readonly expires: number | null;
}

/** `DELETE /keys/{key}`, 200. Where there was no such key: 404, a problem of code `key_not_found`. */
export interface DeleteAnswer {
  readonly key: string;
  readonly timestamp: number;
  readonly version: string;
  readonly replicas: readonly string[];
}

/** `GET /keys`, 200. */
export interface KeysAnswer {
  readonly keys: readonly {
    readonly key: string;
    readonly size: number;
    readonly timestamp: number;
    readonly type: string;
    readonly version: string;
    /** When it will be no more; null: it stays. */
    readonly expires: number | null;
  }[];
  /** To be given as `after` for the next page; null on the last. */
  readonly next: string | null;
}

/** `GET /haskey/{key}`, 200: 0 where this node has no copy. */
export interface HasKeyAnswer {
  readonly key: string;
  readonly timestamp: number;
}

/** `GET /whereis/{key}`, 200. */
export interface WhereIsAnswer {
  readonly key: string;
  readonly partition: number;
  readonly nodes: readonly string[];
}

/** `POST /balance`, `POST /purge`, `POST /leave`: 202 with `Location`; `GET /tasks/{id}`, `DELETE /tasks/leave`: 200. */
export interface TaskAnswer {
  readonly id: string;
  readonly kind: "balance" | "purge" | "leave";
  readonly done: boolean;
  readonly compared: number;
  readonly sent: number;
  readonly fetched: number;
  readonly dropped: number;
  readonly failed: number;
  readonly error: string | null;
  readonly started: number;
  readonly ended: number | null;
  /** How far the others are in taking over from a node that leaves; absent for other tasks. */
  readonly change?: ChangeAnswer;
}

/** How far an open change of the ring is, over all nodes that still fetch. What is absent is not known. */
export interface ChangeAnswer {
  readonly partitionsLeft: number;
  readonly bytesLeft?: number;
  readonly bytesPerSecond: number;
  readonly secondsLeft?: number;
  /** Whom it waits for. */
  readonly fetching: readonly {
    readonly address: string;
    readonly reachable: boolean;
    readonly partitionsLeft?: number;
    readonly bytesLeft?: number;
    readonly bytesPerSecond: number;
    readonly error?: string;
  }[];
}

/** Copies of partitions that move, and the bytes of their values; `unknown` of the partitions nobody can tell of. */
export interface MovedAnswer {
  readonly partitions: number;
  readonly bytes: number;
  readonly unknown: number;
}

/** `GET /plan`, 200: what a change of the ring would move. */
export interface PlanAnswer {
  readonly kind: "join" | "leave" | "remove" | "weight";
  readonly address: string;
  /** Why it cannot be done now; empty where it can. */
  readonly obstacles: readonly string[];
  readonly warnings: readonly string[];
  readonly total: MovedAnswer;
  readonly nodes: readonly {
    readonly address: string;
    readonly weight: number;
    readonly zone?: string;
    /** Partitions held before and after. */
    readonly before: number;
    readonly after: number;
    readonly gained: MovedAnswer;
    readonly lost: number;
    /** Its part of all copies afterwards, 0 to 1. */
    readonly share: number;
  }[];
  readonly zones: readonly { readonly zone: string; readonly share: number }[];
  readonly moves: readonly (MovedAnswer & { readonly from: string; readonly to: string })[];
}

/** `GET /nodes`, `POST /nodes`, `DELETE /nodes/{host:port}`: 200. */
export interface RingAnswer {
  readonly ring: string;
  /** The node that answered. */
  readonly self: string;
  readonly replicas: number;
  readonly partitions: number;
  readonly layout: string;
  readonly changing: boolean;
  readonly nodes: readonly {
    readonly address: string;
    readonly url: string;
    readonly state: "joining" | "up" | "leaving" | "left" | "removed";
    readonly reachable: boolean;
    /** Where it is not: others reach it ("unreachable" from here), nobody does for a short time, nobody does; else null. */
    readonly trouble: "unreachable" | "suspect" | "down" | null;
    readonly synced: boolean;
    readonly primaryPartitions: number;
    readonly ownedPartitions: number;
    readonly storeId: string;
    readonly weight: number;
    /** Null where it is in no zone. */
    readonly zone: string | null;
  }[];
}

/** Body of `POST /nodes`, as a joining node sends it. */
export interface JoinBody {
  readonly address: string;
  readonly storeId: string;
  readonly incarnation: number;
  /** 0.01 to 100; absent: 1, or as it was at that address. */
  readonly weight?: number;
  /** Absent: none, or as it was at that address. */
  readonly zone?: string;
}

/** `GET /` with `Accept: application/json`, 200. */
export interface StatusAnswer extends RingAnswer {
  readonly software: string;
  readonly uptimeSeconds: number;
  readonly keys: number;
  readonly bytes: number;
  readonly countsComplete: boolean;
  readonly localKeys: number;
  /** False while the node still counts what it holds, as for some seconds after a start. */
  readonly localComplete: boolean;
  readonly localBytes: number;
  /** How far the open change of the ring is; null while nothing changes. */
  readonly change: ChangeAnswer | null;
  /** What the ring can bear now. */
  readonly health: {
    /** Partitions of which a read quorum, and a write quorum, is out of reach. */
    readonly unreadable: number;
    readonly unwritable: number;
    /** Partitions with fewer copies within reach than they have owners, and some of them: 20 at most. */
    readonly thin: number;
    readonly thinPartitions: readonly number[];
    /** Addresses of the nodes whose copies those are that miss, also of nodes that are gone. */
    readonly missing: readonly string[];
    /** Nodes that may fail, whichever they are, with every key readable still; and writable, too. */
    readonly spareToRead: number;
    readonly spareToWrite: number;
  };
  /** How things are, where that needs nobody's attention. */
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
  /** Seconds since every partition of the node was last compared with all its other owners, and made equal. */
  readonly oldestVerifiedSeconds: number;
  /** Partitions of the node for which that was not done since its start. */
  readonly unverifiedPartitions: number;
  /** What the node does by itself. */
  readonly background: readonly {
    readonly name: string;
    readonly running: boolean;
    readonly done: number;
    readonly left: number;
    readonly unit: string;
    readonly bytes: number;
    readonly bytesPerSecond: number;
    readonly failed: number;
    readonly error: string | null;
    /** When a round last ended well; null where none has since the node started. */
    readonly completed: number | null;
  }[];
}

/** Every error: `application/problem+json`, RFC 9457, with these members beside the facts of the case. */
export interface ProblemAnswer {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** One sentence: what happened and what to do. */
  readonly detail: string;
  /** Stable; see `routes/problem.ts`. */
  readonly code: string;
  readonly retryable?: boolean;
  readonly [fact: string]: unknown;
}

/** Path prefix of the one route between nodes. */
export const PEER_PATH = "/_peer/messages";
