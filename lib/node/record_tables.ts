import type { RecordHead, StoredRecord } from "../core/record.ts";
import { HeadCache } from "./head_cache.ts";
import { KeyFilter } from "./key_filter.ts";
import { type Held, MemoryTable, type TableEntry } from "./memory_table.ts";
import type { Overlay } from "./overlay.ts";
import { RecordCache } from "./record_cache.ts";
import { decodeTrustedEntry } from "./record_entry.ts";

/** What memory knows of a key: what is held of it, or that nothing is. */
export interface Known {
  readonly held: Held | undefined;
  /** Whether the key may be listed among those that expire. */
  readonly wasExpiring: boolean;
}

/** What is known of a key whose entries are all in their places. */
export function knownOf(held: Held | undefined): Known {
  return { held, wasExpiring: expires(held) };
}

function expires(held: Held | undefined): boolean {
  return held?.head.expiresMs !== undefined;
}

/** The part of the memory for all caches that heads take: a head takes 50 bytes, a record of 100 takes 200. */
const HEADS_PART = 2 / 3;

/** The part of it that the filter of keys takes. */
const FILTER_PART = 1 / 16;

/** When a table is large enough to be applied. */
const FULL_RECORDS = 32_768;
const FULL_BYTES = 16 * 1024 * 1024;
const FULL_JOURNAL_VALUES = 8_192;
// Few keys that are written over and over do not fill a table, but they do the journal, which a start has to read.
const FULL_JOURNAL_BYTES = 48 * 1024 * 1024;

/**
 * What reads see before the store: the table that takes new entries, the one
 * that is being applied, caches of records and of heads, and a filter of keys.
 *
 * Only commits that are on the disk are in here, so nobody ever sees a record that a crash could take back.
 * A key belongs to one partition for as long as the database lives; so keys alone name records.
 */
export class RecordTables {
  #active = new MemoryTable();
  #applying: MemoryTable | undefined;
  #generation = 0;
  readonly #records: RecordCache;
  readonly #heads: HeadCache;
  /** Of all keys with a record in its place, once it is complete. */
  readonly #keys: KeyFilter;
  #hasAllKeys = false;

  /** @param seed 32 random bits, see `ByteCache`. */
  constructor(cacheBytes: number, seed: number) {
    this.#heads = new HeadCache(cacheBytes * HEADS_PART, seed);
    this.#keys = new KeyFilter(cacheBytes * FILTER_PART, seed);
    this.#records = new RecordCache(cacheBytes * (1 - HEADS_PART - FILTER_PART), seed);
  }

  /** The newest entry of a key that is not in its place yet. */
  entry(key: string): TableEntry | undefined {
    return this.#active.get(key) ?? this.#applying?.get(key);
  }

  /** The record of a key, if memory knows it: `"unknown"` means that the store has to be asked. */
  record(key: string): StoredRecord | undefined | "unknown" {
    const entry = this.entry(key);
    if (entry !== undefined) return entry.encoded && decodeTrustedEntry(entry.encoded);
    return this.#records.get(key) ?? (this.#isAbsent(key) ? undefined : "unknown");
  }

  /** What a write has to be compared with, if memory knows it. */
  known(key: string): Known | undefined {
    const active = this.#active.get(key);
    if (active !== undefined) {
      const { held, wasExpiring } = active;
      return { held, wasExpiring: wasExpiring || expires(held) };
    }
    const applying = this.#applying?.get(key);
    if (applying !== undefined) return knownOf(applying.held);
    const head = this.#heads.get(key);
    if (head !== undefined) return knownOf({ head, blobId: undefined });
    return this.#isAbsent(key) ? knownOf(undefined) : undefined;
  }

  /** Notes that the store has, or may have, a record of a key. */
  noteStored(key: string): void {
    this.#keys.add(key);
  }

  /** To be called once every key has been noted that had a record in its place at some time after the start. */
  notedAll(): void {
    this.#hasAllKeys = true;
  }

