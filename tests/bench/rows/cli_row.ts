import { bundledClient, timed } from "../program.ts";
import { atMost, measure } from "../report.ts";
import { valueOf } from "../requests.ts";
import type { Row, RowContext, RowResult } from "../row.ts";
import { OurRing } from "../sides.ts";
import { figuresOf } from "../statistics.ts";

const KEY = "greeting";
const TIMEOUT_MS = 30_000;

/** How long a person waits for a small key. */
export const CLI_ROW: Row = {
  name: "cli",
  work:
    "`mydht get` of a 100-byte value, whole process, from the bundle, against a Deno program that does nothing",
  run: runCli,
};

async function runCli({ arena, quick }: RowContext): Promise<RowResult> {
  const ring = await OurRing.start(arena);
  const client = await bundledClient(arena);
  await fetch(`http://127.0.0.1:${ring.ports[0]}/keys/${KEY}`, { method: "PUT", body: valueOf(KEY, "c") })
    .then((response) => response.body?.cancel());
  const empty = arena.path("empty.js");
  await Deno.writeTextFile(empty, "");
  const [taken, nothing]: number[][] = [[], []];
  for (let i = 0; i < (quick ? 5 : 30); i++) {
    const get = [...client, "get", KEY, "-p", `${ring.ports[i % ring.ports.length]}`];
    taken!.push(await timed(arena, "get", get, { timeoutMs: TIMEOUT_MS }) * 1000);
    nothing!.push(
      await timed(arena, "nothing", [Deno.execPath(), "run", empty], { timeoutMs: TIMEOUT_MS }) * 1000,
    );
  }
  return {
    measures: [measure({
      what: "get",
      unit: "ms",
      ours: { name: "mydht", ...figuresOf(taken!) },
      theirs: { name: "an empty program", ...figuresOf(nothing!) },
      target: (_, ours) => atMost(ours, 120, "120 ms"),
    })],
    commands: ["mydht get greeting"],
    notes: [],
  };
}
