import { STORE_LIMITS } from "../ports/store.ts";
import { bytesOf, countOf, damagedEntry, ENTRY_FORMAT, textOf, unknownFormat } from "./entries.ts";
import { encodedEntry, heldOf, removalEntry, type TableEntry } from "./memory_table.ts";
import { PackReader } from "./pack_reader.ts";
import { PackWriter } from "./pack_writer.ts";
import { copyOfEntry, decodeRecordEntry } from "./record_entry.ts";

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

/** What the journal says last of each key, while it is read value by value from its beginning. */
export class JournalReplay {
  readonly #newest = new Map<string, { readonly partition: number; readonly encoded: Uint8Array | null }>();
  readonly #reader = new PackReader();

  /**
   * Takes in the next journal value. Values may be replayed again, as long as none is left out at the end.
   *
   * @throws {DhtError} "corrupt_value" where it is damaged, "store_failed" where a newer program wrote it.
   */
  add(value: Uint8Array): void {
    const entries = this.#entriesOf(value);
    for (let left = entries; left > 0; left--) {
      const partition = countOf(this.#field());
      const key = textOf(this.#field());
      const record = this.#field();
      this.#newest.set(key, { partition, encoded: record === null ? null : bytesOf(record) });
    }
    if (!this.#reader.isAtEnd) throw damagedEntry();
  }

  /** The newest entry of each key: only these are decoded, and nothing is kept of the values they came from. */
  *entries(): Generator<TableEntry, void, void> {
    for (const [key, { partition, encoded }] of this.#newest) {
      if (encoded === null) yield removalEntry(partition, key);
      else {
        const own = copyOfEntry(encoded);
        yield encodedEntry(partition, key, heldOf(decodeRecordEntry(own)), own);
      }
    }
  }

  #entriesOf(value: Uint8Array): number {
    const fields = readable(() => this.#reader.start(value, value.length).list());
    const format = this.#field();
    if (format !== ENTRY_FORMAT) throw unknownFormat(format);
    return (fields - 1) / FIELDS_PER_ENTRY;
  }

  #field(): unknown {
    return readable(() => this.#reader.field());
  }
}

function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw damagedEntry(cause);
  }
}
