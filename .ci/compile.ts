/**
 * Builds the program `dist/mydht`: client, node and cluster in one file, with its permissions built in.
 *
 * Arguments go to `deno compile` as they are, such as `--target aarch64-apple-darwin`. Exit code 1 where it fails;
 * where that is because the runtime part of the program cannot be fetched, it says so.
 */
import { CLIENT_ENV } from "../lib/cli/io.ts";
import { NODE_PERMISSIONS } from "../lib/cli/node_flags.ts";

const OUTPUT = "dist/mydht";

/** What a node may do and what the client reads; `mydht cluster` starts this program, wherever it will stand. */
const PERMISSIONS: readonly string[] = [
  ...NODE_PERMISSIONS.map((flag) => flag.startsWith("--allow-env=") ? [flag, ...CLIENT_ENV].join(",") : flag),
  "--allow-run",
];

const { success, errorText } = await compile([
  "compile",
  "--frozen",
  "--no-prompt",
  "--exclude-unused-npm",
  ...PERMISSIONS,
  ...Deno.args,
  "--output",
  OUTPUT,
  "cli.ts",
]);
if (!success) {
  if (isRuntimeMissing(errorText)) {
    console.error(
      "\nNo program was built: its runtime part (denort), which deno compile downloads, could not be fetched.\n" +
        "Build where the releases of Deno can be reached, or set DENORT_BIN to a denort file of this Deno's version.\n" +
        "Without it, MyDHT runs from its source: deno task node, deno task -q cli.",
    );
  }
  Deno.exit(1);
}

/** Runs Deno in the project's directory and passes on what it says. */
async function compile(args: readonly string[]): Promise<{ success: boolean; errorText: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: new URL("..", import.meta.url),
    stdin: "null",
    stderr: "piped",
  }).spawn();
  const [shown, kept] = child.stderr.tee();
  const [errorText] = await Promise.all([
    new Response(kept).text(),
    shown.pipeTo(Deno.stderr.writable, { preventClose: true }),
  ]);
  return { success: (await child.status).success, errorText };
}

/** Everything else has been built by then: only this step downloads. */
function isRuntimeMissing(errorText: string): boolean {
  return errorText.includes("Setting up base binary") || /Download[^\n]*denort/.test(errorText);
}
