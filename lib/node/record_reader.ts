import { DhtError } from "../core/errors.ts";
import { headOf, type RecordHead, type StoredRecord } from "../core/record.ts";
import { sha256 } from "../sha256.ts";
import type { KeyedRecord } from "../wire.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import type { DamageList, Place, Strictness } from "./damage.ts";
import { readableHead } from "./digests.ts";
import { countOf, decodeEntry, expiringKey, isDamage, recordKey, textOf } from "./entries.ts";
import type { TableEntry } from "./memory_table.ts";
import { movedBytes } from "./moved_bytes.ts";
import { laidOver, NO_OVERLAY, type Overlay, type Page, withinBytes } from "./overlay.ts";
import { decodeRecordEntry } from "./record_entry.ts";
import type { RecordTables } from "./record_tables.ts";

/** A page of a partition, by the byte order of keys. */
export interface PartitionPage {
  readonly entries: { readonly key: string; readonly head: RecordHead }[];
  /** To be given as `after` for the next page; absent on the last. */
  readonly next?: string;
  /** Whether a damaged record was left out. */
  readonly damaged: boolean;
}

/** A partition from behind a key on; from its beginning where there is none. */
export interface ScanRange {
  readonly partition: number;
  readonly after?: string | undefined;
}

/** A page of a partition with its records. */
export interface RecordsPage {
  readonly entries: readonly KeyedRecord[];
  readonly next?: string;
  /** Whether a damaged record was left out. */
  readonly damaged: boolean;
}

/**
 * Ranges read at the same time, as each waits for the database: at first, when nobody knows how long they are. They
 * read so many times as much as one answer carries at most; more ranges at a time read no more than that.
 */
const FIRST_RANGES = 4;
const MAX_RANGES = 128;

/** Where a page of a partition begins, and when it ends: with the entry that makes `bytes` full. */
export interface PageBounds {
  readonly after?: string | undefined;
  readonly limit: number;
  readonly bytes?: number;
}

/** What a page has of an entry; `undefined` where that is damaged, or none. */
interface PageContent<T> {
  /** Of an entry in its place. */
  read(key: string, value: Uint8Array): T | undefined;
  /** Of one that is not in its place yet. */
  show(entry: TableEntry): T | undefined;
  bytesOf(entry: T): number;
}

/** A key whose value expires. */
export interface ExpiringKey extends Place {
  readonly expiresMs: number;
}

/** Reads records: from memory where they are there, else from the store. */
export class RecordReader {
  readonly #store: ClaimedStore;
  readonly #tables: RecordTables;
  readonly #damage: DamageList;

  constructor(store: ClaimedStore, tables: RecordTables, damage: DamageList) {
    this.#store = store;
    this.#tables = tables;
    this.#damage = damage;
  }

  /** The record of a key if memory alone tells; "unknown" where `read` has to be asked. */
  readNow(key: string): StoredRecord | undefined | "unknown" {
    return this.#damage.has(key) ? "unknown" : this.#tables.record(key);
  }

  /** @throws {DhtError} "corrupt_value" where the record or its bytes are damaged. */
  async read(partition: number, key: string): Promise<StoredRecord | undefined> {
    if (this.#damage.has(key)) throw this.#damaged({ partition, key });
    const record = this.#tables.record(key);
    if (record !== "unknown") return record;
    const { generation } = this.#tables;
    const [entry] = await this.#store.getMany([recordKey(partition, key)]);
    if (entry === undefined) return undefined;
    const read = this.#verified({ partition, key }, entry.value);
    this.#tables.remember(key, headOf(read), { encoded: entry.value, generation });
    return read;
  }

  /** The records of keys, in the order asked; their bytes are verified. */
  async readMany(items: readonly Place[]): Promise<(StoredRecord | "damaged" | undefined)[]> {
    const inMemory = items.map(({ key }) => this.#damage.has(key) ? "damaged" : this.#tables.record(key));
    const missing = items.filter((_, i) => inMemory[i] === "unknown");
    const entries = await this.#store.getMany(
      missing.map(({ partition, key }) => recordKey(partition, key)),
    );
    let next = 0;
    return inMemory.map((known, i) => {
      if (known !== "unknown") return known;
      const entry = entries[next++];
      if (entry === undefined) return undefined;
      const record = this.#intact(entry.value);
      if (record === undefined) this.#note(items[i]!);
      return record ?? "damaged";
    });
  }

  /**
   * Heads in the order asked; `undefined` where there is no record or it is damaged.
   *
   * @param options.strict Gives the head of a record whose bytes alone are damaged, too: that it has been accepted
   * here is as true as before.
   * @throws {DhtError} "corrupt_value" if `strict`, where not even the head can be read.
   */
  async heads(
    items: readonly Place[],
    { strict = false }: Strictness = {},
  ): Promise<(RecordHead | undefined)[]> {
    const heads = await this.#look(items);
    return heads.map((head, i) => {
      if (strict && head === "damaged") throw this.#damaged(items[i]!);
      return head === "damaged" || (!strict && this.#damage.has(items[i]!.key)) ? undefined : head;
    });
  }

  async #look(items: readonly Place[]): Promise<(RecordHead | "damaged" | undefined)[]> {
    const inMemory = items.map(({ key }) => this.#tables.known(key));
    const missing = items.filter((_, i) => inMemory[i] === undefined);
    const { generation } = this.#tables;
    const entries = missing.length === 0
      ? []
      : await this.#store.getMany(missing.map(({ partition, key }) => recordKey(partition, key)));
    let next = 0;
    return inMemory.map((known, i) => {
      if (known !== undefined) return known.held?.head;
      const entry = entries[next++];
      if (entry === undefined) return undefined;
      const head = readableHead(entry.value);
      if (head === undefined) this.#note(items[i]!);
      else this.#tables.remember(items[i]!.key, head, { generation });
      return head ?? "damaged";
    });
  }

  /** A page of a partition, as far as it has been applied or is in `overlay`. Damaged records are left out. */
  scan(partition: number, bounds: PageBounds, overlay: Overlay = NO_OVERLAY): Promise<PartitionPage> {
    return this.#page(partition, bounds, overlay, {
      read: (key, value) => {
        const head = readableHead(value) ?? this.#tables.entry(key)?.held?.head;
        if (head === undefined) this.#note({ partition, key });
        return head && { key, head };
      },
      show: ({ key, held }) => held && { key, head: held.head },
      bytesOf: () => 0,
    });
  }

