import { type Bout, type Contender, duel, sideFigures, troubleOf } from "../duel.ts";
import { fill } from "../loader.ts";
import { drawKeys, readBackSentence } from "../readback.ts";
import { atLeast, type Measure, measure } from "../report.ts";
import { type Api, keyName } from "../requests.ts";
import { loadSeconds, requireWrk, type Row, type RowContext, type RowResult } from "../row.ts";
import { EtcdCluster, OurRing, type Side } from "../sides.ts";
import { type Load, wrkCommand } from "../wrk.ts";

/** What one side of a row is sent. */
interface Attack<Dialect extends Api = Api> {
  readonly api: Dialect;
  readonly work: Load["work"];
  readonly query?: string;
}

/** A row in which both sides are loaded by wrk. */
interface LoadRow {
  readonly name: string;
  readonly work: string;
  readonly what: string;
  readonly connections: number;
  /** Keys that are there before; of a sweep, as many as a load can be expected to read once. */
  readonly keys?: number;
  readonly spread?: boolean;
  /** Whether our nodes are started again before each round, so that they have nothing in memory. */
  readonly cold?: boolean;
  readonly ours: Attack;
  readonly theirs: Attack<"etcd2" | "etcd3">;
  /** Ratio that is to be reached. */
  readonly wanted: number;
}

const KEYS = 20_000;
const SWEPT_KEYS = 200_000;
const put = { api: "mydht", work: "put" } as const;
const get = { api: "mydht", work: "get" } as const;
const etcdPut = { api: "etcd2", work: "put" } as const;
const etcdGet = { api: "etcd2", work: "get" } as const;
const etcdQuorumGet = { ...etcdGet, query: "quorum=true" } as const;

const ROWS: readonly LoadRow[] = [
  {
    name: "put-64",
    work: "100-byte values over 20,000 random keys, 64 connections to one node",
    what: "puts",
    connections: 64,
    ours: put,
    theirs: etcdPut,
    wanted: 2.5,
  },
  {
    name: "put-256",
    work: "the same over 256 connections",
    what: "puts",
    connections: 256,
    ours: put,
    theirs: etcdPut,
    wanted: 2.5,
  },
  {
    name: "put-new",
    work: "as put-64, every key new",
    what: "puts",
    connections: 64,
    keys: 0,
    ours: { ...put, work: "new" },
    theirs: { ...etcdPut, work: "new" },
    wanted: 2,
  },
  {
    name: "put-spread",
    work: "as put-64, the connections spread over all three nodes",
    what: "puts",
    connections: 64,
    spread: true,
    ours: put,
    theirs: etcdPut,
    wanted: 2.5,
  },
  {
    name: "put-v3",
    work: "as put-64, against the JSON gateway of etcd's v3 API",
    what: "puts",
    connections: 64,
    ours: put,
    theirs: { api: "etcd3", work: "put" },
    wanted: 4,
  },
  {
    name: "get-v3",
    work:
      "default reads of 20,000 random keys over 64 connections, against linearizable reads by the JSON gateway of etcd's v3 API",
    what: "gets",
    connections: 64,
    ours: get,
    theirs: { api: "etcd3", work: "get" },
    wanted: 5,
  },
  {
    name: "get-one",
    work:
      "consistency=one of 20,000 keys that were just written, 64 connections to one node, against etcd's local reads",
    what: "gets",
    connections: 64,
    ours: { ...get, query: "consistency=one" },
    theirs: etcdGet,
    wanted: 2,
  },
  {
    name: "get-one-cold",
    work:
      "consistency=one of keys that the node has not read since it was started, against etcd's local reads",
    what: "gets",
    connections: 64,
    keys: SWEPT_KEYS,
    cold: true,
    ours: { ...get, work: "sweep", query: "consistency=one" },
    theirs: { ...etcdGet, work: "sweep" },
    wanted: 1,
  },
  {
    name: "get-quorum",
    work: "default reads of 20,000 random keys, 64 connections to one node, against etcd's ?quorum=true",
    what: "gets",
    connections: 64,
    ours: get,
    theirs: etcdQuorumGet,
    wanted: 4,
  },
  {
    name: "get-strong",
    work:
      "consistency=strong reads of 20,000 random keys, 64 connections to one node, against etcd's ?quorum=true",
    what: "gets",
    connections: 64,
    ours: { ...get, query: "consistency=strong" },
    theirs: etcdQuorumGet,
    wanted: 2,
  },
  {
    name: "put-strong",
    work:
      "consistency=strong writes of 20,000 random keys, 64 connections to one node, against etcd's writes",
    what: "puts",
    connections: 64,
    ours: { ...put, query: "/consistency=strong" },
    theirs: etcdPut,
    wanted: 1,
  },
  {
    name: "mixed",
    work:
      "80 % default reads and 20 % writes of 20,000 zipfian keys (s = 0.99), 64 connections to one node, against etcd's ?quorum=true reads and its writes",
    what: "operations",
    connections: 64,
    ours: { api: "mydht", work: "mixed" },
    theirs: { api: "etcd2", work: "mixed", query: "quorum=true" },
    wanted: 2.5,
  },
];

