import type { CliIo, Output } from "../../lib/cli/io.ts";
import { ClosedOutputError } from "../../lib/cli/io.ts";
import { runCli } from "../../lib/cli/run.ts";
import { FakeClock, fakeFetch, type Reply, type SentRequest } from "../client/fakes.ts";

/** What a run of the program is given; everything has a default. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Whether stdout, and stderr, are terminals. */
  readonly terminal?: boolean;
  readonly stderrTerminal?: boolean;
  readonly stdin?: string;
  /** Bytes after which whoever reads stdout goes. */
  readonly stdoutClosesAfter?: number;
  /** Ctrl-C. */
  readonly interrupt?: AbortSignal;
}

/** What became of it. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Uint8Array;
  readonly sent: readonly SentRequest[];
  /** Arguments of the node or cluster that was started. */
  readonly started: readonly string[] | undefined;
}

/** Runs the client program against a network that replies so, one reply for each request in turn. */
export async function run(
  args: readonly string[],
  replies: readonly Reply[] = [],
  options: RunOptions = {},
): Promise<RunResult> {
  const clock = new FakeClock();
  const network = fakeFetch(...replies);
  const stdout = collector(options.terminal ?? false, options.stdoutClosesAfter);
  const stderr = collector(options.stderrTerminal ?? false);
  let started: readonly string[] | undefined;
  const start = (name: string) => (rest: readonly string[]) => {
    started = [name, ...rest];
    return Promise.resolve(7);
  };
  let files = 0;
  const io: CliIo = {
    env: (name) => options.env?.[name],
    stdout,
    stderr,
    stdin: () => ReadableStream.from([new TextEncoder().encode(options.stdin ?? "")]),
    fetch: network.fetch,
    clock,
    randomHex: (bytes) => (files++).toString(16).padStart(bytes * 2, "0"),
    interruption: () => ({
      signal: options.interrupt ?? new AbortController().signal,
      [Symbol.dispose]() {},
    }),
  };
  const code = await clock.settle(runCli(args, io, { node: start("node"), cluster: start("cluster") }));
  if (clock.pending > 0) throw new Error("the program left alarms behind");
  return {
    code,
    stdout: stdout.text(),
    stderr: stderr.text(),
    stdoutBytes: stdout.bytes(),
    sent: network.sent,
    started,
  };
}

function collector(isTerminal: boolean, closesAfter = Infinity) {
  let all = new Uint8Array();
  const output: Output & { bytes(): Uint8Array; text(): string } = {
    isTerminal: () => isTerminal,
    write(bytes) {
      if (all.length >= closesAfter) return Promise.reject(new ClosedOutputError("closed"));
      all = Uint8Array.from([...all, ...bytes]);
      return Promise.resolve();
    },
    bytes: () => all,
    text: () => new TextDecoder().decode(all),
  };
  return output;
}
