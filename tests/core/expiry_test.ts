import { assert, assertEquals } from "@std/assert";
import { expiryOf, isDue } from "../../lib/core/expiry.ts";
import { compareHeads, headOf } from "../../lib/core/record.ts";

const VERSION = { wallMs: 7, counter: 0, writer: "w.1" };
const VALUE = { kind: "value", version: VERSION, expiresMs: 1_000 } as const;

Deno.test("isDue() given a value that expires, when its time has come, then it is due", () => {
  assertEquals([999, 1_000, 1_001].map((nowMs) => isDue(VALUE, nowMs)), [false, true, true]);
});

Deno.test("isDue() given what does not expire, then it is never due", () => {
  assertEquals(isDue({ ...VALUE, expiresMs: undefined }, Infinity), false);
  assertEquals(isDue({ ...VALUE, kind: "expired" }, Infinity), false);
});

Deno.test("expiryOf() given a value, then it beats that value and no later one", () => {
  const expiry = headOf(expiryOf(VALUE));
  assert(compareHeads(expiry, VALUE) > 0);
  assert(compareHeads(expiry, { kind: "value", version: { ...VERSION, counter: 1 } }) < 0);
});
