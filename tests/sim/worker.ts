/** A process that runs seeds for `main.ts`; its only argument is the task. */
import { runTask, type WorkerTask } from "./workers.ts";

const task: WorkerTask = JSON.parse(Deno.args[0] ?? "{}");
await runTask(task, (line) => console.log(JSON.stringify(line)));
