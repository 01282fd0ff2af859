/** `deno task bench`: how fast a ring is, beside what else there is. */
import { markdownOf, tableOf } from "./markdown.ts";
import { type BenchOptions, parseOptions } from "./options.ts";
import type { Report } from "./report.ts";
import { ROWS } from "./rows.ts";
import { runRows } from "./run.ts";
import { runScale } from "./scale/run.ts";

const parsed = parseOptions(Deno.args, ROWS.map(({ name }) => name));
if (parsed.kind === "help") {
  console.log(parsed.text.trimEnd());
  Deno.exit(0);
}
if (parsed.kind === "usage") {
  console.error(`bench: ${parsed.message}; see --help`);
  Deno.exit(2);
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // The guard of the row sees the end of this process, and clears up.
  Deno.addSignalListener(signal, () => Deno.exit(130));
}
const { options } = parsed;
try {
  if (options.scale) await scale(options);
  else await measure(options);
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.stack : error}`);
  Deno.exit(1);
}
Deno.exit(0);

async function measure(options: BenchOptions): Promise<void> {
  const { only } = options;
  const rows = ROWS.filter(({ name }) => only.length === 0 || only.includes(name));
  const keep = (report: Report) => write(options, report, markdownOf(report));
  const report = await runRows(rows, { options, print: console.log, keep });
  console.log(`\n${tableOf(report.rows)}`);
}

async function scale(options: BenchOptions): Promise<void> {
  const { report, markdown } = await runScale({ quick: options.quick, print: console.log });
  console.log(`\n${markdown}`);
  await write(options, report, markdown);
}

async function write({ json, markdown }: BenchOptions, report: unknown, text: string): Promise<void> {
  if (json !== undefined) await Deno.writeTextFile(json, `${JSON.stringify(report, null, 2)}\n`);
  if (markdown !== undefined) await Deno.writeTextFile(markdown, text);
}
