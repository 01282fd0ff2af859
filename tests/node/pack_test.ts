import { assertEquals, assertThrows } from "@std/assert";
import { encode } from "@msgpack/msgpack";
import { PackReader } from "../../lib/node/pack_reader.ts";
import { PackWriter } from "../../lib/node/pack_writer.ts";

const COUNTS = [
  0,
  1,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  2 ** 32 - 1,
  2 ** 32,
  1_700_000_000_123,
  2 ** 53 - 1,
];
const TEXTS = ["", "a", "x".repeat(31), "x".repeat(32), "x".repeat(255), "x".repeat(256), "x".repeat(70_000)];
const BEYOND_ASCII = ["\u00e9", "\u{1f600} and more", "ends in \u00e9", "\u00e9".repeat(20), "\ufeffmark"];
const BYTES = [0, 1, 255, 256, 65_535, 65_536].map((length) => new Uint8Array(length).fill(7));
const FIELDS = [...COUNTS, ...TEXTS, ...BEYOND_ASCII, ...BYTES, null];

function packed(fields: readonly (number | string | Uint8Array | null)[]): Uint8Array {
  const writer = new PackWriter().start().list(fields.length);
  for (const field of fields) {
    if (typeof field === "number") writer.count(field);
    else if (typeof field === "string") writer.text(field);
    else if (field === null) writer.none();
    else writer.bytes(field);
  }
  return writer.taken();
}

Deno.test("PackWriter given fields of every kind and length, then it writes what MessagePack's encoder does", () => {
  for (const field of FIELDS) assertEquals(packed([field]), encode([field]));
  for (const length of [0, 15, 16, 70_000]) {
    const fields = new Array(length).fill(1);
    assertEquals(packed(fields), encode(fields));
  }
});

Deno.test("PackReader given what PackWriter wrote, then it reads the same fields, again and again", () => {
  const bytes = packed(FIELDS);
  const reader = new PackReader();
  for (let round = 0; round < 2; round++) {
    const read = Array.from({ length: reader.start(bytes, bytes.length).list() }, () => reader.field());
    assertEquals(read, FIELDS);
    assertEquals(reader.isAtEnd, true);
  }
});

Deno.test("PackReader given texts that it takes for the same at first sight, then it tells them apart", () => {
  const texts = ["ab", "a\u00e9", "aab", "acb", "a\u0001b", "\u00e9", "a", "acb", "aab"];
  const bytes = packed(texts);
  const reader = new PackReader().start(bytes, bytes.length);
  assertEquals(Array.from({ length: reader.list() }, () => reader.field()), texts);
});

Deno.test("PackReader given bytes that end too early, then it refuses wherever they end", () => {
  const fields = ["text", 300, 70_000, 2 ** 40, new Uint8Array(3), new Uint8Array(300), "x".repeat(300)];
  const bytes = packed(fields);
  const reader = new PackReader();
  for (let length = 0; length < bytes.length; length++) {
    assertThrows(() => {
      reader.start(bytes, length);
      for (let left = reader.list(); left > 0; left--) reader.field();
    }, RangeError);
  }
});

const UNREADABLE: Record<string, Uint8Array> = {
  "a map for a list": encode({ a: 1 }),
  "a fraction": encode([0.5]),
  "a negative number": encode([-1]),
  "a list within": encode([[1]]),
  "yes and no": encode([true]),
};

for (const [name, bytes] of Object.entries(UNREADABLE)) {
  Deno.test(`PackReader given ${name}, then it refuses`, () => {
    const reader = new PackReader().start(bytes, bytes.length);
    assertThrows(() => [reader.list(), reader.field()], RangeError);
  });
}

Deno.test("PackReader given a text that is no UTF-8, then it refuses", () => {
  const reader = new PackReader().start(Uint8Array.of(0x91, 0xa2, 0xc3, 0x28), 4);
  assertThrows(() => [reader.list(), reader.field()], TypeError);
});