  /** Whether neither the store nor, as was seen before, a table has a record of a key. */
  #isAbsent(key: string): boolean {
    return this.#hasAllKeys && !this.#keys.mayHave(key);
  }

  /** To be handed to `remember` with what is read from the store from now on. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Keeps a record that was read from the store, unless a newer one may have been committed since the read began.
   *
   * @param options.encoded The value of its entry, which is intact; absent: its head alone is kept.
   */
  remember(
    key: string,
    head: RecordHead,
    { encoded, generation }: { encoded?: Uint8Array; generation: number },
  ): void {
    // An entry committed meanwhile is still in a table, or a table has been dropped.
    if (generation !== this.#generation || this.entry(key) !== undefined) return;
    this.#heads.set(key, head);
    if (encoded !== undefined) this.#records.set(key, encoded);
  }

  /** Takes in a commit. */
  add(entries: Iterable<TableEntry>, journalValues: Iterable<{ seq: number; bytes: number }>): void {
    for (const entry of entries) this.#active.put(entry);
    for (const { seq, bytes } of journalValues) this.#active.addJournalValue(seq, bytes);
  }

  /** The table to be applied now; new entries go to another from here on. `undefined`: nothing is left to do. */
  beginApply(): MemoryTable | undefined {
    if (this.#applying === undefined && !this.#active.isEmpty) {
      this.#applying = this.#active;
      this.#active = new MemoryTable();
    }
    return this.#applying;
  }

  /**
   * To be called for each entry of the table that is being applied, before that is forgotten: until then what the
   * caches say of its key is not asked for.
   */
  notePlaced({ key, held }: TableEntry): void {
    this.#keys.add(key);
    this.#records.delete(key);
    this.#heads.set(key, held?.head);
  }

  /** Forgets the table that was being applied: all of it is in the store now. */
  endApply(table: MemoryTable): void {
    table.applied = true;
    this.#applying = undefined;
    this.#generation++;
  }

  /** The table with the newest entries, if any are not applied. */
  newestUnapplied(): MemoryTable | undefined {
    return this.#active.isEmpty ? this.#applying : this.#active;
  }

  /** Whether a table is one of those that reads see. */
  holds(table: MemoryTable): boolean {
    return table === this.#active || table === this.#applying;
  }

  /** The newest entries that are not in their places yet; of one partition, or of all. */
  unapplied(partition?: number): Overlay {
    const entries = new Map<string, TableEntry>();
    for (const table of [this.#applying, this.#active]) {
      const found = partition === undefined ? table?.entries() : table?.ofPartition(partition);
      for (const entry of found ?? []) entries.set(entry.key, entry);
    }
    return entries;
  }

  /** The tables whose entries are not in their places yet, older first. What they hold is never taken out of them. */
  unappliedTables(): readonly MemoryTable[] {
    return this.#applying === undefined ? [this.#active] : [this.#applying, this.#active];
  }

  /** Whether a record of this partition is not in its place yet. */
  touches(partition: number): boolean {
    return this.#active.hasPartition(partition) || (this.#applying?.hasPartition(partition) ?? false);
  }

  /** Whether an apply has begun and not ended. */
  get isApplying(): boolean {
    return this.#applying !== undefined;
  }

  /** Whether the table for new entries should be applied. */
  get isFull(): boolean {
    const { size, bytes, journalSeqs, journalBytes } = this.#active;
    return size >= FULL_RECORDS || bytes >= FULL_BYTES || journalSeqs.length >= FULL_JOURNAL_VALUES ||
      journalBytes >= FULL_JOURNAL_BYTES;
  }

  /** Forgets everything and begins again with what the journal on the disk says. */
  replace(table: MemoryTable): void {
    this.#active = table;
    this.#applying = undefined;
    this.#generation++;
    this.#records.clear();
    this.#heads.clear();
  }

  /** Bytes of memory of the tables. */
  get bytes(): number {
    return this.#active.bytes + (this.#applying?.bytes ?? 0);
  }

  get size(): number {
    return this.#active.size + (this.#applying?.size ?? 0);
  }

  get journalBytes(): number {
    return this.#active.journalBytes + (this.#applying?.journalBytes ?? 0);
  }

  get cacheBytes(): number {
    return this.#records.bytes + this.#heads.bytes + this.#keys.bytes;
  }
}
