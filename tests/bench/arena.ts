import { Guard } from "../chaos/guard.ts";
import { Child } from "../e2e/support/child.ts";
import { TestNode } from "../e2e/support/test_node.ts";

/** How to start a program. */
export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A directory, and the processes of one row. All of it is gone when the row ends, by whatever cause. */
export class Arena {
  readonly directory: string;
  readonly #guard: Guard;

  private constructor(directory: string) {
    this.directory = directory;
    this.#guard = new Guard(directory);
  }

  /** Runs a row in an arena of its own. */
  static async run<T>(row: (arena: Arena) => Promise<T>): Promise<T> {
    const arena = new Arena(await Deno.makeTempDir({ prefix: "mydht-bench-" }));
    try {
      return await row(arena);
    } finally {
      await arena.#guard.end();
    }
  }

  /** The full path of a file of this arena. */
  path(name: string): string {
    return `${this.directory}/${name}`;
  }

  /** Starts a program, in a process group of its own; its output is in files of the arena. */
  async start(name: string, command: readonly string[], options: StartOptions = {}): Promise<Child> {
    const child = new Child({
      command,
      cwd: this.directory,
      logs: this.path(name),
      ownGroup: true,
      ...options,
    });
    await this.#guard.began(child.pid);
    return child;
  }

  /** Starts a node. */
  async startNode(port: number, command: readonly string[]): Promise<TestNode> {
    const options = { command, cwd: this.directory, logs: this.path(`node-${port}`), ownGroup: true };
    const node = new TestNode(port, options);
    await this.#guard.began(node.child.pid);
    return node;
  }

  /** Starts a node again that has ended. */
  async restartNode(node: TestNode): Promise<void> {
    node.restart();
    await this.#guard.began(node.child.pid);
  }

  /** Waits until a program of the arena has ended. */
  async exit(child: Child, timeoutMs: number): Promise<number> {
    const code = await child.exit(timeoutMs);
    await this.#guard.ended(child.pid);
    return code;
  }

  /**
   * Runs a program to its end.
   *
   * @throws {Error} If that is not a good one, with what the program said.
   */
  async runToEnd(
    name: string,
    command: readonly string[],
    options: StartOptions & { timeoutMs: number },
  ): Promise<Child> {
    const { timeoutMs, ...start } = options;
    const child = await this.start(name, command, start);
    const code = await this.exit(child, timeoutMs);
    if (code !== 0) {
      throw new Error(`${command.join(" ")} ended with ${code}: ${(await child.stderr()).slice(-1000)}`);
    }
    return child;
  }
}
