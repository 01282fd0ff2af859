import { assertEquals } from "@std/assert";
import { parseOptions } from "./options.ts";

const parse = (...args: string[]) => parseOptions(args, () => "drawn");

Deno.test("chaos given no flags, then has five nodes, a minute and a seed of its own", () => {
  const options = { nodes: 5, seconds: 60, largeMib: 100, seed: "drawn" };
  assertEquals(parse(), { kind: "run", options });
});

Deno.test("chaos given all flags, then takes them", () => {
  const options = { nodes: 7, seconds: 600, largeMib: 0, seed: "abc" };
  assertEquals(parse("--nodes", "7", "--seconds=600", "--large", "0", "--seed", "abc"), {
    kind: "run",
    options,
  });
});

for (
  const [args, message] of [
    [["--nodes", "2"], '--nodes takes a whole number from 3 to 20, not "2"'],
    [["--seconds", "1.5"], '--seconds takes a whole number from 1 to 86400, not "1.5"'],
    [["--large", ""], '--large takes a whole number from 0 to 4096, not ""'],
    [["--secons", "9"], 'unknown flag --secons; did you mean "--seconds"?'],
    [["--nodes"], "--nodes needs a value: --nodes NUMBER"],
    [["--seed", ""], "--seed takes a text that is not empty"],
    [["fast"], '"fast" means nothing here'],
  ] as const
) {
  Deno.test(`chaos given ${args.join(" ")}, then says what is wrong`, () => {
    assertEquals(parse(...args), { kind: "usage", message });
  });
}

Deno.test("chaos given --help, then names all its flags", () => {
  const parsed = parse("--seconds", "9", "--help");
  const text = parsed.kind === "help" ? parsed.text : "";
  for (const flag of ["--nodes", "--seconds", "--large", "--seed"]) {
    assertEquals(text.includes(flag), true, flag);
  }
});
