import { DhtError } from "../core/errors.ts";
import { compareKeys } from "../core/key_order.ts";
import { partitionOfEntry, unpackIndexEntry } from "../core/index_entry.ts";
import type { KeyPageCursor } from "../core/key_page.ts";
import { type LiveLayouts, type OwnerId, ownsInBase } from "../core/layout.ts";
import { compareHeads, type RecordHead } from "../core/record.ts";

/** A page of one owner's key index. */
export interface OwnerPage {
  readonly owner: OwnerId;
  /** Stands at the first key. */
  readonly cursor: KeyPageCursor;
  /** The last key of the page; absent on the last. */
  readonly next: string | undefined;
  /** Partitions of which it may have left out keys, as they are damaged. */
  readonly damaged: readonly number[];
}

/** The newest that is known of a key. */
export interface MergedKey {
  readonly key: string;
  readonly partition: number;
  readonly head: RecordHead;
  /** Owners that hold the key. */
  readonly holders: readonly OwnerId[];
  /**
   * Whether an owner that answered does not hold it: it has missed it, or the key has been deleted and that been
   * forgotten there, since another answered.
   */
  readonly isMissed: boolean;
}

/** The last key up to which all pages are known; `undefined` where all are known to their ends. */
export function horizonOf(pages: readonly OwnerPage[]): string | undefined {
  return pages.map(({ next }) => next).filter((next) => next !== undefined).sort(compareKeys)[0];
}

/**
 * The newest of every key in the pages, in order. Only owners of the base count: leftovers elsewhere, also at nodes
 * that are about to be owners, may be older than a forgotten deletion. What was acknowledged is on a quorum of the
 * base. To be read as far as the horizon.
 *
 * @throws {DhtError} "bad_message" where a page is malformed.
 */
export function* mergedKeys(
  live: LiveLayouts,
  partitions: number,
  pages: readonly OwnerPage[],
): Generator<MergedKey, void, void> {
  const answered = new Set<string>(pages.map(({ owner }) => owner));
  for (;;) {
    const holders = leastOf(pages);
    const [first] = holders;
    if (first === undefined) return;
    const partition = partitionOfEntry(first.cursor.packed);
    if (!(partition < partitions)) {
      throw new DhtError("bad_message", "Cannot list keys: a node answered with a partition there is not");
    }
    const owners = holders.filter(({ owner }) => ownsInBase(live, partition, owner));
    if (owners.length > 0) {
      yield {
        key: first.cursor.key,
        partition,
        head: newestOf(owners),
        holders: owners.map(({ owner }) => owner),
        isMissed: owners.length < countOf(live.base.owners(partition), answered),
      };
    }
    for (const { cursor } of holders) cursor.next();
  }
}

/** The pages that stand at the least key. */
function leastOf(pages: readonly OwnerPage[]): OwnerPage[] {
  let least: OwnerPage[] = [];
  for (const page of pages) {
    if (page.cursor.isDone) continue;
    const order = least.length === 0 ? -1 : page.cursor.compareKey(least[0]!.cursor);
    if (order < 0) least = [page];
    else if (order === 0) least.push(page);
  }
  return least;
}

function newestOf([first, ...others]: readonly OwnerPage[]): RecordHead {
  let { head } = unpackIndexEntry(first!.cursor.packed);
  for (const { cursor } of others) {
    if (cursor.hasSameEntry(first!.cursor)) continue;
    const other = unpackIndexEntry(cursor.packed).head;
    if (compareHeads(other, head) > 0) head = other;
  }
  return head;
}

function countOf(owners: readonly OwnerId[], answered: ReadonlySet<string>): number {
  let count = 0;
  for (const owner of owners) if (answered.has(owner)) count++;
  return count;
}
