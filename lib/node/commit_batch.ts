import type { Version } from "../core/hlc.ts";
import { type Mutation, STORE_LIMITS, type StoreKey, storeKeyBytes } from "../ports/store.ts";
import type { TableEntry } from "./memory_table.ts";

/** What a change adds to a commit, at most. Keys count as bytes, too. */
export interface CommitCost {
  readonly bytes: number;
  readonly keyBytes: number;
  readonly mutations: number;
}

// Kept back for the journal's own keys, one for each of its values: a record takes at most 38 KiB of the 64 KiB
// of one, so that a full commit has 30 of them.
const JOURNAL_RESERVE: CommitCost = { bytes: 2_000, keyBytes: 1_000, mutations: 40 };

/** The bounds of what changes can add to one commit. */
export const COMMIT_ROOM: CommitCost = {
  bytes: STORE_LIMITS.commitBytes - JOURNAL_RESERVE.bytes,
  keyBytes: STORE_LIMITS.commitKeyBytes - JOURNAL_RESERVE.keyBytes,
  mutations: STORE_LIMITS.mutations - JOURNAL_RESERVE.mutations,
};

/**
 * The changes of one commit, while they are decided one after another.
 *
 * Later changes see the earlier ones here; the rest of the node sees none of them until `committed`.
 */
export class CommitBatch {
  /** Newest entry of each key that this commit changes. */
  readonly entries = new Map<string, TableEntry>();
  /** Floors that this commit raises. */
  readonly floors = new Map<number, Version>();
  readonly mutations: Mutation[] = [];
  readonly #afterwards: (() => void)[] = [];
  readonly #undo: (() => void)[] = [];
  #bytes = 0;
  #keyBytes = 0;

  /** Whether a change of that cost still fits; an empty batch takes any. */
  fits(cost: CommitCost): boolean {
    const { bytes, keyBytes, mutations } = COMMIT_ROOM;
    return this.isEmpty ||
      this.#bytes + cost.bytes <= bytes && this.#keyBytes + cost.keyBytes <= keyBytes &&
        this.mutations.length + cost.mutations <= mutations;
  }

  get isEmpty(): boolean {
    return this.entries.size === 0 && this.mutations.length === 0;
  }

  /** Puts an entry into the journal; of two of one key the later counts. */
  journal(entry: TableEntry): void {
    this.#bytes += entry.bytes;
    this.entries.set(entry.key, entry);
  }

  set(key: StoreKey, value: Uint8Array): void {
    this.#count(key, value.length);
    this.mutations.push({ kind: "set", key, value });
  }

  delete(key: StoreKey): void {
    this.#count(key, 0);
    this.mutations.push({ kind: "delete", key });
  }

  /** Runs `change` once the commit is on the disk. */
  onCommitted(change: () => void): void {
    this.#afterwards.push(change);
  }

  /** Changes memory now, so that later changes of this batch see it, and takes it back if the commit fails. */
  apply(change: () => void, undo: () => void): void {
    change();
    this.#undo.push(undo);
  }

  committed(): void {
    for (const change of this.#afterwards) change();
  }

  failed(): void {
    for (const undo of this.#undo.reverse()) undo();
  }

  #count(key: StoreKey, valueBytes: number): void {
    const keyBytes = storeKeyBytes(key);
    this.#keyBytes += keyBytes;
    this.#bytes += keyBytes + valueBytes;
  }
}
