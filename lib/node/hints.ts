import type { OwnerId } from "../core/layout.ts";
import { storeKeyBytes } from "../ports/store.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import { countOf, decodeEntry, encodeEntry, hintKey, isDamage, textOf } from "./entries.ts";
import type { Change } from "./group_commit.ts";

/** Bounds of the hints a node keeps; past them an owner gets what it missed by comparison alone. */
export const HINT_LIMITS = {
  /** For one owner. */
  targetPlaces: 500_000,
  targetBytes: 32 * 1024 * 1024,
  /** For all of them. */
  places: 1_000_000,
  bytes: 64 * 1024 * 1024,
  /** Not on the disk yet, for one owner: what comes while the disk hangs. */
  unwrittenBatches: 40,
} as const;

/** What fits into one entry of the database. */
const BATCH_PLACES = 500;
const BATCH_BYTES = 40 * 1024;
/** What an entry takes beside its places, and a place beside its key. */
const ENTRY_BYTES = 150;
const PLACE_BYTES = 6;
/** Keys remembered so that one that is written again and again makes one hint. */
const RECENT_KEYS = 20_000;
const RECENT_BYTES = 1024 * 1024;

/** A key of which an owner missed a write. What it missed is whatever the keeper holds of it when it is delivered. */
export interface HintedPlace {
  readonly partition: number;
  readonly key: string;
}

/** Hints of one entry, to be delivered. */
export interface HintPage {
  readonly target: OwnerId;
  readonly places: readonly HintedPlace[];
  readonly batch: Batch;
}

/** Hints that share an entry. */
interface Batch {
  /** Of its entry, once that was written for the first time. */
  seq: number | undefined;
  /** In memory until they are on the disk and no more are added. */
  places: Map<string, number> | undefined;
  count: number;
  bytes: number;
  dirty: boolean;
  sealed: boolean;
}

interface TargetHints {
  /** Oldest first; only the last may be open. */
  batches: Batch[];
  recent: Set<string>;
  recentBytes: number;
}

/**
 * Pointers to records that some owner missed, in the database of a node that holds them.
 *
 * They are gathered in memory and written behind, many to an entry: what a crash loses of them the comparison
 * of owners finds. Nothing is read at the start; the entries of earlier runs are found when hints are first used.
 */
export class Hints {
  readonly #store: Pick<ClaimedStore, "list" | "getMany">;
  readonly #submit: (change: Change<void>) => Promise<void>;
  readonly #targets = new Map<OwnerId, TargetHints>();
  /** Entries without hints that are still on the disk, by number: at most as many as there were hints. */
  readonly #unerased = new Map<number, OwnerId>();
  #loading: Promise<void> | undefined;
  #nextSeq = 0;
  #places = 0;
  #bytes = 0;
  #dropped = 0;

  constructor(
    store: Pick<ClaimedStore, "list" | "getMany">,
    submit: (change: Change<void>) => Promise<void>,
  ) {
    this.#store = store;
    this.#submit = submit;
  }

