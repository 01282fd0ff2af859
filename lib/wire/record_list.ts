import { DhtError } from "../core/errors.ts";
import type { StoredRecord, ValueRecord } from "../core/record.ts";
import { decodeRecord, EXPIRED, TOMBSTONE, VALUE } from "../core/record_codec.ts";
import { type Decoded, type Field, flag, list, shape, text, uint, uintWithin } from "../core/shape.ts";
import { sha256 } from "../sha256.ts";

/** A record, and where it belongs. */
export interface KeyedRecord {
  readonly partition: number;
  readonly key: string;
  readonly record: StoredRecord;
}

/** Records in one list. */
const MOST = 2_000;
/** Bytes of a SHA-256 that travel with bytes: enough to find what was changed on the way. */
const CHECK_BYTES = 4;

/** What many records of a list have in common, told once. */
const template = shape({
  kind: uintWithin(VALUE, EXPIRED),
  writer: text,
  contentType: text,
  isInline: flag,
  expires: flag,
});
type Template = Decoded<typeof template>;

const templates = list(template, MOST);
const rows: Field<readonly unknown[]> = {
  encode: (data) => data,
  decode: (data) => {
    if (!Array.isArray(data)) throw malformed("a list of fields");
    return data;
  },
};

/**
 * Many records, in few bytes: at 100-byte values some 17 a record beside its key and value, where `encodeRecord`
 * takes about 100.
 *
 * `[templates, fields]`, all fields in one list: the template's number, partition, key, milliseconds behind the
 * record before, counter, time of expiry if any; and of a value in a record the beginning of its SHA-256 and its
 * bytes, of one in chunks its length, SHA-256 and blob id. Of values in records the receiver computes the SHA-256
 * itself, from what has arrived.
 */
export const recordList: Field<readonly KeyedRecord[]> = {
  encode(items) {
    const known = new TemplateList();
    const fields: unknown[] = [];
    let wallMs = 0;
    for (const { partition, key, record } of items) {
      const { version } = record;
      fields.push(known.numberOf(record), partition, key, version.wallMs - wallMs, version.counter);
      wallMs = version.wallMs;
      if (record.kind === "value") pushValue(fields, record);
    }
    return [templates.encode(known.templates), fields];
  },
  decode(data) {
    if (!Array.isArray(data)) throw malformed("templates and fields");
    const reader = new RowReader(templates.decode(data[0]), rows.decode(data[1]));
    const items: KeyedRecord[] = [];
    while (reader.hasMore) {
      if (items.length === MOST) throw malformed(`at most ${MOST} records`);
      items.push(reader.next());
    }
    return items;
  },
};

function pushValue(fields: unknown[], { body, sha256: hash, valueBytes, expiresMs }: ValueRecord): void {
  if (expiresMs !== undefined) fields.push(expiresMs);
  if (body.kind === "inline") fields.push(checkOf(hash), body.bytes);
  else fields.push(valueBytes, hash, body.id);
}

function checkOf(hash: Uint8Array): number {
  return new DataView(hash.buffer, hash.byteOffset, CHECK_BYTES).getUint32(0);
}

/** Numbers templates as they come up. */
class TemplateList {
  readonly templates: Template[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(record: StoredRecord): number {
    const name = nameOf(record);
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.templates.push(templateOf(record)) - 1;
      this.#numbers.set(name, number);
    }
    return number;
  }
}

function nameOf(record: StoredRecord): string {
  const { writer } = record.version;
  if (record.kind === "tombstone") return `${record.expired ? EXPIRED : TOMBSTONE}${writer}`;
  const expires = record.expiresMs === undefined ? "stays" : "expires";
  // What may be any text comes last, or with its length: no two templates have one name.
  return `${VALUE} ${record.body.kind} ${expires} ${writer.length} ${writer}${record.contentType}`;
}

function templateOf(record: StoredRecord): Template {
  const { writer } = record.version;
  if (record.kind === "tombstone") {
    const kind = record.expired ? EXPIRED : TOMBSTONE;
    return { kind, writer, contentType: "", isInline: false, expires: false };
  }
  const { contentType, body, expiresMs } = record;
  return {
    kind: VALUE,
    writer,
    contentType,
    isInline: body.kind === "inline",
    expires: expiresMs !== undefined,
  };
}

class RowReader {
  readonly #templates: readonly Template[];
  readonly #fields: readonly unknown[];
  #at = 0;
  #wallMs = 0;

  constructor(known: readonly Template[], fields: readonly unknown[]) {
    this.#templates = known;
    this.#fields = fields;
  }

  get hasMore(): boolean {
    return this.#at < this.#fields.length;
  }

  next(): KeyedRecord {
    const of = this.#templates[uint.decode(this.#take())];
    if (of === undefined) throw malformed("a known template");
    const partition = uint.decode(this.#take());
    const key = text.decode(this.#take());
    const elapsedMs = this.#take();
    if (!Number.isSafeInteger(elapsedMs)) throw malformed("a time");
    this.#wallMs += elapsedMs as number;
    const version = [this.#wallMs, this.#take(), of.writer];
    if (of.kind !== VALUE) return { partition, key, record: decodeRecord([of.kind, ...version]) };
    const expiresMs = of.expires ? this.#take() : null;
    const value = of.isInline ? this.#inline() : this.#chunked();
    const { valueBytes, hash, body } = value;
    const data = [VALUE, ...version, valueBytes, of.contentType, expiresMs, hash, body];
    return { partition, key, record: decodeRecord(data) };
  }

  #inline(): { readonly valueBytes: unknown; readonly hash: unknown; readonly body: unknown } {
    const check = this.#take();
    const body = this.#take();
    if (!(body instanceof Uint8Array)) throw malformed("a value's bytes");
    const hash = sha256(body);
    if (checkOf(hash) !== check) throw malformed("the bytes that were sent");
    return { valueBytes: body.length, hash, body };
  }

  #chunked(): { readonly valueBytes: unknown; readonly hash: unknown; readonly body: unknown } {
    const valueBytes = this.#take();
    const hash = this.#take();
    const body = this.#take();
    if (typeof body !== "string") throw malformed("a blob's id");
    return { valueBytes, hash, body };
  }

  #take(): unknown {
    return this.#fields[this.#at++];
  }
}

function malformed(expected: string): DhtError {
  return new DhtError("bad_message", `Cannot read records: expected ${expected}`);
}
