import { DhtError } from "../core/errors.ts";
import { STORE_LIMITS, type StoreKey } from "../ports/store.ts";
import { type ClaimedStore, outcomeUnknown } from "./claimed_store.ts";
import { CommitBatch, type CommitCost } from "./commit_batch.ts";
import { isDamage, journalKey, recordKey } from "./entries.ts";
import { encodeJournal } from "./journal.ts";
import { type Held, heldOf, type TableEntry } from "./memory_table.ts";
import { decodeRecordEntry } from "./record_entry.ts";
import { type Known, knownOf, type RecordTables } from "./record_tables.ts";

/** Bytes that may wait to be committed. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

/** Changes that may wait to be committed. */
const MAX_QUEUED_CHANGES = 100_000;

/** Changes looked up for one commit; what does not fit into it is looked up again for the next. */
const MAX_BATCH_CHANGES = 4_000;

/** What a change is decided upon. */
export interface Grounds {
  /** What is held of the change's key, by all changes before this one. */
  readonly known: Known;
  /** Whether that could not be read: its entry is damaged. */
  readonly damaged: boolean;
  /** Whether there is an entry at the change's `probe`. */
  readonly probed: boolean;
}

/** One change that waits for the next commit. */
export interface Change<T> {
  readonly cost: CommitCost;
  /** The record it has to be compared with. */
  readonly record?: { readonly partition: number; readonly key: string };
  /** An entry whose existence it depends on. */
  readonly probe?: StoreKey;
  /**
   * Adds to the commit what has to be changed, and returns the answer, which is given once all of the commit is
   * on the disk. What it throws refuses this change alone; it must then have added nothing.
   */
  decide(batch: CommitBatch, grounds: Grounds): T;
}

/** What surrounds the commits. */
export interface CommitHooks {
  /** Awaited before each commit; what it throws refuses the changes that would have been in it. */
  prepare(): Promise<void> | void;
  /** Called for each key that a commit changed, with what was held of it before. */
  changed(entry: TableEntry, before: Held | undefined): void;
  /** Called where what a change had to be compared with turned out to be damaged. */
  damaged(place: { readonly partition: number; readonly key: string }): void;
  /** Called after each commit. */
  committed(): void;
  /** The commit may or may not have happened: all that was read before must be read anew, before the next. */
  unknown(): void;
}

interface Pending {
  readonly change: Change<unknown>;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

type Decided =
  | { readonly pending: Pending; readonly kind: "answered"; readonly answer: unknown }
  | { readonly pending: Pending; readonly kind: "refused"; readonly error: unknown };

const NO_CHANGE: Change<void> = { cost: { bytes: 0, keyBytes: 0, mutations: 0 }, decide: () => {} };
const NOTHING: Known = { held: undefined, wasExpiring: false };

/**
 * The one writer of a database: gathers the changes that wait, decides them in
 * order, and commits them as one.
 *
 * There is no timer: while one commit is under way, the changes for the next one gather.
 */
export class GroupCommit {
  readonly #store: ClaimedStore;
  readonly #tables: RecordTables;
  readonly #hooks: CommitHooks;
  #queue: Pending[] = [];
  #queuedBytes = 0;
  #running: Promise<void> | undefined;
  #nextSeq = 0;
  #commits = 0;
  #failures = 0;

  constructor(store: ClaimedStore, tables: RecordTables, hooks: CommitHooks) {
    this.#store = store;
    this.#tables = tables;
    this.#hooks = hooks;
  }

  get queued(): number {
    return this.#queue.length;
  }

  get commits(): number {
    return this.#commits;
  }

  get failures(): number {
    return this.#failures;
  }

  /** Journal values from here on get sequence numbers from `seq` up. */
  continueAfter(seq: number): void {
    this.#nextSeq = Math.max(this.#nextSeq, seq + 1);
  }