/** The rows in which MyDHT and etcd are loaded in turn. */
export const LOAD_ROWS: readonly Row[] = ROWS.map((row) => ({
  name: row.name,
  work: row.work,
  run: (context) => runLoadRow(row, context),
}));

async function runLoadRow(row: LoadRow, context: RowContext): Promise<RowResult> {
  requireWrk(context);
  const { arena, print } = context;
  const notes: string[] = [];
  const ring = await OurRing.start(arena);
  const sides: Side[] = [ring, ...(context.has.etcd ? [await EtcdCluster.start(arena, row.theirs.api)] : [])];
  const keys = keysOf(row, context);
  for (const side of sides) {
    if (keys === 0) continue;
    const { count, perSecond } = await fill(side, keys);
    print(`${count} keys loaded into ${side.name} at ${Math.round(perSecond)}/s`);
  }
  const contenders = sides.map((side, i) =>
    contenderOf(row, { side, attack: i === 0 ? row.ours : row.theirs, context })
  );
  if (row.cold) contenders[0] = { ...contenders[0]!, prepare: async () => void await ring.restart(arena) };
  const bouts = await duel(arena, contenders, context);
  for (const [i, side] of sides.entries()) {
    notes.push(
      ...troubleOf(bouts[i]!),
      ...sweptNote(row, keys, bouts[i]!),
      ...await readBackNote(side, bouts[i]!, keys),
    );
  }
  if (sides.length === 1) notes.push("etcd is not installed: nothing to compare with.");
  return {
    measures: [measureOf(row, bouts)],
    commands: contenders.map(({ load }) => wrkCommand(load(0))),
    notes,
  };
}

function keysOf({ keys = KEYS }: LoadRow, { quick }: RowContext): number {
  return quick ? Math.min(keys, KEYS) : keys;
}

function contenderOf(
  row: LoadRow,
  { side, attack, context }: { readonly side: Side; readonly attack: Attack; readonly context: RowContext },
): Contender {
  const seconds = row.cold ? (context.quick ? 1 : 2) : loadSeconds(context);
  return {
    name: side.name,
    pids: () => side.pids,
    load: (round) => ({
      ...attack,
      keys: Math.max(1, keysOf(row, context)),
      salt: saltOf(round),
      connections: row.connections,
      seconds,
      ports: side.ports,
      spread: row.spread === true,
    }),
  };
}

function saltOf(round: number): string {
  return `r${round}`;
}

function measureOf({ what, wanted }: LoadRow, bouts: readonly Bout[]): Measure {
  return measure({
    what,
    unit: "/s",
    ours: sideFigures(bouts[0]!),
    theirs: bouts[1] && sideFigures(bouts[1]),
    target: (ratio) => atLeast(ratio, wanted, `${wanted} x`),
  });
}

function sweptNote({ cold }: LoadRow, keys: number, { contender, rounds }: Bout): string[] {
  const most = Math.max(...rounds.map(({ result }) => result.good));
  if (!cold || most <= keys) return [];
  return [
    `${contender.name}: up to ${most} reads of ${keys} keys in a round, so some were read more than once.`,
  ];
}

/** Reads back keys of a side after its last round, and says what came of it. */
async function readBackNote(side: Side, { contender, rounds }: Bout, keys: number): Promise<string[]> {
  const { work, salt } = contender.load(rounds.length - 1);
  const { made, threads } = rounds.at(-1)!.result;
  // Of the keys that were new the last ones of each thread may have been cut off on their way.
  const surely = Math.max(0, made - 256);
  const names = work === "new"
    ? drawKeys(
      surely * threads,
      (i) => `n${salt}-${i % threads}-${String(Math.floor(i / threads)).padStart(8, "0")}`,
    )
    : drawKeys(keys, keyName);
  return [await readBackSentence(side, names)];
}
