import { STORE_LIMITS } from "../ports/store.ts";
import { bytesOf, countOf, decodeEntry, decodeRecordEntry, encodeEntry, textOf } from "./entries.ts";
import { encodedEntry, heldOf, removalEntry, type TableEntry } from "./memory_table.ts";

// Room for the array's header and its format.
const VALUE_HEADER_BYTES = 16;
const FIELDS_PER_ENTRY = 3;

/**
 * Journal values that hold these entries: each `[format, partition, key, record | null, ...]`, where null is a
 * removal, and no longer than the store takes.
 */
export function encodeJournal(entries: Iterable<TableEntry>): Uint8Array[] {
  const values: Uint8Array[] = [];
  let fields: unknown[] = [];
  let bytes = VALUE_HEADER_BYTES;
  for (const entry of entries) {
    if (bytes + entry.bytes > STORE_LIMITS.valueBytes) {
      values.push(encodeEntry(fields));
      fields = [];
      bytes = VALUE_HEADER_BYTES;
    }
    fields.push(entry.partition, entry.key, entry.encoded ?? null);
    bytes += entry.bytes;
  }
  if (fields.length > 0) values.push(encodeEntry(fields));
  return values;
}

/**
 * The entries of a journal value. Replaying values again is harmless as long as none is left out at the end.
 *
 * @throws {DhtError} "corrupt_value" where it is damaged.
 */
export function decodeJournal(value: Uint8Array): TableEntry[] {
  const fields = decodeEntry(value);
  const entries: TableEntry[] = [];
  for (let i = 0; i < fields.length; i += FIELDS_PER_ENTRY) {
    entries.push(decodeOne(countOf(fields[i]), textOf(fields[i + 1]), fields[i + 2]));
  }
  return entries;
}

function decodeOne(partition: number, key: string, record: unknown): TableEntry {
  if (record === null) return removalEntry(partition, key);
  const encoded = bytesOf(record);
  return encodedEntry(partition, key, heldOf(decodeRecordEntry(encoded)), encoded);
}
