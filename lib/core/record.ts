import { compareVersions, type Version } from "./hlc.ts";

/** Values up to this many bytes live inside their record; longer ones in chunks beside it. */
export const INLINE_MAX_BYTES = 32 * 1024;

/** Bytes of a value in one chunk; every chunk but the last is full. Deno KV takes 65,536. */
export const CHUNK_BYTES = 60 * 1024;

/** A value as one owner holds it. */
export interface ValueRecord {
  readonly kind: "value";
  readonly version: Version;
  readonly valueBytes: number;
  readonly contentType: string;
  /** SHA-256 of the value. */
  readonly sha256: Uint8Array;
  /**
   * Where the bytes are. A blob's id is local to the node that holds it: it
   * is chosen by whoever writes the chunks there, and never shared by two uploads.
   */
  readonly body:
    | { readonly kind: "inline"; readonly bytes: Uint8Array }
    | { readonly kind: "blob"; readonly id: string };
  /** Milliseconds since 1970 after which the value is no more; absent: it stays. */
  readonly expiresMs?: number;
}

/** A deletion. It has a version as a value has, so that no older value comes back. */
export interface Tombstone {
  readonly kind: "tombstone";
  readonly version: Version;
  /**
   * Whether it ends a value that expired. It then has that value's own version
   * and beats only that value.
   */
  readonly expired: boolean;
}

/** What a node stores for a key: the newest it has accepted. */
export type StoredRecord = ValueRecord | Tombstone;

/** What a record is without its bytes: enough to compare, list and account for it. */
export interface RecordHead {
  readonly version: Version;
  readonly kind: "value" | "expired" | "tombstone";
  readonly valueBytes: number;
  readonly contentType: string;
  /** Whether the bytes are in chunks and must be fetched one by one. */
  readonly chunked: boolean;
  /** Milliseconds since 1970 after which the value is no more; `undefined`: it stays. */
  readonly expiresMs: number | undefined;
}

/** The head of a record. */
export function headOf(record: StoredRecord): RecordHead {
  if (record.kind === "tombstone") {
    return {
      version: record.version,
      kind: record.expired ? "expired" : "tombstone",
      valueBytes: 0,
      contentType: "",
      chunked: false,
      expiresMs: undefined,
    };
  }
  return {
    version: record.version,
    kind: "value",
    valueBytes: record.valueBytes,
    contentType: record.contentType,
    chunked: record.body.kind === "blob",
    expiresMs: record.expiresMs,
  };
}

/**
 * Order of what two owners hold for one key: the greater wins, always.
 *
 * At equal versions they are the same write, except that the expiry of a value
 * beats the value.
 */
export function compareHeads(
  a: Pick<RecordHead, "version" | "kind">,
  b: Pick<RecordHead, "version" | "kind">,
): number {
  return compareVersions(a.version, b.version) || Number(a.kind === "expired") - Number(b.kind === "expired");
}

/** Whether a record wins over what is held, if anything is. */
export function isNewer(head: RecordHead, than: RecordHead | undefined): boolean {
  return than === undefined || compareHeads(head, than) > 0;
}

/** Number of chunks of a value that long. */
export function chunkCount(valueBytes: number): number {
  return Math.ceil(valueBytes / CHUNK_BYTES);
}
