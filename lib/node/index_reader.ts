import { DhtError } from "../core/errors.ts";
import { isIntactEntry, packIndexEntry } from "../core/index_entry.ts";
import { compareKeys, keyBehindPrefix } from "../core/key_order.ts";
import type { PackedKey } from "../core/key_page.ts";
import type { RecordHead } from "../core/record.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import type { Place, Strictness } from "./damage.ts";
import { indexKey, isDamage, textOf } from "./entries.ts";
import type { MemoryTable, TableEntry } from "./memory_table.ts";
import type { RecordTables } from "./record_tables.ts";

/** A page of this node's own keys, by their byte order. */
export interface IndexPage {
  /** The bytes are those of `packIndexEntry`. */
  readonly entries: readonly PackedKey[];
  /** To be given as `after` for the next page; absent on the last. */
  readonly next?: string;
  /** Partitions of the keys left out because neither the index nor the record says what is held of them. */
  readonly damaged: readonly number[];
}

/** Which keys a page of the index is to have. */
export interface IndexQuery {
  readonly prefix: string;
  readonly after?: string;
  readonly limit: number;
  /** Tells the partition of a key whose entry is damaged: what that says of it may be wrong as well. */
  partitionOf(key: string): number;
}

/** Reads the records themselves, where the index is damaged. */
export interface HeadReader {
  heads(items: readonly Place[], options: Strictness): Promise<(RecordHead | undefined)[]>;
}

/** Keys in order, and the last one up to which they are all there are; `undefined` where that is the end. */
interface Known<T> {
  readonly entries: readonly T[];
  readonly upTo: string | undefined;
}

/**
 * Reads the ordered index of keys: one scan gives all that a listing shows, and no record is looked up.
 *
 * What the tables hold is laid over the page that was read, so that a listing waits for no apply.
 */
export class IndexReader {
  readonly #store: ClaimedStore;
  readonly #tables: RecordTables;
  readonly #records: HeadReader;

  constructor(store: ClaimedStore, tables: RecordTables, records: HeadReader) {
    this.#store = store;
    this.#tables = tables;
    this.#records = records;
  }

  /** @throws {DhtError} "corrupt_value" where an entry is damaged and there is no record to tell what it said. */
  async page(query: IndexQuery): Promise<IndexPage> {
    // Before anything is read, so that every entry is in one of the two at least.
    const tables = this.#tables.unappliedTables();
    const stored = await this.#stored(query);
    const changed = changedIn(tables, query, stored.upTo);
    const upTo = least([stored.upTo, changed.upTo]);
    const entries = laidOver(within(stored.entries, upTo), within(changed.entries, upTo));
    if (entries.length > query.limit) {
      const page = entries.slice(0, query.limit);
      return { ...await this.#checked(page, query), next: page.at(-1)!.key };
    }
    return { ...await this.#checked(entries, query), ...(upTo === undefined ? {} : { next: upTo }) };
  }

  async #stored({ prefix, after, limit }: IndexQuery): Promise<Known<PackedKey>> {
    const isWithin = after !== undefined && compareKeys(after, prefix) >= 0;
    const from = isWithin ? after : prefix;
    const behind = keyBehindPrefix(prefix);
    const range = {
      prefix: ["key"],
      ...(from === "" ? {} : { after: indexKey(from) }),
      ...(behind === undefined ? {} : { before: indexKey(behind) }),
    };
    // The key that is the prefix itself comes first, but a range begins behind its bound.
    const [own] = isWithin || prefix === "" ? [] : await this.#store.getMany([indexKey(prefix)]);
    const entries: PackedKey[] = own === undefined ? [] : [{ key: prefix, packed: own.value }];
    if (entries.length < limit) {
      for await (const { key, value } of this.#store.list(range, { limit: limit - entries.length })) {
        entries.push({ key: textOf(key[1]), packed: value });
      }
    }
    return { entries, upTo: entries.length === limit ? entries.at(-1)!.key : undefined };
  }

  /** Has the record say what a damaged entry said. */
  async #checked(
    entries: readonly PackedKey[],
    { partitionOf }: IndexQuery,
  ): Promise<Omit<IndexPage, "next">> {
    const bad = entries.filter(({ key, packed }) => !isIntactEntry(key, packed));
    if (bad.length === 0) return { entries, damaged: [] };
    const damaged: number[] = [];
    const known = new Map<string, Uint8Array>();
    for (const { key } of bad) {
      const partition = partitionOf(key);
      const head = await this.#headOf({ partition, key });
      if (head === "damaged") damaged.push(partition);
      else known.set(key, packIndexEntry(key, { partition, head }));
    }
    const isBad = new Set(bad);
    return {
      entries: entries.flatMap((entry) => {
        const packed = isBad.has(entry) ? known.get(entry.key) : entry.packed;
        return packed === undefined ? [] : { key: entry.key, packed };
      }),
      damaged,
    };
  }

  async #headOf(place: Place): Promise<RecordHead | "damaged"> {
    const [head] = await this.#strictHeads(place);
    if (head !== undefined) return head;
    // The key may not be the one that was written: then another one, of any partition, is missing here.
    throw new DhtError(
      "corrupt_value",
      `Cannot list keys: what this node's index says of key ${JSON.stringify(place.key)} is damaged`,
    );
  }

  async #strictHeads(place: Place): Promise<(RecordHead | "damaged" | undefined)[]> {
    try {
      return await this.#records.heads([place], { strict: true });
    } catch (error) {
      if (isDamage(error)) return ["damaged"];
      throw error;
    }
  }
}

/** The newest entries of the tables, among the first of each that belong on a page. */
function changedIn(
  tables: readonly MemoryTable[],
  { prefix, after, limit }: IndexQuery,
  upTo: string | undefined,
): Known<TableEntry> {
  const span = { from: prefix, after, upTo, before: keyBehindPrefix(prefix) };
  const parts = tables.map((table) => table.within(span, limit));
  const newest = new Map(parts.flat().map((entry) => [entry.key, entry]));
  return {
    entries: [...newest.values()].sort((a, b) => compareKeys(a.key, b.key)),
    upTo: least(parts.map((part) => part.length === limit ? part.at(-1)!.key : undefined)),
  };
}

function within<T extends { readonly key: string }>(
  entries: readonly T[],
  upTo: string | undefined,
): readonly T[] {
  if (upTo === undefined || entries.length === 0 || compareKeys(entries.at(-1)!.key, upTo) <= 0) {
    return entries;
  }
  return entries.filter(({ key }) => compareKeys(key, upTo) <= 0);
}

function laidOver(stored: readonly PackedKey[], changed: readonly TableEntry[]): readonly PackedKey[] {
  if (changed.length === 0) return stored;
  const entries: PackedKey[] = [];
  let at = 0;
  for (const entry of changed) {
    while (at < stored.length && compareKeys(stored[at]!.key, entry.key) < 0) entries.push(stored[at++]!);
    if (stored[at]?.key === entry.key) at++;
    const { key, partition, held } = entry;
    if (held !== undefined) {
      entries.push({ key, packed: packIndexEntry(key, { partition, head: held.head }) });
    }
  }
  return entries.concat(stored.slice(at));
}

function least(keys: readonly (string | undefined)[]): string | undefined {
  return keys.filter((key) => key !== undefined).sort(compareKeys)[0];
}