  /** Hints kept now, and those that were given up since the start, the comparison being left to find them. */
  get counts(): { readonly kept: number; readonly dropped: number } {
    return { kept: this.#places, dropped: this.#dropped };
  }

  /** Owners there are hints for. */
  async targets(): Promise<OwnerId[]> {
    await this.#load();
    return [...this.#targets.keys()];
  }

  /** Remembers that `target` missed a write; false where there is no room for it. */
  add(target: OwnerId, { partition, key }: HintedPlace): boolean {
    const hints = this.#of(target);
    if (hints.recent.has(key)) return true;
    const last = hints.batches.at(-1);
    const bytes = PLACE_BYTES + storeKeyBytes([key]);
    if (!this.#hasRoom(hints, last, bytes)) {
      this.#dropped++;
      return false;
    }
    const batch = last !== undefined && isOpen(last, bytes) ? last : this.#begin(hints);
    remember(hints, key);
    if (batch.places!.has(key)) return true;
    batch.places!.set(key, partition);
    batch.dirty = true;
    this.#count(batch, 1, bytes);
    return true;
  }

  /** Brings what was gathered to the disk. What the disk does not take is given up. */
  async flush(): Promise<void> {
    await this.#load();
    const writing: Promise<void>[] = [];
    for (const [target, hints] of this.#targets) {
      for (const batch of hints.batches) {
        if (batch.dirty) writing.push(this.#write(target, batch));
      }
    }
    await Promise.all(writing);
  }

  /** The oldest hints for an owner. What it misses from now on is a hint of its own, also of the same keys. */
  async first(target: OwnerId): Promise<HintPage | undefined> {
    await this.#load();
    for (;;) {
      const hints = this.#targets.get(target);
      const batch = hints?.batches[0];
      if (hints === undefined || batch === undefined) return undefined;
      batch.sealed = true;
      forgetRecent(hints);
      const places = batch.places === undefined ? await this.#read(target, batch) : placesOf(batch.places);
      if (places.length > 0) return { target, places, batch };
      await this.remove({ target, places, batch });
    }
  }

  /** Entries of hints for an owner. */
  pages(target: OwnerId): number {
    return this.#targets.get(target)?.batches.length ?? 0;
  }

  /** Forgets hints that were delivered. */
  async remove({ target, batch }: HintPage): Promise<void> {
    this.#forget(target, batch);
    const { seq } = batch;
    if (seq !== undefined) await this.#erase(target, seq);
  }

  /** Erases entries that the disk would not let go before. */
  async sweep(): Promise<void> {
    const left = [...this.#unerased];
    this.#unerased.clear();
    await Promise.all(left.map(([seq, target]) => this.#erase(target, seq)));
  }

  /** Gives up all hints for an owner. */
  async drop(target: OwnerId): Promise<void> {
    await this.#load();
    const batches = [...this.#targets.get(target)?.batches ?? []];
    this.#dropped += batches.reduce((sum, { count }) => sum + count, 0);
    await Promise.all(batches.map((batch) => this.remove({ target, places: [], batch })));
    if (batches.length === 0) this.#targets.delete(target);
  }

  async #erase(target: OwnerId, seq: number): Promise<void> {
    const key = hintKey(target, seq);
    const keyBytes = storeKeyBytes(key);
    const cost = { bytes: keyBytes, keyBytes, mutations: 1 };
    // As long as it stays it may be delivered once more after a start, which does no harm.
    await this.#submit({ cost, decide: (commit) => commit.delete(key) })
      .catch(() => this.#unerased.set(seq, target));
  }

  #of(target: OwnerId): TargetHints {
    let hints = this.#targets.get(target);
    if (hints === undefined) {
      this.#targets.set(target, hints = { batches: [], recent: new Set(), recentBytes: 0 });
    }
    return hints;
  }

  #hasRoom({ batches }: TargetHints, last: Batch | undefined, bytes: number): boolean {
    if (this.#places >= HINT_LIMITS.places || this.#bytes + bytes > HINT_LIMITS.bytes) return false;
    if (last !== undefined && isOpen(last, bytes)) return true;
    const sums = { places: BATCH_PLACES, bytes: BATCH_BYTES, unwritten: 1 };
    for (const batch of batches) {
      sums.places += batch.count;
      sums.bytes += batch.bytes;
      sums.unwritten += Number(batch.dirty);
    }
    return sums.places <= HINT_LIMITS.targetPlaces && sums.bytes <= HINT_LIMITS.targetBytes &&
      sums.unwritten <= HINT_LIMITS.unwrittenBatches;
  }

  #begin(hints: TargetHints): Batch {
    const batch = { seq: undefined, places: new Map(), count: 0, bytes: 0, dirty: false, sealed: false };
    hints.batches.push(batch);
    this.#count(batch, 0, ENTRY_BYTES);
    return batch;
  }

  #count(batch: Batch, places: number, bytes: number): void {
    batch.count += places;
    batch.bytes += bytes;
    this.#places += places;
    this.#bytes += bytes;
  }

  #forget(target: OwnerId, batch: Batch): void {
    const hints = this.#targets.get(target);
    const at = hints?.batches.indexOf(batch) ?? -1;
    if (hints === undefined || at < 0) return;
    hints.batches.splice(at, 1);
    this.#places -= batch.count;
    this.#bytes -= batch.bytes;
    if (hints.batches.length === 0) this.#targets.delete(target);
  }

  async #write(target: OwnerId, batch: Batch): Promise<void> {
    const key = hintKey(target, batch.seq ??= this.#nextSeq++);
    const value = encodeEntry([[...batch.places!].flat()]);
    const keyBytes = storeKeyBytes(key);
    const cost = { bytes: keyBytes + value.length, keyBytes, mutations: 1 };
    batch.dirty = false;
    try {
      await this.#submit({ cost, decide: (commit) => commit.set(key, value) });
      if (!batch.dirty && !isOpen(batch, 0)) batch.places = undefined;
    } catch {
      this.#dropped += batch.count;
      forgetRecent(this.#of(target));
      // An earlier state of it may be there.
      await this.remove({ target, places: [], batch });
    }
  }

  async #read(target: OwnerId, { seq }: Batch): Promise<HintedPlace[]> {
    const [entry] = await this.#store.getMany([hintKey(target, seq!)]);
    return entry === undefined ? [] : decodePlaces(entry.value);
  }

  #load(): Promise<void> {
    return this.#loading ??= this.#loadOnce().catch((error) => {
      this.#loading = undefined;
      throw error;
    });
  }

