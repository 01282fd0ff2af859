import type { StoredRecord } from "../core/record.ts";

/** Bytes of a record in a list of them, beside its key and its value; roughly. */
const RECORD_BYTES = 20;

/** What it costs to move a record, roughly; of one in chunks without those. */
export function movedBytes(key: string, record: StoredRecord): number {
  const inline = record.kind === "value" && record.body.kind === "inline" ? record.valueBytes : 0;
  return RECORD_BYTES + key.length + inline;
}
