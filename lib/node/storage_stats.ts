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
