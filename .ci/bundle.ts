/**
 * Bundles each entry into one file: `dist/cli.js` and `dist/main.js`; an argument names another directory.
 *
 * `deno bundle` begins each file with what loads `node:module`, which takes longer than all that a `mydht get` does.
 * Only two packages that draw on terminals ask for it, so it is replaced by what loads nothing until it is asked.
 */
const [directory = "dist"] = Deno.args;

/** How a bundle begins that contains a package in CommonJS. */
const EAGER_REQUIRE =
  /^import \{ createRequire as (\w+) \} from "node:module";\nvar __require = \1\(import\.meta\.url\);$/m;
const LAZY_REQUIRE = "var __require = (name) => process.getBuiltinModule(name);";
/** What Deno loads before it runs the first line. */
const STATIC_BUILT_IN = /^import [^\n]*"node:[^\n]*$/m;

await bundle("cli.ts", `${directory}/cli.js`);
await bundle("main.ts", `${directory}/main.js`);

async function bundle(entry: string, output: string): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "-q", "-o", output, entry],
    stdin: "null",
  }).spawn().status;
  if (!success) Deno.exit(1);
  const text = (await Deno.readTextFile(output)).replace(EAGER_REQUIRE, LAZY_REQUIRE);
  const slow = STATIC_BUILT_IN.exec(text);
  if (slow !== null) throw new Error(`${output} would load a built-in at every start: ${slow[0]}`);
  await Deno.writeTextFile(output, text);
}
