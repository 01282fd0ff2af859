import { dirname } from "node:path";
import { CLIENT_ENV } from "../../lib/cli/io.ts";
import { NODE_PERMISSIONS } from "../../lib/cli/node_flags.ts";
import { ROOT } from "../e2e/support/program.ts";
import type { Arena } from "./arena.ts";

const BUNDLE_MS = 60_000;
/** What `deno.json` switches on; beside the bundle there is none. */
const UNSTABLE = ["--unstable-kv", "--unstable-cron", "--unstable-no-legacy-abort"];

/** Bundles the client, and gives the command that runs it: what a user has who built it. */
export async function bundledClient(arena: Arena): Promise<string[]> {
  const bundle = arena.path("cli.js");
  await arena.runToEnd("bundle", [Deno.execPath(), "run", "-A", ".ci/bundle.ts", dirname(bundle)], {
    cwd: ROOT,
    timeoutMs: BUNDLE_MS,
  });
  const permissions = NODE_PERMISSIONS.map((flag) =>
    flag.startsWith("--allow-env=") ? [flag, ...CLIENT_ENV].join() : flag
  );
  return [Deno.execPath(), "run", "--quiet", "--no-prompt", ...UNSTABLE, ...permissions, bundle];
}

/** The command of a program of the benchmark itself. */
export function benchProgram(name: string, args: readonly string[]): string[] {
  return [
    Deno.execPath(),
    "run",
    "-A",
    "--quiet",
    "--unstable-kv",
    `${ROOT}/tests/bench/programs/${name}.ts`,
    ...args,
  ];
}

/** How long a program took from its start to its end, in seconds. */
export async function timed(
  arena: Arena,
  name: string,
  command: readonly string[],
  options: { readonly timeoutMs: number; readonly cwd?: string },
): Promise<number> {
  const beganMs = performance.now();
  await arena.runToEnd(name, command, options);
  return (performance.now() - beganMs) / 1000;
}
