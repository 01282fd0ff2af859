import { DhtError } from "../core/errors.ts";
import { compareOptionalVersions, compareVersions, type Version } from "../core/hlc.ts";
import { chunkCount, compareHeads, type RecordHead, type StoredRecord } from "../core/record.ts";
import { decodeRecord, encodeRecord } from "../core/record_codec.ts";
import type { CommitBatch, CommitCost } from "./commit_batch.ts";
import type { GarbageBlobs } from "./garbage.ts";
import type { Change, Grounds } from "./group_commit.ts";
import { type Held, removalEntry, tableEntry } from "./memory_table.ts";
import type { Uploads } from "./uploads.ts";

/** A record to be stored. */
export interface WriteRequest {
  readonly partition: number;
  readonly key: string;
  readonly record: StoredRecord;
  /**
   * "client": of a client's request, which must be greater than all this node
   * has acknowledged; "merge": of another owner, of whose records the greater wins.
   */
  readonly mode: "client" | "merge";
}

/** What became of a write. */
export type WriteOutcome =
  /** "stored": it is the newest now; "duplicate": it was here before, which counts as accepted. */
  | {
    readonly kind: "stored" | "duplicate";
    /** Whether the key had a value (not a deletion) before. */
    readonly hadValue: boolean;
  }
  /**
   * Something greater is known: "stale": of this key; "collected": only the floor of its partition, which may be of
   * another key. `held` is the greatest known.
   */
  | { readonly kind: "stale" | "collected"; readonly held: Version; readonly hadValue: boolean };

/** What decisions about records are made with. Replaced when the database has to be read anew. */
export interface Books {
  readonly uploads: Uploads;
  readonly garbage: GarbageBlobs;
  readonly floors: Map<number, Version>;
  /** Keys whose bytes were found to be damaged: an equal record from elsewhere may replace them. */
  readonly damaged: Set<string>;
}

// At most a session or a garbage entry that goes, and a garbage entry that comes.
const BLOB_COST: CommitCost = { bytes: 250, keyBytes: 200, mutations: 2 };

/** The change that stores a record if it wins. */
export function writeChange(request: WriteRequest, books: () => Books): Change<WriteOutcome> {
  const { partition, key, record } = request;
  // What is stored must be readable later: the same bounds hold.
  decodeRecord(encodeRecord(record));
  const entry = tableEntry(partition, key, record);
  const own = entry.held!;
  return {
    cost: { ...BLOB_COST, bytes: BLOB_COST.bytes + entry.bytes },
    record: request,
    decide(batch, grounds) {
      const { uploads, garbage, floors, damaged } = books();
      const { held, unindexed, wasExpiring } = grounds.known;
      const hadValue = held?.head.kind === "value";
      const verdict = request.mode === "merge"
        ? judgeMerge(own.head, held, damaged.has(key))
        : judgeWrite(own.head, grounds, batch.floors.get(partition) ?? floors.get(partition));
      if (verdict !== "stored") {
        if (verdict === "duplicate") return { kind: verdict, hadValue };
        const outdone = held !== undefined && compareHeads(held.head, own.head) > 0;
        return { kind: outdone ? "stale" : "collected", held: verdict, hadValue };
      }
      const valueBytes = own.head.valueBytes;
      if (
        own.blobId !== undefined && !keepsBlob(own, held) && !garbage.revive(batch, own.blobId, valueBytes)
      ) {
        uploads.complete(batch, own.blobId, valueBytes);
      }
      if (own.blobId !== held?.blobId) giveUpBlob(batch, held, garbage);
      batch.journal({ ...entry, unindexed: unindexed || held === undefined, wasExpiring });
      batch.onCommitted(() => damaged.delete(key));
      return { kind: "stored", hadValue };
    },
  };
}

/** The change that removes a record, if it still has that version. */
export function dropChange(
  { partition, key, version }: {
    readonly partition: number;
    readonly key: string;
    readonly version: Version;
  },
  books: () => Books,
): Change<boolean> {
  const entry = removalEntry(partition, key);
  return {
    cost: { ...BLOB_COST, bytes: BLOB_COST.bytes + entry.bytes },
    record: { partition, key },
    decide(batch, { known: { held, wasExpiring } }) {
      const { garbage, damaged } = books();
      if (held === undefined || compareVersions(held.head.version, version) !== 0) return false;
      giveUpBlob(batch, held, garbage);
      batch.journal({ ...entry, wasExpiring: wasExpiring || held.head.expiresMs !== undefined });
      batch.onCommitted(() => damaged.delete(key));
      return true;
    },
  };
}

type Verdict = "stored" | "duplicate" | Version;

function judgeWrite(
  own: RecordHead,
  { known: { held }, damaged }: Grounds,
  floor: Version | undefined,
): Verdict {
  // What is damaged may have been acknowledged at a greater version: the other owners know.
  if (damaged) throw new DhtError("corrupt_value", "Cannot compare the write: the record held is damaged");
  const heldVersion = held?.head.version;
  if (heldVersion !== undefined && compareVersions(own.version, heldVersion) === 0) return "duplicate";
  const above = compareOptionalVersions(heldVersion, floor) >= 0 ? heldVersion : floor;
  return above === undefined || compareVersions(own.version, above) > 0 ? "stored" : above;
}

function judgeMerge(own: RecordHead, held: Held | undefined, replacesEqual: boolean): Verdict {
  if (held === undefined) return "stored";
  const order = compareHeads(own, held.head);
  if (order === 0) return replacesEqual ? "stored" : "duplicate";
  return order > 0 ? "stored" : held.head.version;
}

/** Whether the key has this blob already: a write that was stored before another owner had it stamped anew. */
function keepsBlob(own: Held, held: Held | undefined): boolean {
  return held?.blobId === own.blobId && held?.head.valueBytes === own.head.valueBytes;
}

function giveUpBlob(batch: CommitBatch, held: Held | undefined, garbage: GarbageBlobs): void {
  if (held?.blobId === undefined) return;
  const { valueBytes } = held.head;
  garbage.addValue(batch, held.blobId, { chunks: chunkCount(valueBytes), valueBytes });
}
