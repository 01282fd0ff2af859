import { DhtError } from "../core/errors.ts";
import { packIndexEntry } from "../core/index_entry.ts";
import type { Log } from "../ports/log.ts";
import { type Mutation, storeKeyBytes } from "../ports/store.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import { COMMIT_ROOM } from "./commit_batch.ts";
import { encodeEntry, expiringKey, indexKey, journalKey, recordKey } from "./entries.ts";
import type { MemoryTable, TableEntry } from "./memory_table.ts";
import { NO_OVERLAY, type Overlay } from "./overlay.ts";
import type { RecordTables } from "./record_tables.ts";
import type { Yielding } from "./yielding.ts";

/** Bytes that the tables may hold; past them writers wait for an apply. */
const MAX_TABLE_BYTES = 32 * 1024 * 1024;
/** Up to here there is time to have requests go before an apply. */
const UNHURRIED_BYTES = MAX_TABLE_BYTES / 2;

/** Mutations of one commit: reads and the journal wait meanwhile, and each may touch a page of its own. */
const COMMIT_MUTATIONS = 250;

/** What an applier works on. */
export interface ApplierDeps {
  readonly store: ClaimedStore;
  readonly tables: RecordTables;
  readonly log: Log;
  /** Has requests go first, where nobody waits. */
  readonly bulk: Pick<Yielding, "run">;
}

/**
 * Moves records from the journal to their keys, in the background: sorted,
 * newest only, in commits that are large, and end soon.
 *
 * A failing apply loses nothing: the table stays, and the next occasion tries again from its beginning.
 */
export class Applier {
  readonly #store: ClaimedStore;
  readonly #tables: RecordTables;
  readonly #log: Log;
  readonly #bulk: Pick<Yielding, "run">;
  /** Who waits for what is being applied. */
  #waiting = 0;
  #running: Promise<void> | undefined;
  #paused: Promise<void> | undefined;
  #applied = 0;
  #failures = 0;

  constructor({ store, tables, log, bulk }: ApplierDeps) {
    this.#store = store;
    this.#tables = tables;
    this.#log = log;
    this.#bulk = bulk;
  }

  /** Records written to their keys. */
  get applied(): number {
    return this.#applied;
  }

  get failures(): number {
    return this.#failures;
  }

