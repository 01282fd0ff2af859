import type { TaskAnswer } from "../api.ts";
import { callJson, type Via } from "./call.ts";
import { MyDhtError } from "./errors.ts";

/** A task of the ring ended without having done all of its work. */
export class TaskFailedError extends MyDhtError {
  override readonly name = "TaskFailedError";

  constructor(server: string, readonly task: TaskAnswer) {
    const why = task.error ?? `${task.failed} attempts failed`;
    super(server, `The ${task.kind} on ${server} did not end well: ${why}`);
  }
}

/** Options of what takes a while in the ring. */
export interface TaskOptions {
  /** Called with the state of the task whenever it was asked for. */
  readonly onProgress?: (task: TaskAnswer) => void;
  /** Ends the waiting, not the task. */
  readonly signal?: AbortSignal;
}

/** First and longest pause between two questions after a task, in milliseconds. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;

/**
 * Starts a task and asks after it until it is done, however long that is; each question has its own deadline.
 *
 * @throws {TaskFailedError} If it ended with an error.
 */
export async function runTask(
  via: Via,
  kind: TaskAnswer["kind"],
  headers: Readonly<Record<string, string>>,
  { onProgress, signal }: TaskOptions,
): Promise<TaskAnswer> {
  const started = await callJson<TaskAnswer>(via, { method: "POST", path: `/${kind}`, headers, signal });
  // A task is known to the node that it was started on.
  const there: Via = { ...via, servers: [started.server] };
  let task = started.json;
  for (let pauseMs = FIRST_PAUSE_MS; !task.done; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
    onProgress?.(task);
    await via.clock.sleep(pauseMs, signal);
    const path = `/tasks/${encodeURIComponent(task.id)}`;
    task = (await callJson<TaskAnswer>(there, { method: "GET", path, signal })).json;
  }
  onProgress?.(task);
  if (task.error !== null) throw new TaskFailedError(started.server, task);
  return task;
}

/** Cancels the leave of the node that is asked; its task has then ended. */
export async function cancelLeave(
  via: Via,
  headers: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<TaskAnswer> {
  return (await callJson<TaskAnswer>(via, { method: "DELETE", path: "/tasks/leave", headers, signal })).json;
}
