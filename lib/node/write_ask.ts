import { DhtError } from "../core/errors.ts";
import type { StoredRecord } from "../core/record.ts";
import type { Ask } from "../wire.ts";
import type { Place } from "./coordinator.ts";
import { copyOfEntry, decodeRecordEntry, encodeRecordEntry } from "./record_entry.ts";

/** What an owner is asked that shall store a record: encoded once, for all owners and their disks. */
export function writeAsk(place: Place, record: StoredRecord, mode: Ask<"write">["mode"]): Ask<"write"> {
  return { partition: place.partition, key: place.key, entry: encodeRecordEntry(record), mode, record };
}

/** A record to be stored, and the entry that stores it, whose bytes nobody else holds. */
export interface ReceivedRecord {
  readonly record: StoredRecord;
  readonly encoded: Uint8Array;
}

/** The record that a node is asked to store. @throws {DhtError} "bad_message" where it is none. */
export function receivedRecord({ entry, record }: Ask<"write">): ReceivedRecord {
  if (record !== undefined) return { record, encoded: entry };
  // A view of its message would hold on to all of that.
  const encoded = copyOfEntry(entry);
  try {
    return { record: decodeRecordEntry(encoded), encoded };
  } catch (cause) {
    throw new DhtError("bad_message", "Cannot read message: expected the entry of a record", {}, { cause });
  }
}