  /** Starts an apply if there is enough to do. */
  kick(): void {
    // A failure is counted and logged, and met again by whoever waits for room.
    if (this.#running === undefined && this.#tables.isFull) this.#run().catch(() => {});
  }

  /** Tries again what failed. */
  retry(): void {
    if (this.#running === undefined && this.#tables.isApplying) this.#run().catch(() => {});
  }

  /** Resolves once everything that is in the tables now is in its place. */
  async flush(): Promise<void> {
    const newest = this.#tables.newestUnapplied();
    // A recovery may take the table away: what was in it is then in another.
    while (newest !== undefined && !newest.applied && this.#tables.holds(newest)) {
      await this.#urgently(this.#run());
    }
    if (newest !== undefined && !newest.applied) await this.flush();
  }

  /** Puts all that was committed before in its place, of one partition or of all; gives what a full disk keeps from it. */
  async settle(partition?: number): Promise<Overlay> {
    if (partition !== undefined && !this.#tables.touches(partition)) return NO_OVERLAY;
    try {
      await this.flush();
      return NO_OVERLAY;
    } catch (error) {
      if (!(error instanceof DhtError && error.code === "disk_full")) throw error;
      return this.#tables.unapplied(partition);
    }
  }

  get hasRoom(): boolean {
    return this.#tables.bytes < MAX_TABLE_BYTES;
  }

  /** Resolves once the tables are within their bounds. */
  async makeRoom(): Promise<void> {
    while (!this.hasRoom) await this.#urgently(this.#run());
  }

  /** Runs `work` while nothing is being applied. */
  async whilePaused(work: () => Promise<void>): Promise<void> {
    let resume = () => {};
    this.#paused = new Promise((resolve) => resume = resolve);
    try {
      if (this.#running !== undefined) await this.#urgently(this.#running).catch(() => {});
      await work();
    } finally {
      this.#paused = undefined;
      resume();
    }
  }

  /** Waits for an apply, which makes no room for requests any more. */
  async #urgently(apply: Promise<void>): Promise<void> {
    this.#waiting++;
    await apply.finally(() => this.#waiting--);
  }

  /** Applies one table; one at a time. */
  async #run(): Promise<void> {
    while (this.#paused !== undefined) await this.#paused;
    return await (this.#running ??= this.#applyNext().finally(() => this.#running = undefined));
  }

  async #applyNext(): Promise<void> {
    const table = this.#tables.beginApply();
    if (table === undefined) return;
    try {
      await this.#apply(table);
    } catch (error) {
      this.#failures++;
      const reason = error instanceof DhtError ? error.message : String(error);
      this.#log.event("warn", "apply_failed", "Could not move records out of the journal, will try again", {
        reason,
        records: table.size,
      });
      throw error;
    }
    this.#applied += table.size;
    this.#tables.endApply(table);
  }

  async #apply(table: MemoryTable): Promise<void> {
    const entries = [...table.entries()].sort(byPlace);
    await this.#commitAll(entries, (entry) => {
      this.#tables.notePlaced(entry);
      return recordMutation(entry);
    });
    await this.#commitAll(entries.filter(mayExpire), expiringMutation);
    await this.#commitAll(entries.sort(byKey), indexMutation);
    // Oldest first: should this end half-way, what is left of the journal still ends with the newest of each key.
    await this.#commitAll(table.journalSeqs, (seq) => ({ kind: "delete", key: journalKey(seq) }));
  }

  /** Commits the mutations of items in order, as many at a time as fit; made one commit at a time. */
  async #commitAll<T>(items: readonly T[], mutationOf: (item: T) => Mutation): Promise<void> {
    let mutations: Mutation[] = [];
    let bytes = 0;
    let keyBytes = 0;
    for (const item of items) {
      const mutation = mutationOf(item);
      const ownKeyBytes = storeKeyBytes(mutation.key);
      const ownBytes = ownKeyBytes + (mutation.kind === "set" ? mutation.value.length : 0);
      const isFull = mutations.length === COMMIT_MUTATIONS || bytes + ownBytes > COMMIT_ROOM.bytes ||
        keyBytes + ownKeyBytes > COMMIT_ROOM.keyBytes;
      if (isFull) {
        await this.#commit(mutations);
        mutations = [];
        bytes = keyBytes = 0;
      }
      mutations.push(mutation);
      bytes += ownBytes;
      keyBytes += ownKeyBytes;
    }
    if (mutations.length > 0) await this.#commit(mutations);
  }

  /** A table takes a second or more, in which it would have half of the database's thread: commits make room. */
  async #commit(mutations: readonly Mutation[]): Promise<void> {
    const commit = () => this.#store.commit(mutations);
    const isUrgent = this.#waiting > 0 || this.#tables.bytes >= UNHURRIED_BYTES;
    await (isUrgent ? commit() : this.#bulk.run(commit));
  }
}

function byPlace(a: TableEntry, b: TableEntry): number {
  return a.partition - b.partition || byKey(a, b);
}

// Neighbours in this order are neighbours on the disk, but for the rarest letters: enough to touch few pages.
function byKey(a: TableEntry, b: TableEntry): number {
  return a.key < b.key ? -1 : 1;
}

function recordMutation({ partition, key, encoded }: TableEntry): Mutation {
  const at = recordKey(partition, key);
  return encoded === undefined ? { kind: "delete", key: at } : { kind: "set", key: at, value: encoded };
}

function mayExpire({ held, wasExpiring }: TableEntry): boolean {
  return wasExpiring || held?.head.expiresMs !== undefined;
}

/** Keys whose value will expire are listed on their own, so that nobody has to look for them among all others. */
function expiringMutation({ partition, key, held }: TableEntry): Mutation {
  const at = expiringKey(partition, key);
  const expiresMs = held?.head.expiresMs;
  return expiresMs === undefined
    ? { kind: "delete", key: at }
    : { kind: "set", key: at, value: encodeEntry([expiresMs]) };
}

function indexMutation({ partition, key, held }: TableEntry): Mutation {
  const at = indexKey(key);
  return held === undefined
    ? { kind: "delete", key: at }
    : { kind: "set", key: at, value: packIndexEntry(key, { partition, head: held.head }) };
}
