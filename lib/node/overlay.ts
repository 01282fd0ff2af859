import { compareKeys } from "../core/key_order.ts";
import type { TableEntry } from "./memory_table.ts";

/**
 * Entries by key that are not in their places yet, to be laid over what is read from the store.
 *
 * Taken before that reading begins, so that an entry is in one of the two at least.
 */
export type Overlay = ReadonlyMap<string, TableEntry>;

/** Where all entries are in their places. */
export const NO_OVERLAY: Overlay = new Map();

/** A page by the byte order of keys. */
export interface Page<T extends { readonly key: string }> {
  readonly entries: T[];
  /** The last key of the page; absent on the last page. */
  readonly next?: string;
}

/**
 * A page of the store with the entries of an overlay that belong on it.
 *
 * @param make What a page has of an entry; `undefined` where the entry has no place on any page of this kind.
 */
export function laidOver<T extends { readonly key: string }>(
  page: Page<T>,
  overlay: Overlay,
  make: (entry: TableEntry) => T | undefined,
  { after, limit }: { readonly after?: string | undefined; readonly limit: number },
): Page<T> {
  if (overlay.size === 0) return page;
  const merged = new Map(page.entries.map((entry) => [entry.key, entry]));
  for (const [key, entry] of overlay) {
    if (after !== undefined && compareKeys(key, after) <= 0) continue;
    if (page.next !== undefined && compareKeys(key, page.next) > 0) continue;
    const made = make(entry);
    if (made === undefined) merged.delete(key);
    else merged.set(key, made);
  }
  const entries = [...merged.values()].sort((a, b) => compareKeys(a.key, b.key));
  if (entries.length > limit) return { entries: entries.slice(0, limit), next: entries[limit - 1]!.key };
  return page.next === undefined ? { entries } : { entries, next: page.next };
}

/** The beginning of a page up to the entry that makes `maxBytes` full. */
export function withinBytes<T extends { readonly key: string }>(
  page: Page<T>,
  maxBytes: number,
  bytesOf: (entry: T) => number,
): Page<T> {
  if (maxBytes === Infinity) return page;
  let bytes = 0;
  for (const [i, entry] of page.entries.entries()) {
    bytes += bytesOf(entry);
    if (bytes >= maxBytes && i < page.entries.length - 1) {
      return { entries: page.entries.slice(0, i + 1), next: entry.key };
    }
  }
  return page;
}
