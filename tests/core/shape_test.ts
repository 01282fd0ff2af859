import { assertEquals, assertThrows } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import {
  bytes,
  type Field,
  flag,
  list,
  oneOf,
  optional,
  positive,
  shape,
  text,
  uint,
  uintWithin,
} from "../../lib/core/shape.ts";

const FIELDS: Record<
  string,
  { readonly field: Field<unknown>; readonly good: unknown[]; readonly bad: unknown[] }
> = {
  "a whole number": {
    field: uint,
    good: [0, 1, Number.MAX_SAFE_INTEGER],
    bad: [-1, 0.5, 2 ** 53, NaN, Infinity, "1", null, undefined, 1n],
  },
  "a whole number of a range": {
    field: uintWithin(1, 9),
    good: [1, 9],
    bad: [0, 10, 1.5, NaN, "1", null, undefined],
  },
  "a number above 0": {
    field: positive,
    good: [0.1, 1, 1e300],
    bad: [0, -1, NaN, Infinity, "1", null, undefined],
  },
  "a text": {
    field: text,
    good: ["", "x".repeat(4_096), "\u{1f600}"],
    bad: ["x".repeat(4_097), 1, null, undefined, ["a"], { length: 1 }],
  },
  "a flag": { field: flag, good: [true, false], bad: [0, 1, "true", null, undefined] },
  "bytes": {
    field: bytes,
    good: [new Uint8Array(), Uint8Array.of(1)],
    bad: ["", [1], null, undefined, new ArrayBuffer(1)],
  },
  "one of two words": {
    field: oneOf("up", "down"),
    good: ["up", "down"],
    bad: ["", "left", "toString", 0, null],
  },
  "an optional text": { field: optional(text), good: ["", "a", undefined], bad: [1, false, []] },
  "a list of texts": {
    field: list(text, 2),
    good: [[], ["a"], ["a", "b"]],
    bad: [["a", "b", "c"], ["a", 1], "ab", null, undefined, { length: 0 }],
  },
};

for (const [name, { field, good, bad }] of Object.entries(FIELDS)) {
  Deno.test(`field given ${name}, when it was encoded, then decoding gives it back`, () => {
    for (const value of good) assertEquals(field.decode(field.encode(value)), value);
  });

  Deno.test(`field given what is not ${name}, then decoding refuses`, () => {
    for (const value of bad) {
      assertEquals(
        assertThrows(() => field.decode(value), DhtError, undefined, String(value)).code,
        "bad_message",
      );
    }
  });
}

const PERSON = shape({ name: text, age: optional(uint) });

Deno.test("shape given an object, then it travels as the list of its fields", () => {
  assertEquals(PERSON.encode({ name: "a", age: 7 }), ["a", 7]);
  assertEquals(PERSON.encode({ name: "a", age: undefined }), ["a", null]);
  assertEquals(PERSON.decode(["a", 7]), { name: "a", age: 7 });
});

Deno.test("shape given a list with further fields at its end, then they are left out", () => {
  assertEquals(PERSON.decode(["a", 7, "later"]), { name: "a", age: 7 });
});

Deno.test("shape given a list that ends early, then only optional fields may be missing", () => {
  assertEquals(PERSON.decode(["a"]), { name: "a", age: undefined });
  assertThrows(() => PERSON.decode([]), DhtError);
});

for (const data of [null, undefined, 7, "a", { name: "a" }]) {
  Deno.test(`shape given ${JSON.stringify(data)} in place of a list, then decoding refuses`, () => {
    assertThrows(() => PERSON.decode(data), DhtError);
  });
}
