import { DhtError, sentence } from "../core/errors.ts";
import type { Version } from "../core/hlc.ts";
import type { RecordHead, StoredRecord } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Store } from "../ports/store.ts";
import { Applier } from "./applier.ts";
import { Blobs } from "./blobs.ts";
import { ClaimedStore } from "./claimed_store.ts";
import { FoundDamage, type Place, type Strictness } from "./damage.ts";
import { Digests, type PartitionDigest } from "./digests.ts";
import type { PullTicket } from "./floors.ts";
import type { Freed } from "./garbage.ts";
import { Hints } from "./hints.ts";
import { type Change, GroupCommit } from "./group_commit.ts";
import { type IndexPage, type IndexQuery, IndexReader } from "./index_reader.ts";
import {
  type ExpiringKey,
  type PartitionPage,
  RecordReader,
  type RecordsPage,
  type ScanRange,
} from "./record_reader.ts";
import { RecordTables } from "./record_tables.ts";
import { ScrubReader } from "./scrub_reader.ts";
import { stateCost } from "./state_blobs.ts";
import { statsOf, type StorageStats } from "./storage_stats.ts";
import { loadStoredState, type StoredState } from "./stored_state.ts";
import { Tombstones } from "./tombstones.ts";
import {
  dropChange,
  forgetChange,
  writeChange,
  type WriteOutcome,
  type WriteRequest,
} from "./write_change.ts";
import { Yielding } from "./yielding.ts";

export type { PartitionDigest } from "./digests.ts";
export type { Place } from "./damage.ts";
export type { IndexPage, IndexQuery } from "./index_reader.ts";
export type { ExpiringKey, ScanRange } from "./record_reader.ts";
export type { StorageStats } from "./storage_stats.ts";
export type { PullTicket } from "./floors.ts";
export type { TombstoneName, WriteOutcome, WriteRequest } from "./write_change.ts";

/** What a storage is made of. */
export interface StorageDeps {
  /** Closed by `Storage.close`; by the caller where `Storage.open` fails. */
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Bytes of memory for records that were read, and for what is held of keys; by default 80 MiB. */
  readonly cacheBytes?: number;
  /** Called once, when another process turns out to have claimed the database: this one must end. */
  onClaimLost(): void;
}

/** A page of a partition, by the byte order of keys. */
export interface ScanPage extends PartitionPage {
  /** The partition's floor, if it has one. */
  readonly floor?: Version;
}

const DEFAULT_CACHE_BYTES = 80 * 1024 * 1024;
const SEED_BYTES = 4;
const OWNER_BYTES = 16;

/**
 * All that a node keeps: records, values in chunks, its own state, over one
 * `Store` that it is the only writer of.
 *
 * Whatever resolves is on the disk; whatever rejects was not stored, except where the store's answer was
 * unknown. A write is read by everybody once it resolved, and by nobody before it is on the disk. A key belongs
 * to one partition for as long as the database lives.
 *
 * Beside what is said of each call, all throw `DhtError` "store_failed" where the database fails, "disk_full"
 * where it cannot take more, "overloaded" where too much waits, and "stopping" once closed or no longer owned.
 */
export class Storage {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #store: ClaimedStore;
  readonly #tables: RecordTables;
  readonly #reader: RecordReader;
  readonly #index: IndexReader;
  readonly #writer: GroupCommit;
  readonly #applier: Applier;
  readonly #digests: Digests;
  readonly #damage: FoundDamage;
  /** Requests answered so far, counted by who answers them: scans make room while they come. */
  served = 0;
  /** Values in chunks. */
  readonly blobs: Blobs;
  /** Deletions, and the floors that remain of them. */
  readonly tombstones: Tombstones;
  /** Verifies what is on the disk. */
  readonly scrubber: ScrubReader;
  /** What other owners missed. */
  readonly hints: Hints;
  #state: StoredState;
  #mustRecover = false;
  #collecting: Promise<Freed> | undefined;
  #closing: Promise<void> | undefined;

  /** Claims the database and reads what was left of the last run; a journal of tens of MiB at most. */
  static async open(deps: StorageDeps): Promise<Storage> {
    const owner = deps.random.hex(OWNER_BYTES);
    const store = await ClaimedStore.open(deps.store, owner, () => deps.onClaimLost());
    return new Storage(deps, store, await loadStoredState(store, deps.clock));
  }

