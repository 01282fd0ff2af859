import { assertEquals } from "@std/assert";
import plugin from "./mod.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** Names of the rules that fire on a file of the project, each once. */
function rulesFor(path: string, source: string): string[] {
  const found = Deno.lint.runPlugin(plugin, `${ROOT}${path}`, source);
  return [...new Set(found.map(({ id }) => id.replace("mydht/", "")))];
}

const AMBIENT: Readonly<Record<string, string>> = {
  "the time": "export const now = Date.now();",
  "a new date": "export const now = new Date();",
  "a date as text": "export const now = Date();",
  "precise time": "export const now = performance.now();",
  "chance": "export const x = Math.random();",
  "strong chance": "export const x = crypto.randomUUID();",
  "chance by import": `import { randomUUID } from "node:crypto"; export { randomUUID };`,
  "a timer": "setTimeout(() => {}, 1);",
  "a repeated timer": "setInterval(() => {}, 1);",
  "a deadline": "export const signal = AbortSignal.timeout(1);",
  "a file": `export const text = Deno.readTextFileSync("a");`,
  "a file by another way": `export const text = globalThis.Deno.readTextFileSync("a");`,
  "the network": `export const response = fetch("http://a/");`,
  "a socket": `export const socket = new WebSocket("ws://a/");`,
  "the environment": "export const home = process.env.HOME;",
  "a function under another name": "const sleep = setTimeout; export { sleep };",
  "a function handed on":
    "export const sleep = wrap(setTimeout); declare function wrap(f: unknown): unknown;",
  "a function in an object": "export const clock = { sleep: setTimeout };",
  "a function as a default": "export function call(via = fetch) { return via; }",
  "a function as a result": "export const transport = () => fetch;",
};

for (const [what, source] of Object.entries(AMBIENT)) {
  Deno.test(`no-ambient given ${what}, then fires in the core, the drivers and the ports only`, () => {
    for (const path of ["lib/core/a.ts", "lib/node/a.ts", "lib/ports/a.ts"]) {
      assertEquals(rulesFor(path, source).includes("no-ambient"), true, path);
    }
    for (const path of ["lib/adapters/a.ts", "main.ts"]) assertEquals(rulesFor(path, source), [], path);
  });
}

const PASSED_IN: Readonly<Record<string, string>> = {
  "a clock": "export const now = (clock: { nowMs(): number }) => clock.nowMs();",
  "a method of the same name": "export class A { fetch() { return this.#fetch(); } #fetch() { return 1; } }",
  "a property of the same name": "export const f = (a: { fetch(): void }) => a.fetch();",
  "a parameter of the same name": "export const f = ({ random }: { random: () => number }) => random();",
  "a date of a given time": "export const text = (ms: number) => new Date(ms).toUTCString();",
  "a hash": `import { createHash } from "node:crypto"; export { createHash };`,
  "arithmetic": "export const x = Math.max(1, 2);",
};

for (const [what, source] of Object.entries(PASSED_IN)) {
  Deno.test(`no-ambient given ${what} in a driver, then is silent`, () => {
    assertEquals(rulesFor("lib/node/a.ts", source), []);
  });
}

Deno.test("no-print given console in lib and routes, then fires", () => {
  for (const path of ["lib/adapters/a.ts", "lib/client/a.ts", "lib/a.ts", "routes/a.ts"]) {
    assertEquals(rulesFor(path, "console.log(1);"), ["no-print"], path);
  }
});

Deno.test("no-print given console in what runs in a terminal, then is silent", () => {
  for (const path of ["main.ts", "cli.ts", "lib/cli/a.ts"]) {
    assertEquals(rulesFor(path, "console.log(1);"), [], path);
  }
});

