import { HttpConnection } from "../http_connection.ts";
import { fill } from "../loader.ts";
import { drawKeys, readBackSentence } from "../readback.ts";
import { atMost, type Measure, measure, type SideFigures } from "../report.ts";
import { getRequest, keyName, putRequest, valueOf } from "../requests.ts";
import type { Row, RowContext, RowResult } from "../row.ts";
import { EtcdCluster, OurRing, type Side } from "../sides.ts";
import { figuresOf, percentile } from "../statistics.ts";

const KEYS = 1_000;

/** What one client does, one request after the other. */
const WORKS = [
  { what: "put", isPut: true, ours: "", theirs: "", isTarget: true },
  { what: "get", isPut: false, ours: "", theirs: "quorum=true", isTarget: true },
  { what: "get, any copy", isPut: false, ours: "consistency=one", theirs: "", isTarget: false },
] as const;

type Work = (typeof WORKS)[number];

/** How long one request takes where nobody else asks for anything. */
export const LATENCY_ROW: Row = {
  name: "latency",
  work:
    "one client, one kept-alive connection, one request after the other, 100-byte values: puts; default reads, against etcd's " +
    "?quorum=true; consistency=one, against etcd's local reads, for the record",
  run: runLatency,
};

async function runLatency(context: RowContext): Promise<RowResult> {
  const { arena, has, rounds, print } = context;
  const sides: Side[] = [await OurRing.start(arena), ...(has.etcd ? [await EtcdCluster.start(arena)] : [])];
  for (const side of sides) await fill(side, KEYS);
  const count = context.quick ? 200 : 1_000;
  // By side and work, the latencies of each round.
  const taken = sides.map(() => WORKS.map((): number[][] => []));
  for (let round = 0; round < rounds; round++) {
    for (const [s, side] of sides.entries()) {
      for (const [w, work] of WORKS.entries()) {
        taken[s]![w]!.push(await latencies(side, work, { count, round }));
      }
      print(`round ${round + 1} of ${rounds}, ${side.name}: done`);
    }
  }
  const figures = (s: number, w: number, percent: number): SideFigures | undefined => {
    const rounds = taken[s]?.[w];
    return rounds && { name: sides[s]!.name, ...figuresOf(rounds.map((one) => percentile(one, percent))) };
  };
  const measures = WORKS.flatMap((work, w) =>
    [50, 99].map((percent): Measure =>
      measure({
        what: `${work.what} p${percent}`,
        unit: "ms",
        ours: figures(0, w, percent)!,
        theirs: figures(1, w, percent),
        target: work.isTarget ? (ratio) => atMost(ratio, 1, "etcd's") : undefined,
      })
    )
  );
  const notes = await Promise.all(sides.map((side) => readBackSentence(side, drawKeys(KEYS, keyName))));
  return { measures, commands: [], notes: [`${count} requests of each kind in a round.`, ...notes] };
}

async function latencies(
  side: Side,
  work: Work,
  { count, round }: { readonly count: number; readonly round: number },
): Promise<number[]> {
  using connection = await HttpConnection.open(side.ports[0]!);
  const query = side.api === "mydht" ? work.ours : work.theirs;
  const taken: number[] = [];
  for (let i = 0; i < count; i++) {
    const key = keyName(Math.floor(Math.random() * KEYS));
    const request = work.isPut
      ? putRequest(side.api, key, valueOf(key, `l${round}`), query)
      : getRequest(side.api, key, query);
    const beganMs = performance.now();
    const { status } = await connection.ask(request);
    taken.push(performance.now() - beganMs);
    if (status >= 300) throw new Error(`${side.name} answered ${status}`);
  }
  return taken;
}
