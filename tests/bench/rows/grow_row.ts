import { type Bout, type Contender, duel, sideFigures, troubleOf } from "../duel.ts";
import { samplesOf } from "../figures.ts";
import { fill } from "../loader.ts";
import { processUse } from "../proc.ts";
import { drawKeys, readBackSentence } from "../readback.ts";
import { atLeast, atMost, type Measure, measure } from "../report.ts";
import { keyName } from "../requests.ts";
import { loadSeconds, manyKeys, requireWrk, type Row, type RowContext, type RowResult } from "../row.ts";
import { OurRing } from "../sides.ts";
import { type Load, wrkCommand } from "../wrk.ts";

const FEW_KEYS = 10_000;
const MIB = 1024 * 1024;
const STARTS = 3;

const LOADS = [
  { what: "puts", attack: { work: "put" } },
  { what: "gets, consistency=one", attack: { work: "get", query: "consistency=one" } },
] as const;

/** What many keys cost. */
export const GROW_ROW: Row = {
  name: "grow",
  work:
    "1,000,000 keys (--quick: 100,000) in the ring: put-64 and get-one over all of them, compared with 10,000 keys; memory; " +
    "SIGTERM to all nodes, and the time from their start until each is ready",
  run: runGrow,
};

async function runGrow(context: RowContext): Promise<RowResult> {
  requireWrk(context);
  const { arena, print } = context;
  const ring = await OurRing.start(arena);
  const contenders = (keys: number) =>
    LOADS.map(({ attack }) => contender(ring, { ...attack, keys }, context));
  await fill(ring, FEW_KEYS);
  const few = await duel(arena, contenders(FEW_KEYS), context);
  const keys = manyKeys(context);
  const { perSecond } = await fill(ring, keys - FEW_KEYS, FEW_KEYS);
  print(`${keys} keys loaded at ${Math.round(perSecond)}/s`);
  const many = await duel(arena, contenders(keys), context);
  const peak = processUse(ring.pids)?.peakBytes;
  const starts: number[] = [];
  for (let i = 0; i < STARTS; i++) starts.push(Math.max(...await ring.restart(arena)));
  const started = processUse(ring.pids)?.peakBytes;
  return {
    measures: [
      measure({
        what: "start-up to ready",
        unit: "s",
        ours: samplesOf(starts),
        target: (_, ours) => atMost(ours, 2, "2 s"),
      }),
      ...memory("memory per node, at most", peak),
      ...memory("memory per node, after a start", started),
      ...LOADS.map(({ what }, i) => compared(`${what}, of ${keys} keys`, many[i]!, few[i]!)),
    ],
    commands: contenders(keys).map(({ load }) => wrkCommand(load(0))),
    notes: [
      `Loaded at ${Math.round(perSecond)} keys/s.`,
      ...[...few, ...many].flatMap(troubleOf),
      await readBackSentence(ring, drawKeys(keys, keyName)),
    ],
  };
}

function contender(
  ring: OurRing,
  attack: Pick<Load, "work" | "query" | "keys">,
  context: RowContext,
): Contender {
  return {
    name: `mydht, ${attack.keys} keys`,
    pids: () => ring.pids,
    load: (round) => ({
      api: "mydht",
      ...attack,
      salt: `r${round}`,
      connections: 64,
      seconds: loadSeconds(context),
      ports: ring.ports,
    }),
  };
}

function compared(what: string, many: Bout, few: Bout): Measure {
  const theirs = { ...sideFigures(few), name: `of ${FEW_KEYS} keys` };
  return measure({
    what,
    unit: "/s",
    ours: sideFigures(many),
    theirs,
    target: (ratio) => atLeast(ratio, 0.8, "0.8 x"),
  });
}

function memory(what: string, bytes: number | undefined): Measure[] {
  if (bytes === undefined) return [];
  const target = (_: unknown, ours: number) => atMost(ours, 300, "300 MiB");
  return [measure({ what, unit: "MiB", ours: samplesOf([bytes / MIB]), target })];
}
