import { VERSION } from "../version.ts";
import { type ClusterHost, type NodeProcess, runCluster } from "./cluster.ts";
import { parseCluster } from "./cluster_plan.ts";
import { clusterHelp } from "./node_help.ts";
import { type CliIo, printLine } from "./io.ts";
import { NODE_PERMISSIONS } from "./node_flags.ts";

/**
 * `mydht cluster`: runs a ring of node processes on this machine.
 *
 * @returns The exit code: 0 after a stop, 1 where no node is left, 2 for a usage error.
 */
export async function cluster(args: readonly string[], io: CliIo): Promise<number> {
  const parsed = parseCluster(args);
  switch (parsed.kind) {
    case "help":
      await printLine(io.stdout, clusterHelp());
      return 0;
    case "version":
      await printLine(io.stdout, `mydht ${VERSION}`);
      return 0;
    case "usage":
      await printLine(io.stderr, `mydht: ${parsed.message}\nTry "mydht cluster --help".`);
      return 2;
    case "run":
      if (Deno.permissions.querySync({ name: "run", command: Deno.execPath() }).state !== "granted") {
        console.error(
          "mydht: this program has no permission to start others: from source, use deno task cluster",
        );
        return 1;
      }
      return await runCluster(parsed.plan, machine(io));
  }
}

/** Nodes use what `deno.json` switches on; a bundle far from it does not see that. */
const UNSTABLE = ["--unstable-kv", "--unstable-cron", "--unstable-no-legacy-abort"];

/** How a node is started: by this program where it is compiled, else by Deno from this program's source. */
export function nodeCommand(
  args: readonly string[],
  program: { readonly isStandalone: boolean; readonly mainModule: string },
): string[] {
  const node = ["node", ...args];
  return program.isStandalone
    ? node
    : ["run", "--quiet", ...UNSTABLE, ...NODE_PERMISSIONS, program.mainModule, ...node];
}

function machine(io: CliIo): ClusterHost {
  const hasColors = io.stdout.isTerminal() && !io.env("NO_COLOR");
  // Who reads along may go: the nodes stay.
  const print = (line: string) => printLine(io.stdout, line).catch(() => {});
  return {
    spawn,
    fetch: io.fetch,
    clock: io.clock,
    print,
    printOf: (index, port, line) => print(`${prefix(index, port, hasColors)} ${line}`),
    onStop,
  };
}

/** Green, yellow, blue, magenta, cyan, red. */
const COLORS = [32, 33, 34, 35, 36, 31];

function prefix(index: number, port: number, hasColors: boolean): string {
  return hasColors ? `\x1b[${COLORS[index % COLORS.length]}m${port} |\x1b[0m` : `${port} |`;
}

function spawn(args: readonly string[]): NodeProcess {
  const program = { isStandalone: Deno.build.standalone, mainModule: Deno.mainModule };
  const child = new Deno.Command(Deno.execPath(), {
    args: nodeCommand(args, program),
    // A terminal's Ctrl-C goes to its whole process group: the nodes must not take it as theirs and leave.
    detached: true,
    // An empty variable counts as none.
    env: { MYDHT_JOIN: "" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  return {
    lines: merged(linesOf(child.stdout), linesOf(child.stderr)),
    ended: child.status.then(({ code, signal }) =>
      signal === null ? `exit code ${code}` : `signal ${signal}`
    ),
    kill(signal) {
      try {
        child.kill(signal);
      } catch {
        // It has ended already.
      }
    },
  };
}

/** Longest line that is kept together, in characters. */
const LINE_MAX = 64 * 1024;

/** The lines of a stream of UTF-8, without their ends. */
export async function* linesOf(
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string, void, void> {
  let rest = "";
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop()!;
    yield* lines;
    if (rest.length > LINE_MAX) {
      yield rest;
      rest = "";
    }
  }
  if (rest !== "") yield rest;
}

/** What two sources give, as it comes. */
export async function* merged<T>(a: AsyncIterable<T>, b: AsyncIterable<T>): AsyncGenerator<T, void, void> {
  const sources = [a, b].map((source) => source[Symbol.asyncIterator]());
  const ask = async (index: number) => ({ index, result: await sources[index]!.next() });
  const pending = new Map(sources.map((_, index) => [index, ask(index)]));
  while (pending.size > 0) {
    const { index, result } = await Promise.race(pending.values());
    if (result.done) pending.delete(index);
    else {
      pending.set(index, ask(index));
      yield result.value;
    }
  }
}

function onStop(stop: () => void): Disposable {
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) Deno.addSignalListener(signal, stop);
  return {
    [Symbol.dispose]() {
      for (const signal of signals) Deno.removeSignalListener(signal, stop);
    },
  };
}
