import { eventually } from "../../e2e/support/eventually.ts";
import { freePort } from "../../e2e/support/free_port.ts";
import type { Arena } from "../arena.ts";
import { type Contender, duel, sideFigures, troubleOf } from "../duel.ts";
import { fill } from "../loader.ts";
import { benchProgram } from "../program.ts";
import { drawKeys, readBackSentence } from "../readback.ts";
import { atLeast, measure } from "../report.ts";
import { keyName } from "../requests.ts";
import { loadSeconds, requireWrk, type Row, type RowContext, type RowResult } from "../row.ts";
import { OurRing } from "../sides.ts";
import { wrkCommand } from "../wrk.ts";

const KEYS = 20_000;
/** Written by the server itself. */
const NOT_COPIED = ["date", "content-length", "vary"];

/** What the HTTP server alone leaves of a read. */
export const BARE_ROW: Row = {
  name: "bare",
  work: "get-one against a bare Deno.serve that answers the same head and body from memory, 64 connections",
  run: runBare,
};

async function runBare(context: RowContext): Promise<RowResult> {
  requireWrk(context);
  const { arena } = context;
  const ring = await OurRing.start(arena);
  await fill(ring, KEYS);
  const bare = await startBare(arena, ring.ports[0]!);
  const load = (ports: readonly number[]): Contender["load"] => () => ({
    api: "mydht",
    work: "get",
    query: "consistency=one",
    keys: KEYS,
    salt: "bare",
    connections: 64,
    seconds: loadSeconds(context),
    ports,
  });
  const contenders: Contender[] = [
    { name: ring.name, pids: () => ring.pids, load: load(ring.ports) },
    { name: "bare Deno.serve", pids: () => [bare.pid], load: load([bare.port]) },
  ];
  const [ours, theirs] = await duel(arena, contenders, context);
  return {
    measures: [measure({
      what: "gets",
      unit: "/s",
      ours: sideFigures(ours!),
      theirs: sideFigures(theirs!),
      target: (ratio) => atLeast(ratio, 0.75, "0.75 x"),
    })],
    commands: contenders.map((one) => wrkCommand(one.load(0))),
    notes: [
      ...troubleOf(ours!),
      ...troubleOf(theirs!),
      await readBackSentence(ring, drawKeys(KEYS, keyName)),
    ],
  };
}

async function startBare(
  arena: Arena,
  ourPort: number,
): Promise<{ readonly port: number; readonly pid: number }> {
  const response = await fetch(`http://127.0.0.1:${ourPort}/keys/${keyName(0)}?consistency=one`);
  const headers = [...response.headers].filter(([name]) => !NOT_COPIED.includes(name));
  const file = arena.path("answer.json");
  await Deno.writeTextFile(file, JSON.stringify({ headers, body: await response.text() }));
  const port = freePort();
  const { pid } = await arena.start("bare", benchProgram("bare_server", [`${port}`, file]));
  await eventually(
    "the bare server answers",
    async () => (await (await fetch(`http://127.0.0.1:${port}/`)).text()) !== "",
  );
  return { port, pid };
}
