import { STORE_LIMITS } from "../ports/store.ts";
import { bytesOf, countOf, decodeEntry, ENTRY_FORMAT, textOf } from "./entries.ts";
import { encodedEntry, heldOf, removalEntry, type TableEntry } from "./memory_table.ts";
import { PackWriter } from "./pack_writer.ts";
import { decodeRecordEntry } from "./record_entry.ts";

// Room for the array's header and its format.
const VALUE_HEADER_BYTES = 16;
const FIELDS_PER_ENTRY = 3;

const writer = new PackWriter();

/**
 * Journal values that hold these entries: each `[format, partition, key, record | null, ...]`, where null is a
 * removal, and no longer than the store takes.
 */
export function encodeJournal(entries: readonly TableEntry[]): Uint8Array[] {
  const values: Uint8Array[] = [];
  for (let start = 0; start < entries.length;) {
    const end = endOfValue(entries, start);
    writer.start().list(1 + FIELDS_PER_ENTRY * (end - start)).count(ENTRY_FORMAT);
    for (; start < end; start++) {
      const { partition, key, encoded } = entries[start]!;
      writer.count(partition).text(key);
      if (encoded === undefined) writer.none();
      else writer.bytes(encoded);
    }
    values.push(writer.taken());
  }
  return values;
}

function endOfValue(entries: readonly TableEntry[], start: number): number {
  let bytes = VALUE_HEADER_BYTES + entries[start]!.bytes;
  let end = start + 1;
  while (end < entries.length && bytes + entries[end]!.bytes <= STORE_LIMITS.valueBytes) {
    bytes += entries[end++]!.bytes;
  }
  return end;
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
