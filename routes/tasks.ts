import { STATUS_CODE } from "@std/http/status";
import type { TaskAnswer } from "../lib/api.ts";
import type { TaskView } from "../lib/node/service.ts";
import type { Call } from "./call.ts";
import { HttpProblem } from "./problem.ts";
import { json } from "./respond.ts";

/** `POST /balance`: starts comparing and exchanging on all nodes. */
export async function startBalance({ deps }: Call): Promise<Response> {
  return started(await deps.node.balance());
}

/** `POST /purge`: starts dropping what is not this node's own. */
export async function startPurge({ deps }: Call): Promise<Response> {
  return started(await deps.node.purge());
}

/** `POST /leave`: this node starts to leave the ring. */
export async function startLeave({ deps }: Call): Promise<Response> {
  return started(await deps.node.leave());
}

/** `GET /tasks/{id}`: how far a task is. */
export async function showTask({ rest, deps }: Call): Promise<Response> {
  return json(taskAnswer(await deps.node.task(rest)));
}

/** `DELETE /tasks/leave`: has a node that is leaving stay; no other task can be cancelled. */
export async function cancelTask({ rest, deps }: Call): Promise<Response> {
  if (rest !== "leave") {
    await deps.node.task(rest);
    throw new HttpProblem("method_not_allowed", `Cannot cancel task ${rest}: only a leave can be cancelled`, {
      headers: { allow: "GET, HEAD, OPTIONS" },
    });
  }
  return json(taskAnswer(await deps.node.cancelLeave()));
}

function started(task: TaskView): Response {
  return json(taskAnswer(task), {
    status: STATUS_CODE.Accepted,
    headers: { location: `/tasks/${encodeURIComponent(task.id)}` },
  });
}

function taskAnswer({ startedMs, endedMs, error, ...task }: TaskView): TaskAnswer {
  return {
    ...task,
    error: error ?? null,
    started: startedMs / 1000,
    ended: endedMs === undefined ? null : endedMs / 1000,
  };
}
