import { assertEquals } from "@std/assert";
import { momentText, secondsText, spanText, visible } from "../../lib/cli/format.ts";
import { nearWord } from "../../lib/cli/suggest.ts";

Deno.test("spanText() given seconds, then tells the two largest units", () => {
  const rows: [number, string][] = [
    [0, "0 s"],
    [-1, "0 s"],
    [59.4, "59 s"],
    [60, "1 min"],
    [3599, "59 min 59 s"],
    [3600, "1 h"],
    [3605, "1 h"],
    [11_520, "3 h 12 min"],
    [86_400 * 400 + 3600, "400 d 1 h"],
  ];
  for (const [seconds, text] of rows) assertEquals(spanText(seconds), text);
});

Deno.test("visible() given what forges or commands, then shows it as escapes and leaves the rest", () => {
  const rows: [string, string][] = [
    ["plain/ü 日本 😀", "plain/ü 日本 😀"],
    ["a\nb\tc\r", "a\\nb\\tc\\r"],
    ["\u001b[31m", "\\u001b[31m"],
    ["\u009b1m\u007f\0", "\\u009b1m\\u007f\\u0000"],
    ["a\u202egpj", "a\\u202egpj"],
    ["\u2028\u2066", "\\u2028\\u2066"],
    ["\ud800", "\\ud800"],
  ];
  for (const [text, shown] of rows) assertEquals(visible(text), shown);
});

Deno.test("timestamps given seconds, then have decimals for programs and a moment for people", () => {
  assertEquals([0, 1_750_000_000, 1_750_000_000.123].map(secondsText), [
    "0.0",
    "1750000000.0",
    "1750000000.123",
  ]);
  assertEquals(momentText(1_750_000_000.999), "2025-06-15 15:06:40Z");
  assertEquals(momentText(1e18), "1000000000000000000.0");
});

Deno.test("nearWord() given a word, then suggests only what is near", () => {
  const words = ["put", "get", "del", "haskey", "whereis", "ls", "download"];
  const rows: [string, string | undefined][] = [
    ["gte", "get"],
    ["pu", "put"],
    ["l", "ls"],
    ["LS", "ls"],
    ["haksey", "haskey"],
    ["downlaod", "download"],
    ["whereabouts", undefined],
    ["x", undefined],
    ["frobnicate", undefined],
  ];
  for (const [given, near] of rows) assertEquals(nearWord(given, words), near, given);
  assertEquals(nearWord("put", []), undefined);
});