  /** Pages of several ranges with the records themselves; see `Storage.scanRecords`. */
  async scanRecords(
    ranges: readonly ScanRange[],
    bounds: { readonly limit: number; readonly bytes: number },
  ): Promise<RecordsPage[]> {
    const pages: RecordsPage[] = [];
    let { limit, bytes } = bounds;
    let width = FIRST_RANGES;
    while (pages.length < ranges.length && limit > 0 && bytes > 0) {
      const wave = ranges.slice(pages.length, pages.length + width);
      // Long ones behind short ones end early, and go on in the next answer.
      const share = Math.min(1, FIRST_RANGES / wave.length);
      const part = { limit: Math.ceil(limit * share), bytes: Math.ceil(bytes * share) };
      const found = await Promise.all(
        wave.map(({ partition, after }) => this.#recordsPage(partition, { after, ...part })),
      );
      for (const page of found) {
        if (limit <= 0 || bytes <= 0) break;
        pages.push(page);
        limit -= page.entries.length;
        bytes -= page.entries.reduce((sum, { key, record }) => sum + movedBytes(key, record), 0);
      }
      // As many as are likely to fit, by those that were read.
      const used = Math.max(1 - limit / bounds.limit, 1 - bytes / bounds.bytes);
      width = Math.min(MAX_RANGES, Math.max(1, Math.floor(pages.length * (1 - used) / Math.max(used, 0.01))));
    }
    return pages;
  }

  #recordsPage(partition: number, bounds: PageBounds): Promise<RecordsPage> {
    const overlay = this.#tables.unapplied(partition);
    const show = ({ key, encoded }: TableEntry) =>
      encoded && { partition, key, record: decodeRecordEntry(encoded) };
    return this.#page(partition, bounds, overlay, {
      read: (key, value) => {
        const record = this.#intact(value);
        if (record !== undefined) return { partition, key, record };
        const newer = this.#tables.entry(key);
        if (newer === undefined) this.#note({ partition, key });
        return newer && show(newer);
      },
      show,
      bytesOf: ({ key, record }) => movedBytes(key, record),
    });
  }

  async #page<T extends { readonly key: string }>(
    partition: number,
    { after, limit, bytes: maxBytes = Infinity }: PageBounds,
    overlay: Overlay,
    { read, show, bytesOf }: PageContent<T>,
  ): Promise<Page<T> & { readonly damaged: boolean }> {
    const prefix = ["record", partition];
    const range = after === undefined ? { prefix } : { prefix, after: recordKey(partition, after) };
    const entries: T[] = [];
    let seen = 0;
    let bytes = 0;
    let damaged = false;
    let last = "";
    for await (const { key, value } of this.#store.list(range, { limit })) {
      seen++;
      last = textOf(key[2]);
      if (overlay.has(last)) continue;
      const entry = read(last, value);
      if (entry === undefined || this.#damage.has(last)) damaged = true;
      else {
        entries.push(entry);
        bytes += bytesOf(entry);
      }
      if (bytes >= maxBytes) break;
    }
    const page = seen === limit || bytes >= maxBytes ? { entries, next: last } : { entries };
    return { ...withinBytes(laidOver(page, overlay, show, { after, limit }), maxBytes, bytesOf), damaged };
  }

  /** Keys whose value expires, in the order of partitions and keys, as far as they have been applied. */
  async listExpiring(after: Place | undefined, limit: number): Promise<ExpiringKey[]> {
    const range = {
      prefix: ["expiring"],
      ...(after === undefined ? {} : { after: expiringKey(after.partition, after.key) }),
    };
    const found: ExpiringKey[] = [];
    for await (const { key, value } of this.#store.list(range, { limit })) {
      found.push({
        partition: countOf(key[1]),
        key: textOf(key[2]),
        expiresMs: countOf(decodeEntry(value)[0]),
      });
    }
    return found;
  }

  #verified(place: Place, value: Uint8Array): StoredRecord {
    const record = this.#intact(value);
    if (record === undefined) throw this.#damaged(place);
    return record;
  }

  /** The record of an entry; `undefined` where it or its bytes are damaged. */
  #intact(value: Uint8Array): StoredRecord | undefined {
    try {
      const record = decodeRecordEntry(value);
      if (record.kind === "tombstone" || record.body.kind === "blob") return record;
      return sameBytes(sha256(record.body.bytes), record.sha256) ? record : undefined;
    } catch (error) {
      if (!isDamage(error)) throw error;
      return undefined;
    }
  }

  /** What has come into memory meanwhile has taken the damaged entry's place, or will. */
  #note(place: Place): void {
    if (this.#tables.entry(place.key) === undefined) this.#damage.add(place);
  }

  #damaged(place: Place): DhtError {
    this.#note(place);
    return new DhtError(
      "corrupt_value",
      `Cannot read key ${JSON.stringify(place.key)}: this node's copy is damaged`,
    );
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
