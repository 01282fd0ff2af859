import { assert, assertEquals, assertThrows } from "@std/assert";
import { decode, encode } from "@msgpack/msgpack";
import { DhtError } from "../../lib/core/errors.ts";
import { sha256 } from "../../lib/sha256.ts";
import { type KeyedRecord, recordList } from "../../lib/wire/record_list.ts";

const VALUE_BYTES = 100;

function records(count: number): KeyedRecord[] {
  return Array.from({ length: count }, (_, i) => {
    const bytes = new Uint8Array(VALUE_BYTES).fill(i % 251);
    return {
      partition: 9_000 + i % 7_000,
      key: `key-${String(i).padStart(12, "0")}`,
      record: {
        kind: "value",
        version: { wallMs: 1_700_000_000_000 + 3 * i, counter: i % 3, writer: `0123456789abcdef.${i % 3}+1` },
        valueBytes: VALUE_BYTES,
        contentType: "application/octet-stream",
        sha256: sha256(bytes),
        body: { kind: "inline", bytes },
      },
    };
  });
}

function sent(items: readonly KeyedRecord[]): readonly KeyedRecord[] {
  return recordList.decode(decode(encode(recordList.encode(items))));
}

Deno.test("records given many small values, then each takes at most 20 bytes beside its key and its value", () => {
  const items = records(500);
  const bytes = encode(recordList.encode(items)).length;
  const paid = items.reduce((sum, { key }) => sum + key.length + VALUE_BYTES, 0);
  assert(bytes - paid <= 20 * items.length, `${(bytes - paid) / items.length} bytes each`);
  assertEquals(sent(items), items);
});

Deno.test("records given a value's bytes were changed on the way, then they are refused", () => {
  const plain = decode(encode(recordList.encode(records(3)))) as [unknown, unknown[]];
  const [, fields] = plain;
  const bytes = fields.find((field) => field instanceof Uint8Array)!;
  bytes[7]! ^= 1;
  const error = assertThrows(() => recordList.decode(plain), DhtError, "the bytes that were sent");
  assertEquals(error.code, "bad_message");
});

Deno.test("records given content types that look like another's with a time of expiry, then each comes as it was sent", () => {
  const [a, b] = records(2);
  const plain = { ...a!, record: { ...a!.record, contentType: "ex/y" } } as KeyedRecord;
  const expiring = {
    ...b!,
    record: { ...b!.record, version: a!.record.version, contentType: "x/y", expiresMs: 1_800_000_000_000 },
  } as KeyedRecord;
  for (const items of [[plain, expiring], [expiring, plain]]) assertEquals(sent(items), items);
});

Deno.test("records given more than a list may have, then they are refused", () => {
  assertEquals(sent(records(2_000)).length, 2_000);
  assertThrows(() => sent(records(2_001)), DhtError, "at most 2000 records");
});
