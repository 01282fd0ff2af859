import type { Applier } from "./applier.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import type { FoundDamage } from "./damage.ts";
import type { GroupCommit } from "./group_commit.ts";
import type { RecordTables } from "./record_tables.ts";
import type { Books } from "./write_change.ts";

/** Figures for the metrics page. */
export interface StorageStats {
  readonly journalBytes: number;
  readonly tableRecords: number;
  readonly tableBytes: number;
  readonly cacheBytes: number;
  /** Changes that wait for the disk. */
  readonly queued: number;
  readonly commits: number;
  readonly failedCommits: number;
  readonly appliedRecords: number;
  readonly failedApplies: number;
  readonly openUploads: number;
  readonly garbageBlobs: number;
  readonly damagedRecords: number;
  /** Records that were found damaged since the storage was opened. */
  readonly foundDamaged: number;
  /** Whether the disk had no room for what was last to be written. */
  readonly diskFull: boolean;
}

/** The figures of a storage, from what it is made of. */
export function statsOf(
  { store, tables, writer, applier, damage, books }: {
    readonly store: ClaimedStore;
    readonly tables: RecordTables;
    readonly writer: GroupCommit;
    readonly applier: Applier;
    readonly damage: FoundDamage;
    readonly books: Pick<Books, "uploads" | "garbage" | "damaged">;
  },
): StorageStats {
  return {
    journalBytes: tables.journalBytes,
    tableRecords: tables.size,
    tableBytes: tables.bytes,
    cacheBytes: tables.cacheBytes,
    queued: writer.queued,
    commits: writer.commits,
    failedCommits: writer.failures,
    appliedRecords: applier.applied,
    failedApplies: applier.failures,
    openUploads: books.uploads.size,
    garbageBlobs: books.garbage.size,
    damagedRecords: books.damaged.size,
    foundDamaged: damage.found,
    diskFull: store.full,
  };
}