  private constructor(deps: StorageDeps, store: ClaimedStore, state: StoredState) {
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#store = store;
    const seed = parseInt(deps.random.hex(SEED_BYTES), 16);
    this.#tables = new RecordTables(deps.cacheBytes ?? DEFAULT_CACHE_BYTES, seed);
    const bulk = new Yielding(deps.clock, () => this.served);
    this.#applier = new Applier({ store, tables: this.#tables, log: deps.log, bulk });
    const books = () => this.#state.books;
    const damage = this.#damage = new FoundDamage({
      list: () => books().damaged,
      log: deps.log,
      doubt: (partition) => this.#digests.doubt(partition),
    });
    this.#reader = new RecordReader(store, this.#tables, damage);
    this.#index = new IndexReader(store, this.#tables, this.#reader);
    this.#digests = new Digests({
      store,
      damage,
      memory: this.#tables,
      bulk,
      settle: (partition) => this.#applier.settle(partition),
    });
    this.#writer = new GroupCommit(store, this.#tables, {
      prepare: () => this.#prepare(),
      changed: (entry, before) => {
        this.#digests.note(entry, before);
        // Whoever found it damaged while the commit was under way has read what the entry has replaced.
        books().damaged.delete(entry.key);
      },
      damaged: (place) => damage.add(place),
      committed: () => this.#applier.kick(),
      unknown: () => this.#mustRecover = true,
    });
    const scrubber = this.scrubber = new ScrubReader({ store, tables: this.#tables, damage, books });
    this.blobs = new Blobs({
      store,
      reader: this.#reader,
      scrubber,
      damage,
      books,
      assertServing: () => this.#assertServing(),
      submit: (make) => this.#submit(make),
    });
    this.tombstones = new Tombstones({
      books,
      write: (request) => this.write(request),
      submit: (make) => this.#submit(make),
    });
    this.hints = new Hints(store, (change) => this.#submit(() => change));
    this.#state = state;
    this.#adopt(state);
  }

  /** A state of the node that was saved under this name. */
  loadState(name: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#state.blobs.get(name));
  }

  /** Replaces a state, as a whole. At most 720 KiB. */
  saveState(name: string, bytes: Uint8Array): Promise<void> {
    const own = bytes.slice();
    return this.#submit(() => ({
      cost: stateCost(name, own),
      decide: (batch) => this.#state.blobs.save(batch, name, own),
    }));
  }

  /** What `read` would give, if memory alone tells; "unknown" where `read` has to be asked. */
  readNow(key: string): StoredRecord | undefined | "unknown" {
    return this.#closing === undefined && !this.#store.lost ? this.#reader.readNow(key) : "unknown";
  }

  /** The record of a key; its bytes are verified. @throws {DhtError} "corrupt_value" where they are damaged. */
  async read(partition: number, key: string): Promise<StoredRecord | undefined> {
    this.#assertServing();
    return await this.#reader.read(partition, key);
  }

  /** The records of keys, in the order asked, "damaged" where they are; their bytes are verified. */
  async readMany(items: readonly Place[]): Promise<(StoredRecord | "damaged" | undefined)[]> {
    this.#assertServing();
    return await this.#reader.readMany(items);
  }

  /** The heads of records, in the order asked; `undefined` where there is none, or a damaged one unless `strict`. */
  async heads(items: readonly Place[], options: Strictness = {}): Promise<(RecordHead | undefined)[]> {
    this.#assertServing();
    return await this.#reader.heads(items, options);
  }

  /**
   * Stores a record if it wins over what is held.
   *
   * A record with a blob takes over the upload of that id, whose chunks must all be here.
   *
   * @throws {DhtError} "upload_incomplete" where they are not; "corrupt_value" where a client's write cannot be
   * compared because what is held is damaged; "bad_message" where the record passes a bound.
   */
  write(request: WriteRequest): Promise<WriteOutcome> {
    return this.#submit(() => writeChange(request, () => this.#state.books));
  }

  /**
   * A page of a partition's records, tombstones included: all that was accepted before the call, though it was
   * not on the disk yet, or newer.
   * Damaged ones are left out. A page may have fewer entries than `limit` and yet not be the last.
   */
  async scan(
    partition: number,
    options: { readonly after?: string; readonly limit: number },
  ): Promise<ScanPage> {
    this.#assertServing();
    await this.#writer.settled();
    // Laid over what is read: to wait until all of the table is in its place, for each of many partitions, is slow.
    const overlay = this.#tables.unapplied(partition);
    const page = await this.#reader.scan(partition, options, overlay);
    const floor = this.tombstones.floor(partition);
    return floor === undefined ? page : { ...page, floor };
  }

  /**
   * The same of several partitions, with the records themselves: of the first ranges, as far as `limit` records and
   * `bytes` bytes go; of the first one at least. Any page may have a `next`.
   */
  async scanRecords(
    ranges: readonly ScanRange[],
    bounds: { readonly limit: number; readonly bytes: number },
  ): Promise<RecordsPage[]> {
    this.#assertServing();
    await this.#writer.settled();
    return await this.#reader.scanRecords(ranges, bounds);
  }

  /**
   * A page of this node's keys that begin with `prefix` and sort after `after`, tombstones included: all that
   * was committed before the call, or newer. A page may have fewer entries than `limit` and yet not be the last.
   */
  async listKeys(query: IndexQuery): Promise<IndexPage> {
    this.#assertServing();
    return await this.#index.page(query);
  }

  /**
   * At most `limit` keys whose value expires, behind `after` in the order of partitions and keys; all that was
   * committed before the call, but for what a full disk keeps from its place.
   */
  async expiring(after: Place | undefined, limit: number): Promise<ExpiringKey[]> {
    this.#assertServing();
    await this.#applier.settle();
    return await this.#reader.listExpiring(after, limit);
  }

  /**
   * The digest of each partition that holds anything, or of those of `partitions`: exact for all that was accepted before the call, though it
   * was not on the disk yet. Who pulls relies on this: a write may be taken under a layout that ends while it waits.
   */
  async digests(partitions?: readonly number[]): Promise<ReadonlyMap<number, PartitionDigest>> {
    this.#assertServing();
    await this.#writer.settled();
    return await this.#digests.current(partitions);
  }

  /** Removes a record and its bytes, if it has this version still. Returns whether it had. */
  drop(partition: number, key: string, version: Version): Promise<boolean> {
    return this.#submit(() => dropChange({ partition, key, version }, () => this.#state.books));
  }

  /**
   * One bounded step of freeing what nobody needs: chunks of values that were superseded and not read for a
   * minute, uploads without a call for ten. To be called again and again by a background task.
   */
  async collectGarbage(): Promise<Freed> {
    this.#assertServing();
    this.#applier.retry();
    await this.blobs.closeIdleUploads();
    return await (this.#collecting ??= this.#state.books.garbage.collect(this.#store)
      .finally(() => this.#collecting = undefined));
  }

  /** Resolves once all that was accepted before is in the records' own entries, and the journal behind it gone. */
  async flush(): Promise<void> {
    this.#assertServing();
    await this.#writer.settled();
    await this.#applier.flush();
  }

  /** Records found damaged and not mended yet. */
  damagedRecords(): Place[] {
    return this.#damage.places();
  }

  /** Removes a record that is damaged still, of whose key no other owner holds any. Returns whether it did. */
  forgetDamaged(place: Place, ticket: PullTicket): Promise<boolean> {
    return this.#submit(() => forgetChange(place, ticket, () => this.#state.books));
  }

  /** Whether the database still is this process's, by asking it. */
  confirmClaim(): Promise<boolean> {
    return this.#store.confirm();
  }

  stats(): StorageStats {
    return statsOf({
      store: this.#store,
      tables: this.#tables,
      writer: this.#writer,
      applier: this.#applier,
      damage: this.#damage,
      books: this.#state.books,
    });
  }

  /** Finishes what is under way, empties the journal if the disk lets it, and closes the store. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#writer.idle();
    try {
      await this.#collecting;
      if (!this.#store.lost) await this.#applier.flush();
    } catch (error) {
      const reason = sentence(error);
      this.#log.event("warn", "flush_failed", "Could not empty the journal; the next start reads it", {
        reason,
      });
    }
    await this.#store.close();
  }

  /** Queues a change; what keeps it from being made rejects. */
  #submit<T>(make: () => Change<T>): Promise<T> {
    try {
      this.#assertServing();
      return this.#writer.submit(make());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #assertServing(): void {
    if (this.#closing !== undefined || this.#store.lost) {
      throw new DhtError("stopping", "Cannot use the database: the node is stopping");
    }
  }

  /** Before each commit: memory must say what the disk says, and have room. */
  #prepare(): Promise<void> | void {
    if (this.#mustRecover) return this.#recover();
    if (!this.#applier.hasRoom) return this.#applier.makeRoom();
  }

  /** After a commit of unknown outcome: makes sure it cannot land any more, and reads what is there. */
  async #recover(): Promise<void> {
    await this.#collecting?.catch(() => {});
    await this.#applier.whilePaused(async () => {
      await this.#store.reclaim();
      this.#adopt(await loadStoredState(this.#store, this.#clock));
      this.#mustRecover = false;
    });
    this.#log.event(
      "warn",
      "database_read_again",
      "Read the database again after a write of unknown outcome",
    );
  }

  #adopt(state: StoredState): void {
    this.#state = state;
    this.#tables.replace(state.table);
    this.#digests.doubtAll();
    this.#writer.continueAfter(state.table.journalSeqs.at(-1) ?? -1);
  }
}