  /** Finds the entries of earlier runs: nothing is written before that, so that all there are are those. */
  async #loadOnce(): Promise<void> {
    const found = new Map<OwnerId, Batch[]>();
    let nextSeq = 0;
    for await (const { key, value } of this.#store.list({ prefix: ["hint"] })) {
      const target = textOf(key[1]);
      const seq = countOf(key[2]);
      const count = decodePlaces(value).length;
      const bytes = ENTRY_BYTES + value.length;
      const batch = { seq, places: undefined, count, bytes, dirty: false, sealed: true };
      found.set(target, [...found.get(target) ?? [], batch]);
      nextSeq = Math.max(nextSeq, seq + 1);
    }
    this.#nextSeq = nextSeq;
    for (const [target, batches] of found) {
      this.#of(target).batches.unshift(...batches);
      for (const { count, bytes } of batches) {
        this.#places += count;
        this.#bytes += bytes;
      }
    }
  }
}

function isOpen({ places, sealed, count, bytes }: Batch, more: number): boolean {
  return places !== undefined && !sealed && count < BATCH_PLACES && bytes + more <= BATCH_BYTES;
}

function remember(hints: TargetHints, key: string): void {
  if (hints.recent.size >= RECENT_KEYS || hints.recentBytes >= RECENT_BYTES) {
    forgetRecent(hints);
  }
  hints.recent.add(key);
  hints.recentBytes += key.length;
}

function forgetRecent(hints: TargetHints): void {
  hints.recent.clear();
  hints.recentBytes = 0;
}

function placesOf(places: ReadonlyMap<string, number>): HintedPlace[] {
  return [...places].map(([key, partition]) => ({ partition, key }));
}

/** The places of an entry; none where it is damaged, as nothing is lost with it. */
function decodePlaces(value: Uint8Array): HintedPlace[] {
  try {
    const [fields] = decodeEntry(value);
    const flat = Array.isArray(fields) ? fields : [];
    return flat.flatMap((field, i) =>
      i % 2 === 0 ? [{ key: textOf(field), partition: countOf(flat[i + 1]) }] : []
    );
  } catch (error) {
    if (isDamage(error)) return [];
    throw error;
  }
}
