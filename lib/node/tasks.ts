import { DhtError, sentence } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { TaskView } from "./service.ts";

/** Tasks remembered after they are done. */
const MAX_TASKS = 100;

/** Tasks that may run at the same time; more are refused as "overloaded". */
const MAX_RUNNING = 32;

/** A task while it runs: its worker counts here. */
export type Task = { -readonly [K in keyof TaskView]: TaskView[K] };

/** The background tasks of one node, the last hundred of them. */
export class Tasks {
  readonly #tasks = new Map<string, Task>();
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(deps: { clock: Clock; random: Random }) {
    this.#clock = deps.clock;
    this.#random = deps.random;
  }

  /**
   * Starts `work`; whatever it throws becomes the task's error. The same id twice is one task.
   *
   * @throws {DhtError} "overloaded" where too many run already.
   */
  start(kind: TaskView["kind"], work: (task: Task) => Promise<void>, id = this.#random.hex(8)): Task {
    const known = this.#tasks.get(id);
    if (known !== undefined) return known;
    if ([...this.#tasks.values()].filter(({ done }) => !done).length >= MAX_RUNNING) {
      throw new DhtError("overloaded", `Cannot ${kind}: ${MAX_RUNNING} tasks run already`);
    }
    const task: Task = {
      id,
      kind,
      done: false,
      compared: 0,
      sent: 0,
      fetched: 0,
      dropped: 0,
      failed: 0,
      startedMs: this.#clock.nowMs(),
    };
    this.#tasks.set(id, task);
    this.#forgetOldest();
    void this.#run(task, work);
    return task;
  }

  /** A task by its id. */
  find(id: string): Task | undefined {
    return this.#tasks.get(id);
  }

  /** Has a later start with that id begin anew. */
  forget(id: string): void {
    this.#tasks.delete(id);
  }

  async #run(task: Task, work: (task: Task) => Promise<void>): Promise<void> {
    try {
      await work(task);
    } catch (error) {
      noteFailure(task, error);
    }
    task.endedMs = this.#clock.nowMs();
    task.done = true;
  }

  #forgetOldest(): void {
    for (const [id, task] of this.#tasks) {
      if (this.#tasks.size <= MAX_TASKS) return;
      if (task.done) this.#tasks.delete(id);
    }
  }
}

/** A task that nobody polls: counts for work that runs by itself. */
export function emptyTask(): Task {
  const counts = { compared: 0, sent: 0, fetched: 0, dropped: 0, failed: 0 };
  return { id: "", kind: "balance", done: false, startedMs: 0, ...counts };
}

/** Counts a failure and keeps its sentence. */
export function noteFailure(task: Task, error: unknown): void {
  task.failed++;
  task.error = sentence(error);
}

/** The answer to an id nobody knows. */
export function unknownTask(id: string): DhtError {
  return new DhtError("unknown_task", `Cannot find task ${id}: it never was, or is long done`, { task: id });
}
