/** Room on the disk that a node's database is on. */
export interface DiskRoom {
  /** Bytes that may still be used, and all the disk has. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** Looks at the disk; `undefined` where nobody can tell. Never rejects. */
export type LookAtDisk = () => Promise<DiskRoom | undefined>;
