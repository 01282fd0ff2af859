import { sentence } from "../core/errors.ts";
import {
  type Check,
  type Mutation,
  type Store,
  type StoreEntry,
  StoreFullError,
  type StoreKey,
  type StoreRange,
  StoreUnknownError,
} from "../ports/store.ts";
import { CallGate } from "./call_gate.ts";
import { GatheredReads } from "./gathered_reads.ts";
import { orderedText } from "./key_order.ts";
import { assertRange, assertWithinBounds } from "./store_bounds.ts";

/** Deno KV takes no more in one `getMany`. */
const KEYS_PER_GET = 10;

/** Entries of one batch of a listing: few at first, then about a mebibyte's worth. Deno KV takes 1,000. */
const FIRST_BATCH_ENTRIES = 100;
const BATCH_ENTRIES = { min: 16, max: 1_000 };
const BATCH_BYTES = 1024 * 1024;

/** Tries of a commit that finds the file locked by another handle, and what lies between the first two. */
const LOCKED_TRIES = 10;
const LOCKED_PAUSE_MS = 1;

/**
 * A `Store` on Deno KV: an SQLite file, or a remote database by KV Connect.
 *
 * One handle runs its commits one after another, so writers that share this
 * store never collide. A file should have no other handle (`openDatabase` sees to that): a checked commit of
 * a second one finds the file locked, was not applied, and is tried again a few times.
 */
export class DenoKvStore implements Store {
  readonly #kv: Deno.Kv;
  readonly #remote: boolean;
  readonly #onClosed: () => void;
  readonly #gate = new CallGate("the store");
  readonly #reads = new GatheredReads<Deno.KvEntryMaybe<unknown>>(
    KEYS_PER_GET,
    (keys) => this.#kv.getMany<unknown[]>(keys),
  );

  /**
   * @param kv Closed by this store's `close`.
   * @param options.remote Whether a failed commit may have happened all the same.
   * @param options.onClosed Called once the handle is closed.
   */
  constructor(kv: Deno.Kv, options: { remote: boolean; onClosed?: () => void }) {
    this.#kv = kv;
    this.#remote = options.remote;
    this.#onClosed = options.onClosed ?? (() => {});
  }

  getMany(keys: readonly StoreKey[]): Promise<(StoreEntry | undefined)[]> {
    return this.#gate.run(async () => {
      if (keys.length <= KEYS_PER_GET) return (await this.#reads.read(keys)).map(toEntry);
      const reads: Promise<Deno.KvEntryMaybe<unknown>[]>[] = [];
      for (let at = 0; at < keys.length; at += KEYS_PER_GET) {
        reads.push(this.#kv.getMany<unknown[]>(keys.slice(at, at + KEYS_PER_GET)));
      }
      return (await Promise.all(reads)).flat().map(toEntry);
    });
  }

  async *list(
    range: StoreRange,
    options: { limit?: number; reverse?: boolean } = {},
  ): AsyncGenerator<StoreEntry, void, void> {
    assertRange(range);
    if (isEmpty(range)) return;
    const { limit = Infinity, reverse = false } = options;
    const selector = selectorOf(range);
    let cursor = "";
    let batchSize = FIRST_BATCH_ENTRIES;
    for (let left = limit; left > 0;) {
      const wanted = Math.min(left, batchSize);
      const batch = await this.#gate.run(() => this.#listBatch(selector, { limit: wanted, reverse, cursor }));
      yield* batch.entries;
      if (batch.entries.length < wanted) return;
      left -= wanted;
      cursor = batch.cursor;
      batchSize = nextBatchSize(batch.entries);
    }
  }

  commit(mutations: readonly Mutation[], checks: readonly Check[] = []): Promise<boolean> {
    return this.#gate.run(async () => {
      assertWithinBounds(mutations, checks);
      for (let tried = 1;; tried++) {
        try {
          return (await this.#atomic(mutations, checks).commit()).ok;
        } catch (error) {
          if (!isLocked(error) || tried === LOCKED_TRIES) throw this.#commitError(error);
        }
        await new Promise((resolve) => setTimeout(resolve, LOCKED_PAUSE_MS * 2 ** (tried - 1)));
      }
    });
  }

  async close(): Promise<void> {
    await this.#gate.close();
    this.#kv.close();
    this.#onClosed();
  }

  async #listBatch(
    selector: Deno.KvListSelector,
    options: { limit: number; reverse: boolean; cursor: string },
  ): Promise<{ entries: StoreEntry[]; cursor: string }> {
    const found = this.#kv.list<unknown>(selector, { ...options, batchSize: options.limit });
    const entries: StoreEntry[] = [];
    for await (const entry of found) entries.push(presentEntry(entry));
    return { entries, cursor: entries.length === 0 ? "" : found.cursor };
  }

  #atomic(mutations: readonly Mutation[], checks: readonly Check[]): Deno.AtomicOperation {
    const atomic = this.#kv.atomic();
    for (const check of checks) {
      atomic.check({ key: check.key, versionstamp: check.versionstamp ?? null });
    }
    for (const mutation of mutations) {
      if (mutation.kind === "set") atomic.set(mutation.key, mutation.value);
      else atomic.delete(mutation.key);
    }
    return atomic;
  }

  #commitError(error: unknown): Error {
    const reason = sentence(error);
    if (/disk is full/i.test(reason)) {
      return new StoreFullError("Cannot commit: the disk is full", { cause: error });
    }
    if (this.#remote) {
      return new StoreUnknownError(`Cannot tell whether a commit happened: ${reason}`, { cause: error });
    }
    return new Error(`Cannot commit: ${reason}`, { cause: error });
  }
}

/** Deno KV throws where bounds cross. */
function isEmpty({ prefix, after, before }: StoreRange): boolean {
  return before !== undefined && orderedText(after ?? prefix) >= orderedText(before);
}

/** An empty byte string is the least part there is: a key with one added is the next after the key. */
function selectorOf({ prefix, after, before }: StoreRange): Deno.KvListSelector {
  const start = after && [...after, new Uint8Array()];
  if (start === undefined) return before === undefined ? { prefix } : { prefix, end: before };
  return before === undefined ? { prefix, start } : { start, end: before };
}

function nextBatchSize(entries: readonly StoreEntry[]): number {
  const bytes = entries.reduce((sum, entry) => sum + entry.value.length, 1);
  const entriesPerBatch = Math.floor(BATCH_BYTES * entries.length / bytes);
  return Math.max(BATCH_ENTRIES.min, Math.min(BATCH_ENTRIES.max, entriesPerBatch));
}

function toEntry(entry: Deno.KvEntryMaybe<unknown>): StoreEntry | undefined {
  return entry.versionstamp === null ? undefined : presentEntry(entry);
}

function presentEntry({ key, value, versionstamp }: Deno.KvEntry<unknown>): StoreEntry {
  if (!(value instanceof Uint8Array)) {
    throw new Error(
      `Cannot read entry ${JSON.stringify(key)}: its value is not bytes, so MyDHT did not write it`,
    );
  }
  // Every part was written by `commit`, which takes no others.
  return { key: key as StoreKey, value, versionstamp };
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && error.message.includes("database is locked");
}
