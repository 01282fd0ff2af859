import { headOf, type RecordHead, type StoredRecord } from "../core/record.ts";
import { storeKeyBytes } from "../ports/store.ts";
import { encodeRecordEntry } from "./record_entry.ts";
import { type KeySpan, SortedKeys } from "./sorted_keys.ts";

/** The newest that is known of a key: enough to decide whether a write wins, and what it frees. */
export interface Held {
  readonly head: RecordHead;
  /** The blob that has the bytes, where they are in chunks. */
  readonly blobId: string | undefined;
}

/** A change of one key that is in the journal but not yet in the key's own entry: its record, or its removal. */
export interface TableEntry {
  readonly partition: number;
  readonly key: string;
  /** Absent where the key is removed. */
  readonly held: Held | undefined;
  /** Value of the record's entry; absent where the key is removed. */
  readonly encoded: Uint8Array | undefined;
  /** Bytes it takes in the journal, at most. */
  readonly bytes: number;
  /**
   * Whether the key may be listed among those that expire, by a record that came before this one. Known when the
   * change is decided.
   */
  wasExpiring: boolean;
}

// Headers of MessagePack for a partition, a key and bytes.
const ENTRY_HEADER_BYTES = 13;
// What the objects around an entry take in memory, roughly.
const ENTRY_MEMORY_BYTES = 400;

/** The part of a record that decisions need. */
export function heldOf(record: StoredRecord): Held {
  const blobId = record.kind === "value" && record.body.kind === "blob" ? record.body.id : undefined;
  return { head: headOf(record), blobId };
}

/**
 * The entry that stores `record`. It keeps nothing of the buffers the record's bytes are views of.
 *
 * @param encoded The value of the record's entry, where that is known.
 */
export function tableEntry(
  partition: number,
  key: string,
  record: StoredRecord,
  encoded: Uint8Array = encodeRecordEntry(record),
): TableEntry {
  return encodedEntry(partition, key, heldOf(record), encoded);
}

/** The entry of a record whose encoded form is there already. */
export function encodedEntry(partition: number, key: string, held: Held, encoded: Uint8Array): TableEntry {
  const bytes = ENTRY_HEADER_BYTES + storeKeyBytes([key]) + encoded.length;
  return { partition, key, held, encoded, bytes, wasExpiring: true };
}

/** The entry that removes a key. */
export function removalEntry(partition: number, key: string): TableEntry {
  const bytes = ENTRY_HEADER_BYTES + storeKeyBytes([key]);
  return { partition, key, held: undefined, encoded: undefined, bytes, wasExpiring: true };
}

/** The newest entry of each key among those in some part of the journal. */
export class MemoryTable {
  readonly #entries = new Map<string, TableEntry>();
  /** Keys of each partition, from when somebody asks on: under load alone nobody does. */
  #partitions: Map<number, string[]> | undefined;
  readonly #keys = new SortedKeys();
  readonly #journalSeqs: number[] = [];
  #bytes = 0;
  #journalBytes = 0;
  /** Set once its entries are where they belong, and its part of the journal is gone. */
  applied = false;

  get(key: string): TableEntry | undefined {
    return this.#entries.get(key);
  }

  put(entry: TableEntry): void {
    const before = this.#entries.get(entry.key);
    if (before === undefined) this.#noteKey(entry);
    else this.#bytes -= memoryBytes(before);
    this.#bytes += memoryBytes(entry);
    this.#entries.set(entry.key, entry);
  }

  /** Notes a journal value that its entries came from. In ascending order. */
  addJournalValue(seq: number, bytes: number): void {
    this.#journalSeqs.push(seq);
    this.#journalBytes += bytes;
  }

  entries(): Iterable<TableEntry> {
    return this.#entries.values();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of memory, roughly. */
  get bytes(): number {
    return this.#bytes;
  }

  get journalBytes(): number {
    return this.#journalBytes;
  }

  get journalSeqs(): readonly number[] {
    return this.#journalSeqs;
  }

  /** Whether it has an entry of that partition. */
  hasPartition(partition: number): boolean {
    return this.#keysByPartition().has(partition);
  }

  /** The entries of one partition. */
  ofPartition(partition: number): TableEntry[] {
    return (this.#keysByPartition().get(partition) ?? []).map((key) => this.#entries.get(key)!);
  }

  /** The entries of the first `limit` keys of a span, in the byte order of keys. */
  within(span: KeySpan, limit: number): TableEntry[] {
    return this.#keys.within(span, limit).map((key) => this.#entries.get(key)!);
  }

  /** Whether there is nothing to apply. */
  get isEmpty(): boolean {
    return this.#journalSeqs.length === 0;
  }

  #noteKey(entry: TableEntry): void {
    this.#keys.add(entry.key);
    if (this.#partitions !== undefined) addKey(this.#partitions, entry);
  }

  #keysByPartition(): Map<number, string[]> {
    if (this.#partitions !== undefined) return this.#partitions;
    const partitions = this.#partitions = new Map<number, string[]>();
    for (const entry of this.#entries.values()) addKey(partitions, entry);
    return partitions;
  }
}

function addKey(partitions: Map<number, string[]>, { partition, key }: TableEntry): void {
  const keys = partitions.get(partition);
  if (keys === undefined) partitions.set(partition, [key]);
  else keys.push(key);
}

function memoryBytes(entry: TableEntry): number {
  return entry.bytes + ENTRY_MEMORY_BYTES;
}
