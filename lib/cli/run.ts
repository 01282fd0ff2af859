import { VERSION } from "../version.ts";
import { type Invocation, parseInvocation } from "./commands.ts";
import { type CliIo, ClosedOutputError, printLine } from "./io.ts";
import type { Session } from "./session.ts";

/** Starts what runs for long: a node, or a cluster of them. Gives the exit code. */
export type Starters = Readonly<Record<"node" | "cluster", (args: readonly string[]) => Promise<number>>>;

/**
 * Runs the client program.
 *
 * @returns The exit code: 0 done; 1 failed, or no such key; 2 not understood; 3 no node reached; 130 interrupted.
 */
export async function runCli(args: readonly string[], io: CliIo, starters: Starters): Promise<number> {
  try {
    return await obey(parseInvocation(args), io, starters);
  } catch (error) {
    if (error instanceof ClosedOutputError) return 0;
    return await tell(error, io);
  }
}

async function obey(invocation: Invocation, io: CliIo, starters: Starters): Promise<number> {
  switch (invocation.kind) {
    case "start":
      return await starters[invocation.starter](invocation.args);
    case "version":
      await printLine(io.stdout, `mydht ${VERSION}`);
      return 0;
    case "help":
      return await showHelp(invocation.topic, io, starters);
    case "usage": {
      const topic = invocation.topic === undefined ? "" : `${invocation.topic} `;
      await printLine(io.stderr, `mydht: ${invocation.message}\nTry "mydht ${topic}--help".`);
      return 2;
    }
    case "ask": {
      const { Session } = await import("./session.ts");
      const act = await findAction(invocation.command.name);
      return await act(new Session(io, invocation.values, invocation.switches));
    }
  }
}

async function showHelp(
  topic: Extract<Invocation, { kind: "help" }>["topic"],
  io: CliIo,
  starters: Starters,
): Promise<number> {
  if (topic === "node" || topic === "cluster") return await starters[topic](["--help"]);
  const { commandHelp, generalHelp } = await import("./help.ts");
  await printLine(io.stdout, topic === undefined ? generalHelp() : commandHelp(topic));
  return 0;
}

type Action = (session: Session) => Promise<number>;

/** Loads the code of one command; the others would only make its start slower. */
async function findAction(name: string): Promise<Action> {
  const keys = () => import("./key_commands.ts");
  const ring = () => import("./ring_commands.ts");
  const trees = () => import("./tree_commands.ts");
  const actions: Readonly<Record<string, () => Promise<Action>>> = {
    put: async () => (await keys()).put,
    get: async () => (await keys()).get,
    del: async () => (await keys()).del,
    haskey: async () => (await keys()).haskey,
    whereis: async () => (await keys()).whereis,
    ls: async () => (await import("./list_command.ts")).ls,
    upload: async () => (await trees()).upload,
    download: async () => (await trees()).download,
    status: async () => (await ring()).status,
    nodes: async () => (await ring()).nodes,
    balance: async () => (await ring()).balance,
    purge: async () => (await ring()).purge,
    leave: async () => (await ring()).leave,
    plan: async () => (await import("./plan_command.ts")).plan,
    remove: async () => (await ring()).remove,
  };
  return await actions[name]!();
}

async function tell(error: unknown, io: CliIo): Promise<number> {
  const { EXIT, explain, isInterruption } = await import("./failures.ts");
  const { message, exitCode } = isInterruption(error)
    ? { message: "interrupted", exitCode: EXIT.interrupted }
    : explain(error);
  await printLine(io.stderr, `mydht: ${message}`).catch(() => {});
  return exitCode;
}