/** From, what is imported, whether it may. */
const IMPORTS: readonly (readonly [string, string, boolean])[] = [
  ["lib/core/a.ts", "./hlc.ts", true],
  ["lib/core/a.ts", "@std/encoding/hex", true],
  ["lib/core/a.ts", "hash-wasm", true],
  ["lib/core/a.ts", "node:fs", false],
  ["lib/core/a.ts", "node:crypto", false],
  ["lib/core/a.ts", "cli-table3", false],
  ["lib/core/a.ts", "../ports/clock.ts", false],
  ["lib/core/a.ts", "../node/node.ts", false],
  ["lib/core/a.ts", "../wire.ts", false],
  ["lib/core/a.ts", "../api.ts", false],
  ["lib/ports/a.ts", "../core/record.ts", true],
  ["lib/ports/a.ts", "../node/node.ts", false],
  ["lib/ports/a.ts", "../adapters/system_clock.ts", false],
  ["lib/wire.ts", "./core/record.ts", true],
  ["lib/wire.ts", "./node/node.ts", false],
  ["lib/node/a.ts", "../core/record.ts", true],
  ["lib/node/a.ts", "../ports/clock.ts", true],
  ["lib/node/a.ts", "../wire.ts", true],
  ["lib/node/a.ts", "node:crypto", true],
  ["lib/node/a.ts", "node:fs", false],
  ["lib/node/a.ts", "../adapters/system_clock.ts", false],
  ["lib/node/a.ts", "../../routes/mod.ts", false],
  ["lib/node/a.ts", "../cli/io.ts", false],
  ["lib/node/a.ts", "../../main.ts", false],
  ["lib/adapters/a.ts", "../ports/store.ts", true],
  ["lib/adapters/a.ts", "node:sqlite", true],
  ["lib/adapters/a.ts", "../node/storage.ts", false],
  ["lib/adapters/a.ts", "../../routes/mod.ts", false],
  ["routes/a.ts", "../lib/node/service.ts", true],
  ["routes/a.ts", "../lib/api.ts", true],
  ["routes/a.ts", "../lib/adapters/json_log.ts", false],
  ["routes/a.ts", "../lib/cli/io.ts", false],
  ["lib/cli/a.ts", "../client.ts", true],
  ["lib/cli/a.ts", "cli-table3", true],
  ["lib/cli/a.ts", "../node/node.ts", false],
  ["lib/cli/a.ts", "../core/hlc.ts", false],
  ["lib/cli/a.ts", "../adapters/system_clock.ts", false],
  ["lib/cli/a.ts", "../../routes/mod.ts", false],
  ["lib/client.ts", "./node/node.ts", false],
  ["lib/client/a.ts", "../core/errors.ts", false],
  ["lib/config.ts", "./cli/arguments.ts", true],
  ["lib/config.ts", "./node/node.ts", false],
  ["lib/api.ts", "./node/node.ts", false],
  ["lib/version.ts", "../deno.json", true],
  ["cli.ts", "./lib/client.ts", true],
  ["cli.ts", "./lib/cli/io.ts", true],
  ["cli.ts", "./main.ts", false],
  ["cli.ts", "./lib/node/node.ts", false],
  ["cli.ts", "./lib/core/hlc.ts", false],
  ["cli.ts", "./lib/adapters/json_log.ts", false],
  ["cli.ts", "./routes/mod.ts", false],
  ["main.ts", "./lib/adapters/json_log.ts", true],
  ["main.ts", "./cli.ts", false],
  ["tests/core/a_test.ts", "../../lib/adapters/memory_store.ts", true],
];

const STATEMENTS: Readonly<Record<string, (specifier: string) => string>> = {
  "an import": (s) => `import { a } from "${s}"; export const b = a;`,
  "an import of types": (s) => `import type { A } from "${s}"; export type B = A;`,
  "an export": (s) => `export { a } from "${s}";`,
  "an export of all": (s) => `export * from "${s}";`,
  "a dynamic import": (s) => `export const a = () => import("${s}");`,
};

for (const [statement, write] of Object.entries(STATEMENTS)) {
  Deno.test(`layers given ${statement}, then only what points inwards passes`, () => {
    for (const [from, specifier, allowed] of IMPORTS) {
      const isDoor = from === "cli.ts" && specifier === "./main.ts" && statement === "a dynamic import";
      const fired = rulesFor(from, write(specifier)).includes("layers");
      assertEquals(fired, !allowed && !isDoor, `${from} <- ${specifier}`);
    }
  });
}

Deno.test("layers given an import whose name is computed, then fires", () => {
  assertEquals(rulesFor("lib/cli/a.ts", "export const a = (s: string) => import(s);"), ["layers"]);
});
