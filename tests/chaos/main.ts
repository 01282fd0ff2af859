/** `deno task chaos`: a ring of real processes, and all that happens to machines. */
import { parseOptions } from "./options.ts";
import { runChaos } from "./run.ts";

/** How long a run may take beside the time in which things go wrong, before it is given up. */
const BESIDE_MS = 900_000;

class Interruption extends Error {}

const parsed = parseOptions(Deno.args, () => `${crypto.getRandomValues(new Uint32Array(1))[0]}`);
if (parsed.kind === "help") {
  console.log(parsed.text.trimEnd());
  Deno.exit(0);
}
if (parsed.kind === "usage") {
  console.error(`chaos: ${parsed.message}; see --help`);
  Deno.exit(2);
}

const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.addSignalListener(signal, () => ending.abort(new Interruption(signal)));
}
const { options } = parsed;
const patience = setTimeout(
  () => ending.abort(new Error("the run did not come to its end")),
  options.seconds * 1000 + BESIDE_MS,
);
let code = 1;
try {
  if (await runChaos(options, { print: (line) => console.log(line), signal: ending.signal })) code = 0;
} catch (error) {
  if (error instanceof Interruption) code = 130;
  else console.error(`chaos: ${error instanceof Error ? error.message : error}`);
}
clearTimeout(patience);
Deno.exit(code);
