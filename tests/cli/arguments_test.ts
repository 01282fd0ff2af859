import { assertEquals } from "@std/assert";
import { type Flag, parseArguments, type ParsedArguments } from "../../lib/cli/arguments.ts";

const FLAGS: readonly Flag[] = [
  { name: "key", short: "k", value: "KEY", help: "" },
  { name: "value", also: "val", value: "VALUE", help: "" },
  { name: "file", short: "f", value: "FILE", help: "" },
  { name: "host", short: "h", value: "HOST", help: "" },
  { name: "secret-file", value: "FILE", help: "" },
  { name: "json", help: "" },
];

const ELSEWHERE: readonly Flag[] = [{ name: "prefix", value: "P", help: "" }];

type Short = { values?: Record<string, string>; switches?: string[]; rest?: string[] } | string;

function short(parsed: ParsedArguments): Short {
  if (parsed.kind === "usage") return parsed.message;
  if (parsed.kind !== "parsed") return parsed.kind;
  const values = Object.fromEntries(parsed.values);
  return {
    ...(parsed.values.size > 0 && { values }),
    ...(parsed.switches.size > 0 && { switches: [...parsed.switches] }),
    ...(parsed.positionals.length > 0 && { rest: [...parsed.positionals] }),
  };
}

const ROWS: readonly (readonly [args: readonly string[], meant: Short])[] = [
  [[], {}],
  [["a", "b"], { rest: ["a", "b"] }],
  [["-val", "x"], { values: { value: "x" } }],
  [["--val", "x"], { values: { value: "x" } }],
  [["--value", "x"], { values: { value: "x" } }],
  [["-value", "x"], { values: { value: "x" } }],
  [["--value=x"], { values: { value: "x" } }],
  [["-val=x"], { values: { value: "x" } }],
  [["--value=a=b"], { values: { value: "a=b" } }],
  [["--value", "a=b"], { values: { value: "a=b" } }],
  [["--value", "a=b", "c"], { values: { value: "a=b" }, rest: ["c"] }],
  [["-val", ""], { values: { value: "" } }],
  [["--value="], { values: { value: "" } }],
  [["-f", "-"], { values: { file: "-" } }],
  [["--file", "-"], { values: { file: "-" } }],
  [["--file=-"], { values: { file: "-" } }],
  [["--value", "-5"], { values: { value: "-5" } }],
  [["--value=-5"], { values: { value: "-5" } }],
  [["-val", "--json"], { values: { value: "--json" } }],
  [["-val", "--"], { values: { value: "--" } }],
  [["-val", "--help"], { values: { value: "--help" } }],
  [["-val", "two\nlines"], { values: { value: "two\nlines" } }],
  [["-val", "\n"], { values: { value: "\n" } }],
  [["-val", " "], { values: { value: " " } }],
  [["-val", "__proto__"], { values: { value: "__proto__" } }],
  [["-val", "true"], { values: { value: "true" } }],
  [["-val", "1e3"], { values: { value: "1e3" } }],
  [["-k", "007"], { values: { key: "007" } }],
  [["007"], { rest: ["007"] }],
  [["0x10", "1_000", "1e3"], { rest: ["0x10", "1_000", "1e3"] }],
  [["-k", "-x"], { values: { key: "-x" } }],
  [["-k", "--key"], { values: { key: "--key" } }],
  [["--key=-x"], { values: { key: "-x" } }],
  [["-k=x"], { values: { key: "x" } }],
  [["--secret-file", "f"], { values: { "secret-file": "f" } }],
  [["-5", "a"], { rest: ["-5", "a"] }],
  [["-"], { rest: ["-"] }],
  [[""], { rest: [""] }],
  [["a", "--", "-k", "--json"], { rest: ["a", "-k", "--json"] }],
  [["--", "--"], { rest: ["--"] }],
  [["--"], {}],
  [["--json", "a"], { switches: ["json"], rest: ["a"] }],
  [["a", "-json"], { switches: ["json"], rest: ["a"] }],
  [["--json", "--json"], { switches: ["json"] }],
  [["-h", "localhost"], { values: { host: "localhost" } }],
  [["-h=localhost"], { values: { host: "localhost" } }],
  [["-h", ""], { values: { host: "" } }],
  [["-h"], "help"],
  [["a", "-h"], "help"],
  [["-h", "--json"], "help"],
  [["--help"], "help"],
  [["-help"], "help"],
  [["--nonsense", "--help"], "help"],
  [["--version"], "version"],
  [["--host"], "--host needs a value: --host HOST"],
  [["-k"], "-k needs a value: -k KEY"],
  [["a", "-val"], "-val needs a value: -val VALUE"],
  [["-k", "a", "-k", "b"], "--key is given twice"],
  [["-val", "a", "--value=b"], "--value is given twice"],
  [["--vlaue", "x"], 'unknown flag --vlaue; did you mean "--value"?'],
  [["--jsno"], 'unknown flag --jsno; did you mean "--json"?'],
  [["-x"], "unknown flag -x (a value that begins with a dash goes behind --)"],
  [["--k", "x"], "unknown flag --k (a value that begins with a dash goes behind --)"],
  [
    ["--completely-different=1"],
    "unknown flag --completely-different (a value that begins with a dash goes behind --)",
  ],
  [["--json=yes"], "--json takes no value"],
  [["--help=yes"], "--help takes no value"],
  [["--prefix", "p"], "--prefix means nothing to this command"],
];

for (const [args, meant] of ROWS) {
  Deno.test(`parseArguments() given ${JSON.stringify(args)}, then it means ${JSON.stringify(meant)}`, () => {
    assertEquals(short(parseArguments(args, FLAGS, ELSEWHERE)), meant);
  });
}
