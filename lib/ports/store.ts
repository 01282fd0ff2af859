/** A key: at most 8 parts; strings order by their UTF-8 bytes, numbers (safe integers >= 0) by value. */
export type StoreKey = readonly (string | number)[];

/** One entry as read. */
export interface StoreEntry {
  readonly key: StoreKey;
  readonly value: Uint8Array;
  /** Changes with every commit that sets the entry; compared by `Check`, meaningless otherwise. */
  readonly versionstamp: string;
}

/** One change of a commit. Deleting what is not there is no error. */
export type Mutation =
  | { readonly kind: "set"; readonly key: StoreKey; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly key: StoreKey };

/** A condition of a commit: the entry is as it was read (`undefined`: absent). */
export interface Check {
  readonly key: StoreKey;
  readonly versionstamp: string | undefined;
}

/** The part of the key space below `prefix` (which is itself excluded), between two keys that share that prefix. */
export interface StoreRange {
  readonly prefix: StoreKey;
  /** Only keys greater than this one (excluded). */
  readonly after?: StoreKey;
  /** Only keys less than this one (excluded). */
  readonly before?: StoreKey;
}

/** Bounds every adapter accepts; a commit past one of them throws `RangeError`. */
export const STORE_LIMITS = {
  /** Bytes of one value. */
  valueBytes: 65_536,
  /** Bytes of one key, as `storeKeyBytes` counts them. */
  keyBytes: 2_040,
  /** Bytes of keys and values of one commit together: room for 12 chunks of 60 KiB and 1,920 bytes more. */
  commitBytes: 739_200,
  /** Bytes of the keys of one commit, those of deletions and checks included: 1,000 of 80 bytes, 76 of 1,050. */
  commitKeyBytes: 80_000,
  /** Changes in one commit. */
  mutations: 1_000,
  /** Conditions of one commit. */
  checks: 100,
} as const;

/** Bytes a key counts for in `STORE_LIMITS`: its strings in UTF-8 (a NUL is two bytes), 2 more each; a number is 9. */
export function storeKeyBytes(key: StoreKey): number {
  let bytes = 0;
  for (const part of key) bytes += typeof part === "number" ? 9 : stringBytes(part) + 2;
  return bytes;
}

function stringBytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x800) bytes += isSurrogate(unit) && isPaired(text, i) ? 1 : 2;
    else if (unit >= 0x80 || unit === 0) bytes += 1;
  }
  return bytes;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

/** Whether the surrogate at `i` has its other half beside it: the pair is four bytes, one alone is three. */
function isPaired(text: string, i: number): boolean {
  const high = text.charCodeAt(i) < 0xdc00;
  const other = text.charCodeAt(high ? i + 1 : i - 1);
  return high ? other >= 0xdc00 && other <= 0xdfff : other >= 0xd800 && other < 0xdc00;
}

/** The disk is full. Nothing of the commit was stored; reads still work. */
export class StoreFullError extends Error {
  override readonly name = "StoreFullError";
}

/**
 * The commit may or may not have happened. Only a remote database answers so;
 * who caches must forget, and read again.
 */
export class StoreUnknownError extends Error {
  override readonly name = "StoreUnknownError";
}

/**
 * A database that a node cannot run on. The message is one sentence: which
 * database, what is wrong, what to do.
 */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";

  /**
   * @param code Its place cannot be written; another process has it open; its file is damaged; it was written by
   * a later MyDHT; it is that of another node.
   */
  constructor(
    readonly code: "unwritable" | "locked" | "damaged" | "newer" | "foreign",
    message: string,
    options: { cause?: unknown } = {},
  ) {
    super(message, options);
  }
}

/**
 * A node's own database: ordered entries, changed by atomic commits.
 *
 * Ownership: one `Store` has one user, who closes it. Ordering: a read sees
 * every commit resolved before it began; commits take effect in some order
 * consistent with that. `getMany` of up to ten keys is one snapshot; a listing
 * is not. Values handed in must not be changed afterwards; values handed out
 * belong to the caller. Any other failure throws `Error` and has changed nothing.
 */
export interface Store {
  /** The entries of `keys`, in their order; `undefined` where there is none. Any number of keys. */
  getMany(keys: readonly StoreKey[]): Promise<(StoreEntry | undefined)[]>;
  /** Entries of a range in key order. `limit` bounds them; without it the whole range streams. */
  list(range: StoreRange, options?: { limit?: number; reverse?: boolean }): AsyncIterable<StoreEntry>;
  /**
   * Applies all mutations or none, durable (fsynced) when it resolves. Resolves to `false`, with nothing
   * changed, where a check failed.
   */
  commit(mutations: readonly Mutation[], checks?: readonly Check[]): Promise<boolean>;
  /** Frees the database. What is under way is finished first; later calls throw. */
  close(): Promise<void>;
}
