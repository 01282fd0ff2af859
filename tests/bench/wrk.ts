import { ROOT } from "../e2e/support/program.ts";
import type { Arena } from "./arena.ts";

/** What one load by wrk came to. */
export interface LoadResult {
  /** How long it lasted. */
  readonly seconds: number;
  /** Requests that were answered well. */
  readonly good: number;
  readonly perSecond: number;
  /** Answers of a status that is no success, and requests without an answer. */
  readonly refused: number;
  readonly broken: number;
  /** Latency in milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Keys that each thread has surely written, where every key was new, and how many threads there were. */
  readonly made: number;
  readonly threads: number;
}

/** A load, as `load.lua` takes it. */
export interface Load {
  readonly api: "mydht" | "etcd2" | "etcd3";
  readonly work: "put" | "new" | "get" | "sweep" | "mixed";
  readonly keys: number;
  readonly salt: string;
  /** Of reads, and of writes behind a slash. */
  readonly query?: string;
  readonly connections: number;
  readonly seconds: number;
  /** The first is loaded, or all where `spread` is set. */
  readonly ports: readonly number[];
  readonly spread?: boolean;
}

const SCRIPT = "tests/bench/load.lua";
/** Longer than any request may take before it counts as broken. */
const TIMEOUT = "15s";

/** Whether the load tool can be started. */
export async function hasProgram(name: string): Promise<boolean> {
  const { code } = await new Deno.Command("sh", {
    args: ["-c", `command -v ${name}`],
    stdout: "null",
    stderr: "null",
  }).output();
  return code === 0;
}

/** The command of a load, as a reader would type it in the project's directory. */
export function wrkCommand(
  { api, work, keys, salt, query, connections, seconds, ports, spread }: Load,
): string {
  // As many threads as nodes, or two: the machine has nodes to run, too.
  const threads = spread === true ? ports.length : Math.min(2, connections);
  const all = Math.ceil(connections / threads) * threads;
  const over = spread === true ? `BENCH_SPREAD=${ports.map((port) => `127.0.0.1:${port}`).join(",")} ` : "";
  const about = [api, work, keys, salt, ...(query === undefined ? [] : [query])].join(" ");
  return `${over}wrk -t${threads} -c${all} -d${seconds}s --timeout ${TIMEOUT} -s ${SCRIPT} ` +
    `http://127.0.0.1:${ports[0]} -- ${about}`;
}

/**
 * Runs a load to its end.
 *
 * @throws {Error} If wrk could not, with what it said.
 */
export async function runWrk(arena: Arena, load: Load): Promise<LoadResult> {
  const child = await arena.start("wrk", ["sh", "-c", wrkCommand(load).replace(/(^| )wrk/, "$1exec wrk")], {
    cwd: ROOT,
  });
  const code = await arena.exit(child, (load.seconds + 60) * 1000);
  const text = await child.stdout();
  if (code !== 0) throw new Error(`wrk ended with ${code}: ${await child.stderr()}${text}`);
  return parseWrk(text);
}

/**
 * Reads the line that `load.lua` prints last; the output of earlier loads may stand before it.
 *
 * @throws {SyntaxError} If there is none, or it lacks a figure.
 */
export function parseWrk(text: string): LoadResult {
  const line = text.split("\n").findLast((one) => one.startsWith("result "));
  if (line === undefined) throw new SyntaxError(`wrk has printed no result: ${text.slice(-500)}`);
  const figures = new Map(line.split(" ").slice(1).map((word) => word.split("=") as [string, string]));
  const figure = (name: string): number => {
    const value = Number(figures.get(name) ?? NaN);
    if (Number.isNaN(value)) throw new SyntaxError(`The result of wrk lacks ${name}: ${line}`);
    return value;
  };
  const seconds = figure("duration") / 1e6;
  const refused = figure("status");
  const good = figure("requests") - refused;
  return {
    seconds,
    good,
    perSecond: good / seconds,
    refused,
    broken: figure("connect") + figure("read") + figure("write") + figure("timeout"),
    p50Ms: figure("p50") / 1000,
    p99Ms: figure("p99") / 1000,
    maxMs: figure("max") / 1000,
    made: figure("made"),
    threads: figure("threads"),
  };
}
