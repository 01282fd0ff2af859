import type { Arena } from "./arena.ts";
import { type Metered, metered, usedInAll } from "./metering.ts";
import type { SideFigures } from "./report.ts";
import { figuresOf, median } from "./statistics.ts";
import { type Load, type LoadResult, runWrk } from "./wrk.ts";

/** One of those that are loaded in turn. */
export interface Contender {
  readonly name: string;
  readonly pids: () => readonly number[];
  /** What it is given in a round. */
  readonly load: (round: number) => Load;
  /** What must be done before each round, unmeasured; where there is such, nothing is warmed up. */
  readonly prepare?: () => Promise<void>;
}

/** What the rounds of one contender came to. */
export interface Bout {
  readonly contender: Contender;
  readonly rounds: readonly Metered<LoadResult>[];
}

/** Loads before the first round that nobody measures: compilers that look on need some time. */
const WARM_UP_SECONDS = 2;

/** Loads them in turn, round after round, once they are warm; who is first changes with each. */
export async function duel(
  arena: Arena,
  contenders: readonly Contender[],
  { rounds, print }: { readonly rounds: number; readonly print: (line: string) => void },
): Promise<Bout[]> {
  const results = contenders.map((): Metered<LoadResult>[] => []);
  for (const { load, prepare } of contenders) {
    if (prepare === undefined) await runWrk(arena, { ...load(0), salt: "warm", seconds: WARM_UP_SECONDS });
  }
  for (let round = 0; round < rounds; round++) {
    const order = contenders.map((_, i) => (i + round) % contenders.length);
    for (const i of order) {
      const { name, pids, load, prepare } = contenders[i]!;
      await prepare?.();
      const one = await metered(pids(), () => runWrk(arena, load(round)), ({ good }) => good);
      results[i]!.push(one);
      print(`round ${round + 1} of ${rounds}, ${name}: ${Math.round(one.result.perSecond)}/s`);
    }
  }
  return contenders.map((contender, i) => ({ contender, rounds: results[i]! }));
}

/** The figures of a bout: operations a second, unless something else of its results is asked for. */
export function sideFigures(
  { contender, rounds }: Bout,
  figure: (result: LoadResult) => number = ({ perSecond }) => perSecond,
): SideFigures {
  const use = usedInAll(rounds.map((round) => round.use), median);
  return {
    name: contender.name,
    ...figuresOf(rounds.map(({ result }) => figure(result))),
    ...(use === undefined ? {} : { use }),
  };
}

/** What did not go well in a bout; one sentence, or none. */
export function troubleOf({ contender, rounds }: Bout): string[] {
  const sum = (count: (result: LoadResult) => number) =>
    rounds.reduce((all, { result }) => all + count(result), 0);
  const refused = sum((result) => result.refused);
  const broken = sum((result) => result.broken);
  if (refused + broken === 0) return [];
  return [
    `${contender.name}: ${refused} answers were no success, and ${broken} requests without an answer, beside ${
      sum((r) => r.good)
    } good ones.`,
  ];
}
