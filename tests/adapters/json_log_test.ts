import { assertEquals, assertMatch } from "@std/assert";
import { createLog, lineWriter, type LogOptions, wantsColor } from "../../lib/adapters/json_log.ts";
import type { Log } from "../../lib/ports/log.ts";

const TIME_MS = new Date(2026, 10, 22, 7, 5, 9).getTime();

function logged(options: Partial<LogOptions>, act: (log: Log) => void): string {
  let written = "";
  act(createLog({ format: "text", write: (line) => written += line, nowMs: () => TIME_MS, ...options }));
  return written;
}

Deno.test("createLog() given text, then writes one line in local time", () => {
  const line = logged({}, (log) =>
    log.event("info", "node_started", "Listening on localhost:50140", {
      nodes: ["a:1", "b:2"],
      waitMs: 5,
      missing: undefined,
      ready: true,
    }));
  assertEquals(
    line,
    "2026-11-22 07:05:09 info  Listening on localhost:50140  nodes=a:1,b:2  waitMs=5  ready=true\n",
  );
});

for (
  const [what, value, expected] of [
    ["a plain value", "a/b:c", "a/b:c"],
    ["an empty value", "", '""'],
    ["a value with a space", "a b", '"a b"'],
    ["a value with a quote", 'a"b', '"a\\"b"'],
    ["a value with an equals sign", "a=b", '"a=b"'],
    ["a value with line ends", "a\nb\r\u2028c", '"a\\nb\\r\\u2028c"'],
    ["a value with terminal codes", "a\x1b[31m\x9b2J", "a\\u001b[31m\\u009b2J"],
  ] as const
) {
  Deno.test(`createLog() given text and ${what}, then it is one readable word`, () => {
    const line = logged({}, (log) => log.event("warn", "e", "message", { key: value }));
    assertEquals(line, `2026-11-22 07:05:09 warn  message  key=${expected}\n`);
  });
}

Deno.test("createLog() given text and a message with line ends, then it stays one line", () => {
  const line = logged({}, (log) => log.event("error", "e", "one\ntwo\r\nthree"));
  assertEquals(line, "2026-11-22 07:05:09 error one\\ntwo\\u000d\\nthree\n");
});

Deno.test("createLog() given json, then writes one object with all there is", () => {
  const line = logged(
    { format: "json" },
    (log) =>
      log.event("error", "peer_lost", 'Lost "b"\nand more\u2028', {
        address: "b:1\n",
        tries: 3,
        gone: undefined,
      }),
  );
  assertEquals(line.split("\n").length, 2);
  assertMatch(line, /^[\x20-\x7e]*\n$/);
  assertEquals(JSON.parse(line), {
    time: new Date(TIME_MS).toISOString(),
    level: "error",
    event: "peer_lost",
    message: 'Lost "b"\nand more\u2028',
    fields: { address: "b:1\n", tries: 3 },
  });
});

Deno.test("createLog() given a least level, then drops what is below", () => {
  const all = (log: Log): void => {
    for (const level of ["debug", "info", "warn", "error"] as const) log.event(level, "e", level);
  };
  const levels = (options: Partial<LogOptions>): string[] =>
    logged({ format: "json", ...options }, all).trim().split("\n").map((line) => JSON.parse(line).level);
  assertEquals(levels({}), ["info", "warn", "error"]);
  assertEquals(levels({ least: "debug" }), ["debug", "info", "warn", "error"]);
  assertEquals(levels({ least: "error" }), ["error"]);
});

Deno.test("createLog() given colour, then the text without the colours is the same", () => {
  const act = (log: Log): void => log.event("warn", "e", "message", { key: "value" });
  const colored = logged({ color: true }, act);
  // deno-lint-ignore no-control-regex
  assertEquals(colored.replace(/\x1b\[\d+m/g, ""), logged({}, act));
  assertMatch(colored, /\[33mwarn/);
});

for (
  const [terminal, noColor, expected] of [
    [true, undefined, true],
    [true, "", true],
    [true, "1", false],
    [true, "0", false],
    [false, undefined, false],
  ] as const
) {
  Deno.test(`wantsColor() given terminal ${terminal} and NO_COLOR ${noColor}, then ${expected}`, () => {
    assertEquals(wantsColor({ isTerminal: () => terminal }, noColor), expected);
  });
}

Deno.test("lineWriter() given an output that takes a few bytes at a time, then writes all", () => {
  let text = "";
  const write = lineWriter({
    writeSync(bytes) {
      text += new TextDecoder().decode(bytes.subarray(0, 3));
      return Math.min(3, bytes.length);
    },
  });
  write("a longer line\n");
  assertEquals(text, "a longer line\n");
});

Deno.test("lineWriter() given an output whose reader is gone, then goes on", () => {
  lineWriter({
    writeSync() {
      throw new Deno.errors.BrokenPipe();
    },
  })("line\n");
});
