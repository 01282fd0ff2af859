import { assertEquals } from "@std/assert";
import { parseOptions } from "./options.ts";

const NAMES = ["put-64", "put-256", "get-one"];

function options(...args: string[]) {
  const parsed = parseOptions(args, NAMES);
  if (parsed.kind !== "run") throw new Error(JSON.stringify(parsed));
  return parsed.options;
}

function complaint(...args: string[]): string {
  const parsed = parseOptions(args, NAMES);
  return parsed.kind === "usage" ? parsed.message : `no complaint, but ${parsed.kind}`;
}

Deno.test("parseOptions() given nothing, then all rows are run, in five rounds", () => {
  assertEquals(options(), { only: [], quick: false, scale: false, rounds: 5 });
});

Deno.test("parseOptions() given --quick, then one round, unless told otherwise", () => {
  assertEquals(options("--quick").rounds, 1);
  assertEquals(options("--quick", "--rounds", "3").rounds, 3);
});

Deno.test("parseOptions() given rows and files, then has them", () => {
  assertEquals(options("--only", "get-one,put-64", "--json", "a.json", "--markdown=b.md"), {
    only: ["get-one", "put-64"],
    quick: false,
    scale: false,
    rounds: 5,
    json: "a.json",
    markdown: "b.md",
  });
});

for (
  const [args, message] of [
    [["--only", "put-63"], 'there is no row "put-63"; did you mean "put-64"?'],
    [["--only", ","], "--only takes names of rows"],
    [["--rounds", "0"], '--rounds takes a whole number from 1 to 99, not "0"'],
    [["--rounds", "two"], '--rounds takes a whole number from 1 to 99, not "two"'],
    [["--json", ""], "--json and --markdown take the name of a file"],
    [["--scale", "--only", "put-64"], "--scale has no rows to choose from"],
    [["fast"], '"fast" means nothing here'],
  ] as const
) {
  Deno.test(`parseOptions() given ${args.join(" ")}, then says what is wrong`, () => {
    assertEquals(complaint(...args), message);
  });
}

Deno.test("parseOptions() given --help, then names every row", () => {
  const parsed = parseOptions(["--help"], NAMES);
  assertEquals(parsed.kind === "help" && NAMES.every((name) => parsed.text.includes(name)), true);
});