  /** Queues a change. Changes are decided in the order of these calls. */
  submit<T>(change: Change<T>): Promise<T> {
    if (this.#queue.length >= MAX_QUEUED_CHANGES || this.#queuedBytes >= MAX_QUEUED_BYTES) {
      return Promise.reject(
        new DhtError("overloaded", "Cannot write: too many writes wait for the disk", {
          queuedWrites: this.#queue.length,
          queuedBytes: this.#queuedBytes,
        }),
      );
    }
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ change, resolve: resolve as (answer: unknown) => void, reject });
      this.#queuedBytes += change.cost.bytes;
      this.#running ??= this.#run();
    });
  }

  /** Resolves once all changes submitted before are on the disk or refused. */
  async settled(): Promise<void> {
    if (this.#running !== undefined) await this.submit(NO_CHANGE);
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // What is submitted in the same turn goes into the same commit.
    await null;
    while (this.#queue.length > 0) await this.#commitNext();
    this.#running = undefined;
  }

  async #commitNext(): Promise<void> {
    let taken: Pending[] = [];
    let grounds: LookedUp;
    try {
      const preparing = this.#hooks.prepare();
      if (preparing !== undefined) await preparing;
      taken = this.#take();
      grounds = await this.#lookUp(taken);
    } catch (error) {
      rejectAll(taken.length > 0 ? taken : this.#take(), error);
      return;
    }
    const batch = new CommitBatch();
    const decided = this.#decide(taken, grounds, batch);
    try {
      await this.#commit(batch, grounds);
    } catch (error) {
      batch.failed();
      this.#failures++;
      if (outcomeUnknown(error)) this.#hooks.unknown();
      rejectAll(decided.map(({ pending }) => pending), error);
      return;
    }
    for (const item of decided) {
      if (item.kind === "answered") item.pending.resolve(item.answer);
      else item.pending.reject(item.error);
    }
    this.#hooks.committed();
  }

  #take(): Pending[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && count < MAX_BATCH_CHANGES && bytes < STORE_LIMITS.commitBytes) {
      bytes += this.#queue[count++]!.change.cost.bytes;
    }
    this.#queuedBytes -= bytes;
    if (count < this.#queue.length) return this.#queue.splice(0, count);
    const all = this.#queue;
    this.#queue = [];
    return all;
  }

  #giveBack(taken: Pending[]): void {
    for (const { change } of taken) this.#queuedBytes += change.cost.bytes;
    this.#queue = taken.concat(this.#queue);
  }

  /** Decides changes in order until the batch is full; the others go back to the head of the queue. */
  #decide(taken: Pending[], grounds: LookedUp, batch: CommitBatch): Decided[] {
    const decided: Decided[] = [];
    for (const [i, pending] of taken.entries()) {
      if (!batch.fits(pending.change.cost)) {
        this.#giveBack(taken.slice(i));
        break;
      }
      try {
        const answer = pending.change.decide(batch, grounds.of(pending.change, batch));
        decided.push({ pending, kind: "answered", answer });
      } catch (error) {
        decided.push({ pending, kind: "refused", error });
      }
    }
    return decided;
  }

  async #commit(batch: CommitBatch, grounds: LookedUp): Promise<void> {
    if (batch.isEmpty) return;
    const entries = [...batch.entries.values()];
    const journal = encodeJournal(entries).map((value) => ({ seq: this.#nextSeq++, value }));
    for (const { seq, value } of journal) batch.set(journalKey(seq), value);
    await this.#store.commit(batch.mutations);
    this.#commits++;
    this.#tables.add(entries, journal.map(({ seq, value }) => ({ seq, bytes: value.length })));
    for (const entry of entries) this.#hooks.changed(entry, grounds.before(entry.key));
    batch.committed();
  }

  /** Learns, from memory or else from the store, all that the decisions need. */
  async #lookUp(taken: readonly Pending[]): Promise<LookedUp> {
    const found = new LookedUp();
    const keys: StoreKey[] = [];
    const readers: ((value: Uint8Array | undefined) => void)[] = [];
    for (const { change } of taken) {
      if (change.probe !== undefined) {
        keys.push(change.probe);
        readers.push((value) => found.setProbed(change, value !== undefined));
      }
      if (change.record === undefined || found.has(change.record.key)) continue;
      const { partition, key } = change.record;
      const known = this.#tables.known(key);
      found.set(key, known ?? NOTHING);
      if (known !== undefined) continue;
      keys.push(recordKey(partition, key));
      readers.push((value) => {
        found.setStored(key, value);
        if (found.isDamaged(key)) this.#hooks.damaged({ partition, key });
      });
    }
    if (keys.length === 0) return found;
    const entries = await this.#store.getMany(keys);
    readers.forEach((read, i) => read(entries[i]?.value));
    return found;
  }
}

/** What was looked up for one batch. Only the writer changes any of it, so it stays true until the batch is in. */
class LookedUp {
  readonly #known = new Map<string, Known>();
  readonly #damaged = new Set<string>();
  readonly #probed = new Set<Change<unknown>>();

  has(key: string): boolean {
    return this.#known.has(key);
  }

  set(key: string, known: Known): void {
    this.#known.set(key, known);
  }

  isDamaged(key: string): boolean {
    return this.#damaged.has(key);
  }

  setProbed(change: Change<unknown>, exists: boolean): void {
    if (exists) this.#probed.add(change);
  }

  setStored(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) return;
    try {
      this.#known.set(key, knownOf(heldOf(decodeRecordEntry(value))));
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#damaged.add(key);
    }
  }

  /** What was held of a key before this batch. */
  before(key: string): Held | undefined {
    return this.#known.get(key)?.held;
  }

  of(change: Change<unknown>, batch: CommitBatch): Grounds {
    const probed = this.#probed.has(change);
    const key = change.record?.key;
    if (key === undefined) return { known: NOTHING, damaged: false, probed };
    const earlier = batch.entries.get(key);
    if (earlier !== undefined) return { known: earlier, damaged: false, probed };
    return { known: this.#known.get(key) ?? NOTHING, damaged: this.#damaged.has(key), probed };
  }
}

function rejectAll(pending: readonly Pending[], error: unknown): void {
  for (const { reject } of pending) reject(error);
}
