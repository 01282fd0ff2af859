/** Seeds in several processes: each worker runs every so-manieth seed and says what came of it, a line each. */
import type { SeedFigures } from "./summary.ts";
import type { PlanName } from "./plans.ts";
import { runSeed } from "./swarm.ts";

/** The seeds one worker runs, and how. */
export interface WorkerTask {
  readonly first: number;
  /** From one of its seeds to the next. */
  readonly step: number;
  readonly count: number;
  readonly plan?: PlanName;
  readonly nodes?: number;
}

/** What a worker says of a seed. */
export interface WorkerLine extends SeedFigures {
  readonly injected: readonly (readonly [string, number])[];
  /** The whole story, where a promise was broken. */
  readonly story?: string;
}

/** Runs the seeds of a task one after the other, up to the first that breaks a promise. */
export async function runTask(task: WorkerTask, say: (line: WorkerLine) => void): Promise<void> {
  const { first, step, count, plan, nodes } = task;
  for (let i = 0; i < count; i++) {
    const report = await runSeed(first + i * step, {
      ...(plan === undefined ? {} : { plan }),
      ...(nodes === undefined ? {} : { nodes }),
    });
    const { seed, operations, overlapShare, reads, virtualMs, longestReadMs } = report;
    const failed = report.violations.length > 0;
    say({
      seed,
      operations,
      overlapShare,
      reads,
      virtualMs,
      longestReadMs,
      injected: [...report.injected],
      ...(failed ? { story: report.story() } : {}),
    });
    if (failed) return;
  }
}

/**
 * Spreads seeds over `jobs` processes and hands on what they say, until all have ended, or one line has a story.
 *
 * @param script What a worker runs, with its task as its only argument.
 * @throws {Error} If a worker ends for another reason.
 */
export async function runInWorkers(
  seeds: {
    readonly first: number;
    readonly count: number;
    readonly plan?: PlanName;
    readonly nodes?: number;
  },
  options: { readonly jobs: number; readonly script: string },
  hear: (line: WorkerLine) => void,
): Promise<void> {
  const { first, count, ...rest } = seeds;
  const jobs = Math.min(options.jobs, count);
  const workers = Array.from({ length: jobs }, (_, i) => {
    const task: WorkerTask = { ...rest, first: first + i, step: jobs, count: Math.ceil((count - i) / jobs) };
    return startWorker(options.script, task);
  });
  let over = false;
  const endAll = (): void => {
    over = true;
    workers.forEach(kill);
  };
  const follow = async (worker: Deno.ChildProcess): Promise<void> => {
    for await (const line of linesOf(worker.stdout)) {
      if (over) break;
      const said: WorkerLine = JSON.parse(line);
      hear(said);
      if (said.story !== undefined) endAll();
    }
    const { code } = await worker.status;
    if (!over && code !== 0) throw new Error(`a worker ended with exit code ${code}`);
  };
  try {
    await Promise.all(workers.map(follow));
  } finally {
    endAll();
    await Promise.all(workers.map((worker) => worker.status));
  }
}

function startWorker(script: string, task: WorkerTask): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", script, JSON.stringify(task)],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

function kill(worker: Deno.ChildProcess): void {
  try {
    worker.kill("SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
