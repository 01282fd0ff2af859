import { assertEquals, assertThrows } from "@std/assert";
import { parseSpan } from "../../lib/cli/span.ts";

for (
  const [text, seconds] of [["1", 1], ["90", 90], ["90s", 90], ["30m", 1_800], ["12h", 43_200], [
    "7d",
    604_800,
  ]] as const
) {
  Deno.test(`parseSpan() given "${text}", then it is ${seconds} seconds`, () => {
    assertEquals(parseSpan(text), seconds);
  });
}

for (const text of ["", "0", "0m", "-1", "1.5", "5 m", "m", "1w", "99999999999", "40000d"]) {
  Deno.test(`parseSpan() given "${text}", then it is none`, () => {
    assertThrows(() => parseSpan(text), SyntaxError, "is not a span of time");
  });
}
