import { environment } from "./program.ts";

/** What to start, and where. */
export interface ChildOptions {
  readonly command: readonly string[];
  readonly cwd: string;
  /** Its stdout and stderr go to this name with `.out` and `.err`; files, so that nothing is pending between tests. */
  readonly logs: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it leads a process group of its own, which signals to that of the tests do not reach. */
  readonly ownGroup?: boolean;
}

/** A process that a test started, with its output in files. */
export class Child {
  readonly #process: Deno.ChildProcess;
  readonly #logs: string;
  #exitCode: number | undefined;

  constructor({ command, cwd, logs, env, ownGroup = false }: ChildOptions) {
    this.#logs = logs;
    // The shell becomes the program: signals reach it, and its exit code is the one seen here.
    this.#process = new Deno.Command("sh", {
      args: ["-c", 'exec "$@" >>"$0.out" 2>>"$0.err"', logs, ...command],
      cwd,
      env: environment(env),
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
      detached: ownGroup,
    }).spawn();
    void this.#process.status.then(({ code }) => this.#exitCode = code);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Its exit code, once it has ended; of one that a signal ended 128 and the number of the signal. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** Sends a signal; nothing where it has ended. */
  signal(signal: Deno.Signal): void {
    if (this.#exitCode === undefined) this.#process.kill(signal);
  }

  /**
   * Waits for its end.
   *
   * @throws {Error} If it still runs after `timeoutMs`.
   */
  async exit(timeoutMs = 30_000): Promise<number> {
    let timer: number | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new Error(`Process ${this.pid} still runs after ${timeoutMs} ms`);
      timer = setTimeout(() => reject(error), timeoutMs) as unknown as number;
    });
    try {
      return (await Promise.race([this.#process.status, late])).code;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.exit();
  }

  stdout(): Promise<string> {
    return read(`${this.#logs}.out`);
  }

  stderr(): Promise<string> {
    return read(`${this.#logs}.err`);
  }

  /** Most memory it had at once so far, in bytes; while it runs, and on Linux. */
  peakMemoryBytes(): number {
    const status = Deno.readTextFileSync(`/proc/${this.pid}/status`);
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  }
}

async function read(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
