import { assertEquals } from "@std/assert";
import { CLIENT_ENV } from "../lib/cli/io.ts";
import { NODE_ENV } from "../lib/cli/node_flags.ts";

const ROOT = new URL("../", import.meta.url);
const { tasks, version }: { tasks: Record<string, { command: string }>; version: string } = JSON.parse(
  Deno.readTextFileSync(new URL("deno.json", ROOT)),
);
const dockerfile = Deno.readTextFileSync(new URL("Dockerfile", ROOT));

/** Names behind the first `--allow-env=` of a text. */
function envOf(text: string): Set<string> {
  return new Set(/--allow-env=([\w,]+)/.exec(text)?.[1]?.split(","));
}

for (const task of ["serve", "cli", "cluster"] as const) {
  const names = { serve: NODE_ENV, cli: [...NODE_ENV, ...CLIENT_ENV], cluster: ["NO_COLOR"] }[task];
  Deno.test(`${task} task given its permissions, then it reads the variables it needs and no others`, () => {
    assertEquals(envOf(tasks[task]!.command), new Set(names));
  });
}

Deno.test("tasks that run the program given their permissions, then none has all of them", () => {
  for (const task of ["node", "serve", "cli", "cluster", "compile"]) {
    assertEquals(/\s(-A|--allow-all|--allow-env|--allow-run)\s/.exec(tasks[task]!.command), null, task);
  }
});

Deno.test("container given its permissions, then it reads the variables of node and client and no others", () => {
  const entrypoint = /^ENTRYPOINT .*$/m.exec(dockerfile)?.[0] ?? "";
  assertEquals(envOf(entrypoint), new Set([...NODE_ENV, ...CLIENT_ENV]));
});

Deno.test("container and CI given the version of Deno, then it is one and the same", () => {
  const ofCi = /deno_version=(\S+)/.exec(Deno.readTextFileSync(new URL(".ci/run", ROOT)))?.[1];
  const ofContainer = /denoland\/deno:(\S+)/.exec(dockerfile)?.[1];
  const workflow = Deno.readTextFileSync(new URL(".github/workflows/ci.yml", ROOT));
  assertEquals([ofContainer, /deno@(\S+)/.exec(workflow)?.[1]], [ofCi, ofCi]);
});

Deno.test("compose file given its image, then it is of this version", () => {
  const compose = Deno.readTextFileSync(new URL("compose.yaml", ROOT));
  assertEquals(/image: mydht:(\S+)/.exec(compose)?.[1], version);
});
