import { DhtError } from "../core/errors.ts";
import { compareOptionalVersions, compareVersions, type Version } from "../core/hlc.ts";
import { chunkCount, compareHeads, type RecordHead, type StoredRecord } from "../core/record.ts";
import { assertRecord } from "../core/record_codec.ts";
import type { CommitBatch, CommitCost } from "./commit_batch.ts";
import type { Floors, PullTicket } from "./floors.ts";
import type { GarbageBlobs } from "./garbage.ts";
import type { Change, Grounds } from "./group_commit.ts";
import { type Held, removalEntry, tableEntry } from "./memory_table.ts";
import type { Uploads } from "./uploads.ts";

/** A record to be stored. */
export interface WriteRequest {
  readonly partition: number;
  readonly key: string;
  readonly record: StoredRecord;
  /** The record's entry, where it is encoded already; the storage keeps it. */
  readonly encoded?: Uint8Array;
  /**
   * "client": of a client's request, which must be greater than all this node
   * has acknowledged; "merge": of another owner, of whose records the greater wins.
   */
  readonly mode: "client" | "merge";
  /**
   * Of a merge: given out before an owner that holds its share of the partition answered with the record. Without it
   * a value up to the partition's floor is not stored, as it may have been deleted; nor with one that has ended.
   */
  readonly pulled?: PullTicket;
  /**
   * Of a merge: this is what takes the place of a record that is damaged, as `Mender` has found out from enough
   * others. Without it nothing but a version above the damaged one's, where that is known, is stored beside it.
   */
  readonly mends?: boolean;
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
   * Something greater is known: "stale": of this key, and it is held; "collected": only the floor of its partition,
   * which may be of another key, or, to a client's write, what a damaged copy was, which may be given up. `held` is
   * the greatest known.
   */
  | { readonly kind: "stale" | "collected"; readonly held: Version; readonly hadValue: boolean };

/** A tombstone, by its key. */
export interface TombstoneName {
  readonly key: string;
  readonly version: Version;
  readonly expired: boolean;
}

/** What decisions about records are made with. Replaced when the database has to be read anew. */
export interface Books {
  readonly uploads: Uploads;
  readonly garbage: GarbageBlobs;
  readonly floors: Floors;
  /** Keys, with their partitions, whose records were found to be damaged, until another copy has replaced them. */
  readonly damaged: Map<string, number>;
}

// At most a session or a garbage entry that goes, and a garbage entry that comes.
const BLOB_COST: CommitCost = { bytes: 250, keyBytes: 200, mutations: 2 };
const FLOOR_COST: CommitCost = { bytes: 1_000, keyBytes: 20, mutations: 1 };

/** The change that stores a record if it wins. */
export function writeChange(request: WriteRequest, books: () => Books): Change<WriteOutcome> {
  const { partition, key, record } = request;
  // What is stored must be readable later: the same bounds hold.
  assertRecord(record);
  const entry = tableEntry(partition, key, record, request.encoded);
  const own = entry.held!;
  return {
    cost: {
      bytes: BLOB_COST.bytes + entry.bytes,
      keyBytes: BLOB_COST.keyBytes,
      mutations: BLOB_COST.mutations,
    },
    record: request,
    decide(batch, grounds) {
      const { uploads, garbage, floors, damaged } = books();
      const { held, wasExpiring } = grounds.known;
      const isDamaged = isStillDamaged(batch, key, grounds, damaged);
      const isMended = request.mends === true && isDamaged;
      const hadValue = held?.head.kind === "value";
      if (grounds.damaged && !isMended) throw damagedRecord();
      const floor = floors.within(batch, partition);
      const isPulled = request.pulled !== undefined && floors.isValid(request.pulled);
      const verdict = request.mode === "client"
        ? judgeWrite(own.head, grounds, { mends: isDamaged, floor })
        : judgeMerge(own.head, isMended ? undefined : held, {
          mends: isDamaged,
          floor: isPulled ? undefined : floor,
        });
      if (verdict !== "stored") {
        if (verdict === "duplicate") return { kind: verdict, hadValue };
        const isKept = request.mode === "merge" || !isDamaged;
        const outdone = isKept && held !== undefined && compareHeads(held.head, own.head) > 0;
        return { kind: outdone ? "stale" : "collected", held: verdict, hadValue };
      }
      const valueBytes = own.head.valueBytes;
      if (
        own.blobId !== undefined && !keepsBlob(own, held) && !garbage.revive(batch, own.blobId, valueBytes)
      ) {
        uploads.complete(batch, own.blobId, valueBytes);
      }
      if (own.blobId !== held?.blobId) giveUpBlob(batch, held, garbage);
      entry.wasExpiring = wasExpiring || grounds.damaged;
      batch.journal(entry);
      return { kind: "stored", hadValue };
    },
  };
}

/**
 * The change that removes a record that is damaged still: no other owner holds any of its key. A pull ticket that has
 * ended removes nothing. Answers whether it was removed.
 */
export function forgetChange(
  { partition, key }: { readonly partition: number; readonly key: string },
  ticket: PullTicket,
  books: () => Books,
): Change<boolean> {
  const entry = removalEntry(partition, key);
  return {
    cost: { ...BLOB_COST, bytes: BLOB_COST.bytes + entry.bytes },
    record: { partition, key },
    decide(batch, grounds) {
      const { floors, garbage, damaged } = books();
      const { held } = grounds.known;
      if (!floors.isValid(ticket) || !isStillDamaged(batch, key, grounds, damaged)) return false;
      giveUpBlob(batch, held, garbage);
      batch.journal(entry);
      return true;
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
      const { garbage } = books();
      if (held === undefined || compareVersions(held.head.version, version) !== 0) return false;
      giveUpBlob(batch, held, garbage);
      batch.journal({ ...entry, wasExpiring: wasExpiring || held.head.expiresMs !== undefined });
      return true;
    },
  };
}

/**
 * The change that collects a tombstone which every owner has confirmed: the floor takes its place, and that of all
 * it has deleted. Answers whether a record was removed.
 *
 * A damaged record stays: it may have been a greater one, and votes for nothing.
 */
export function collectChange(
  partition: number,
  tombstone: TombstoneName,
  books: () => Books,
): Change<boolean> {
  const { key, version } = tombstone;
  const head = { version, kind: tombstone.expired ? "expired" : "tombstone" } as const;
  const entry = removalEntry(partition, key);
  return {
    cost: addCosts({ ...BLOB_COST, bytes: BLOB_COST.bytes + entry.bytes }, FLOOR_COST),
    record: { partition, key },
    decide(batch, { known: { held, wasExpiring }, damaged: isDamaged }) {
      const { floors, garbage } = books();
      floors.endPulls(partition);
      if (isDamaged || (held !== undefined && compareHeads(held.head, head) > 0)) return false;
      floors.raise(batch, partition, version);
      if (held === undefined) return false;
      giveUpBlob(batch, held, garbage);
      batch.journal({ ...entry, wasExpiring: wasExpiring || held.head.expiresMs !== undefined });
      return true;
    },
  };
}

/**
 * Whether what is held of a key is damaged. What an earlier change of the same commit has put in its place is not,
 * though it is noted to be until the commit is in.
 */
function isStillDamaged(
  batch: CommitBatch,
  key: string,
  grounds: Grounds,
  noted: Books["damaged"],
): boolean {
  return grounds.damaged || (noted.has(key) && !batch.entries.has(key));
}

/** The change that raises a partition's floor, unless it is as high already. */
export function floorChange(partition: number, version: Version, books: () => Books): Change<void> {
  return { cost: FLOOR_COST, decide: (batch) => books().floors.raise(batch, partition, version) };
}

function addCosts(a: CommitCost, b: CommitCost): CommitCost {
  return {
    bytes: a.bytes + b.bytes,
    keyBytes: a.keyBytes + b.keyBytes,
    mutations: a.mutations + b.mutations,
  };
}

type Verdict = "stored" | "duplicate" | Version;

function judgeWrite(
  own: RecordHead,
  { known: { held } }: Grounds,
  { mends, floor }: { readonly mends: boolean; readonly floor: Version | undefined },
): Verdict {
  const heldVersion = held?.head.version;
  if (heldVersion !== undefined && compareVersions(own.version, heldVersion) === 0) {
    // The same bytes in chunks would be the same damaged chunks.
    if (mends && own.chunked) throw damagedRecord();
    return mends ? "stored" : "duplicate";
  }
  const above = compareOptionalVersions(heldVersion, floor) >= 0 ? heldVersion : floor;
  return above === undefined || compareVersions(own.version, above) > 0 ? "stored" : above;
}

function judgeMerge(
  own: RecordHead,
  held: Held | undefined,
  { mends, floor }: { readonly mends: boolean; readonly floor: Version | undefined },
): Verdict {
  const order = held === undefined ? 1 : compareHeads(own, held.head);
  if (order < 0) return held!.head.version;
  if (order === 0) return mends ? "stored" : "duplicate";
  // A deletion revives nothing, whenever it comes; and refused it would count for stored where it is not.
  if (own.kind !== "value" || floor === undefined) return "stored";
  return compareVersions(own.version, floor) > 0 ? "stored" : floor;
}

// What is damaged may have been acknowledged at a greater version, or deleted: the other owners know.
function damagedRecord(): DhtError {
  return new DhtError("corrupt_value", "Cannot compare the write: the record held is damaged");
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
