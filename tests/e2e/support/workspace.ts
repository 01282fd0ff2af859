import { Child } from "./child.ts";
import { freePort } from "./free_port.ts";
import { environment, taskArguments } from "./program.ts";
import { settled, TestNode } from "./test_node.ts";

/** What a run of the client came to. */
export interface CliRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as it was. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** How to run the client. */
export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: Uint8Array;
}

/** How to start a node. */
export interface NodeOptions {
  readonly port?: number;
  /** Beside the port. */
  readonly flags?: readonly string[] | ((port: number) => readonly string[]);
  readonly env?: Readonly<Record<string, string>>;
  /** A command that takes another one as its last arguments, as `env` does. */
  readonly under?: readonly string[];
}

/** A directory and the processes that a test starts in it; all of it is gone when it ends. */
export class Workspace {
  readonly #children: { readonly name: string; readonly current: () => Child }[] = [];

  private constructor(readonly directory: string) {}

  /** Runs a test in a workspace; where it fails, shows what the processes had to say. */
  static async run(test: (work: Workspace) => Promise<void>): Promise<void> {
    const work = new Workspace(await Deno.makeTempDir({ prefix: "mydht-e2e-" }));
    try {
      await work.#explained(() => test(work));
    } finally {
      await work.#clear();
    }
  }

  /** A step of a test: one that fails shows what the processes had to say, too. */
  async step(context: Deno.TestContext, name: string, step: () => void | Promise<void>): Promise<void> {
    await context.step(name, () => this.#explained(step));
  }

  /** The full path of a file of this workspace. */
  path(name: string): string {
    return `${this.directory}/${name}`;
  }

  /** Starts a node, as `deno task node` does; its data is in the default place. */
  node({ port = freePort(), flags = [], env = {}, under = [] }: NodeOptions = {}): TestNode {
    const node = new TestNode(port, {
      command: [
        ...under,
        ...this.nodeCommand(["--port", `${port}`, ...typeof flags === "function" ? flags(port) : flags]),
      ],
      cwd: this.directory,
      logs: this.path(`node-${port}`),
      env,
    });
    this.#children.push({ name: node.address, current: () => node.child });
    return node;
  }

  nodeCommand(flags: readonly string[]): string[] {
    return [Deno.execPath(), ...taskArguments("node"), ...flags];
  }

  /** Starts a ring and waits until all nodes hold their shares of it. */
  async ring(
    size: number,
    options: { readonly flags?: readonly string[] } = {},
  ): Promise<TestNode[]> {
    const first = await this.node(options).ready();
    const flags = [...options.flags ?? [], "--server", first.address];
    const others = Array.from({ length: size - 1 }, () => this.node({ ...options, flags }));
    const nodes = [first, ...others];
    await settled(nodes);
    return nodes;
  }

  /** Starts one of the other programs of `deno.json`, or a command of the client that takes a while. */
  start(name: string, command: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
    const child = new Child({ command, cwd: this.directory, logs: this.path(name), env });
    this.#children.push({ name, current: () => child });
    return child;
  }

  cliCommand(args: readonly string[]): string[] {
    return [Deno.execPath(), ...taskArguments("cli"), ...args];
  }

  /** Runs the client to its end, its output into pipes. */
  async cli(args: readonly string[], { env = {}, stdin }: CliOptions = {}): Promise<CliRun> {
    const [program, ...rest] = this.cliCommand(args);
    const child = new Deno.Command(program!, {
      args: rest,
      cwd: this.directory,
      env: environment(env),
      clearEnv: true,
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const fed = stdin === undefined ? undefined : feed(child.stdin, stdin);
    const { code, stdout, stderr } = await child.output();
    await fed;
    const text = new TextDecoder();
    return { code, bytes: stdout, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  }

  async #explained(test: () => void | Promise<void>): Promise<void> {
    try {
      await test();
    } catch (error) {
      await this.#showLogs();
      throw error;
    }
  }

  async #showLogs(): Promise<void> {
    for (const { name, current } of this.#children) {
      const child = current();
      const ended = child.exitCode === undefined ? "runs" : `ended with ${child.exitCode}`;
      console.error(
        `--- ${name} (${child.pid}) ${ended}\n${await child.stdout()}${await child.stderr()}`,
      );
    }
  }

  async #clear(): Promise<void> {
    const running = this.#children.map(({ current }) => current()).filter((child) =>
      child.exitCode === undefined
    );
    const below = await descendants(running.map((child) => child.pid));
    await Promise.all(running.map((child) => child.kill()));
    for (const pid of below) endNow(pid);
    await Deno.remove(this.directory, { recursive: true });
  }
}

/** A program that ends before it has read everything is no failure of the test. */
async function feed(to: WritableStream<Uint8Array>, bytes: Uint8Array): Promise<void> {
  const writer = to.getWriter();
  await writer.write(bytes).then(() => writer.close()).catch(() => {});
}

/** Processes that those have started, and those in turn; some run on when whoever started them is killed. */
async function descendants(pids: readonly number[]): Promise<number[]> {
  if (pids.length === 0) return [];
  const { stdout } = await new Deno.Command("ps", { args: ["-A", "-o", "pid=,ppid="] }).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  const parents = new Map(lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]));
  const found = new Set(pids);
  for (let before = 0; before < found.size;) {
    before = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  return [...found].filter((pid) => !pids.includes(pid));
}

function endNow(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    // It may have ended by itself.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
