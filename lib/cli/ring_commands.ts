import { formatAddress, parseAddress } from "../address.ts";
import type { ChangeAnswer, RingAnswer, StatusAnswer, TaskAnswer } from "../api.ts";
import type { TaskOptions } from "../client.ts";
import { EXIT, isInterruption, UsageError } from "./failures.ts";
import { bytesText, countText, momentText, spanText, visible } from "./format.ts";
import type { Session } from "./session.ts";
import { type Column, tabbedLine, tableLines } from "./table.ts";

/** Time between two lines of progress where they stay, in milliseconds. */
const LINE_EVERY_MS = 10_000;

/** `balance`: all nodes compare and exchange. */
export function balance(session: Session): Promise<number> {
  const client = session.client({ withSecret: true });
  return runTask(session, "BALANCE ok", (options) => client.balance(options));
}

/** `purge`: a node drops what is not its own. */
export function purge(session: Session): Promise<number> {
  const client = session.client({ withSecret: true });
  const address = session.value("key") === undefined ? undefined : nodeName(session);
  return runTask(session, "PURGE ok", (options) => client.purge(address, options));
}

/** `leave`: a node hands over what it holds and goes; or stays after all. */
export async function leave(session: Session): Promise<number> {
  const client = session.client({ withSecret: true });
  const address = nodeName(session);
  if (session.has("cancel")) {
    await session.answer(await client.cancelLeave(address), "LEAVE cancelled");
    return EXIT.ok;
  }
  try {
    return await runTask(session, "LEAVE ok", (options) => client.leave(address, options));
  } catch (error) {
    if (isInterruption(error)) {
      await session.complain(`${address} goes on leaving; "mydht leave ${address} --cancel" has it stay`);
    }
    throw error;
  }
}

/** `remove`: a node that is gone is taken out of the ring. */
export async function remove(session: Session): Promise<number> {
  const client = session.client({ withSecret: true });
  const answer = await client.remove(nodeName(session), { force: session.has("force") });
  await session.answer(answer, "REMOVE ok");
  return EXIT.ok;
}

/** The node that is named. @throws {UsageError} Where that is no address. */
export function nodeName(session: Session): string {
  try {
    return formatAddress(parseAddress(session.required("key")));
  } catch (error) {
    throw error instanceof SyntaxError ? new UsageError(error.message) : error;
  }
}

async function runTask(
  session: Session,
  words: string,
  start: (options: TaskOptions) => Promise<TaskAnswer>,
): Promise<number> {
  const line = progressLine(session);
  using interruption = session.io.interruption();
  try {
    const task = await start({
      onProgress: (state) => line.show(taskText(state)),
      signal: interruption.signal,
    });
    await line.clear();
    await session.answer(task, words);
    return EXIT.ok;
  } finally {
    await line.clear();
  }
}

/** What a task has done so far. */
function taskText(task: TaskAnswer): string {
  if (task.kind === "leave") return `leave: ${leaveText(task.change)}`;
  const counts = [
    `${task.compared} compared`,
    `${task.sent} sent`,
    `${task.fetched} fetched`,
    `${task.dropped} dropped`,
    ...(task.failed > 0 ? [`${task.failed} failed`] : []),
  ];
  return `${task.kind}: ${counts.join(", ")}`;
}

/** How far the others are in taking over: `1024 partitions, 12 MB left, 3 MB/s, 4 s left; waiting for HOST:PORT`. */
function leaveText(change: ChangeAnswer | undefined): string {
  if (change === undefined) return "the other nodes are taking over";
  const { partitionsLeft, bytesLeft, bytesPerSecond, secondsLeft, fetching } = change;
  const waiting = fetching.map(({ address, reachable, error }) =>
    reachable ? `${address}${error === undefined ? "" : ` (${error})`}` : `${address}, which does not answer`
  );
  const counts = [
    countText(partitionsLeft, "partition"),
    bytesLeft === undefined ? "an unknown number of bytes left" : `${bytesText(bytesLeft)} left`,
    ...(bytesPerSecond > 0 ? [`${bytesText(bytesPerSecond)}/s`] : []),
    ...(secondsLeft !== undefined && secondsLeft > 0 ? [`${spanText(secondsLeft)} left`] : []),
  ];
  return `${counts.join(", ")}${waiting.length === 0 ? "" : `; waiting for ${waiting.join(", ")}`}`;
}

/** One line on stderr that changes where that is a terminal; elsewhere a line now and then, for those who read logs. */
function progressLine({ io }: Session): { show(text: string): void; clear(): Promise<void> } {
  const isTerminal = io.stderr.isTerminal();
  let shownMs = io.clock.monotonicMs();
  let written = Promise.resolve();
  let isEmpty = true;
  const write = (text: string) => {
    written = written.then(() => io.stderr.write(new TextEncoder().encode(text))).catch(() => {});
  };
  return {
    show(text) {
      if (isTerminal) {
        isEmpty = false;
        return write(`\r\x1b[K${text}`);
      }
      const nowMs = io.clock.monotonicMs();
      if (nowMs - shownMs < LINE_EVERY_MS) return;
      shownMs = nowMs;
      write(`${text}\n`);
    },
    clear() {
      if (!isEmpty) write("\r\x1b[K");
      isEmpty = true;
      return written;
    },
  };
}

/** `nodes`: the nodes of the ring. */
export async function nodes(session: Session): Promise<number> {
  const ring = await session.client().nodes();
  if (session.has("json")) await session.print(JSON.stringify(ring));
  else await printNodes(session, ring);
  return EXIT.ok;
}

const NODE_COLUMNS: readonly Column[] = [
  { title: "NODE" },
  { title: "STATE" },
  { title: "ANSWERS" },
  { title: "SYNCED" },
  { title: "PARTITIONS", align: "right" },
  { title: "FIRST IN", align: "right" },
];

const SHARE_COLUMNS: readonly Column[] = [{ title: "WEIGHT", align: "right" }, { title: "ZONE" }];

async function printNodes(session: Session, ring: RingAnswer): Promise<void> {
  // Shown only where somebody has set them.
  const hasShares = ring.nodes.some(({ weight, zone }) => weight !== 1 || zone !== null);
  const rows = ring.nodes.map((node) => [
    node.address,
    node.state,
    node.reachable ? "yes" : "no",
    node.synced ? "yes" : "no",
    String(node.ownedPartitions),
    String(node.primaryPartitions),
    ...(hasShares ? [String(node.weight), node.zone ?? "-"] : []),
  ]);
  const columns = hasShares ? [...NODE_COLUMNS, ...SHARE_COLUMNS] : NODE_COLUMNS;
  const lines = session.io.stdout.isTerminal() ? await tableLines(columns, rows) : rows.map(tabbedLine);
  for (const line of lines) await session.print(line);
}

/** `status`: the asked node and its ring. */
export async function status(session: Session): Promise<number> {
  const answer = await session.client().status();
  if (session.has("json")) {
    await session.print(JSON.stringify(answer));
    return EXIT.ok;
  }
  for (const line of statusLines(answer)) await session.print(line);
  await session.print("");
  await printNodes(session, answer);
  await session.print("");
  await printBackground(session, answer);
  return EXIT.ok;
}

const TASK_COLUMNS: readonly Column[] = [
  { title: "TASK" },
  { title: "STATE" },
  { title: "DONE", align: "right" },
  { title: "LEFT", align: "right" },
  { title: "RATE", align: "right" },
  { title: "LAST ERROR" },
];

async function printBackground(session: Session, answer: StatusAnswer): Promise<void> {
  const rows = backgroundRows(answer);
  const lines = session.io.stdout.isTerminal() ? await tableLines(TASK_COLUMNS, rows) : rows.map(tabbedLine);
  for (const line of lines) await session.print(line);
}

/** What the node does by itself, a row for each task. */
function backgroundRows(answer: StatusAnswer): string[][] {
  return answer.background.map((task) => [
    task.name,
    taskState(task),
    String(task.done),
    countText(task.left, task.unit.replace(/s$/, ""), task.unit),
    `${bytesText(task.bytesPerSecond)}/s`,
    task.error ?? "",
  ]);
}

function taskState(task: StatusAnswer["background"][number]): string {
  if (task.running) return "running";
  if (task.error !== null) return "failed, tries again";
  if (task.left > 0) return "waiting";
  return task.completed === null ? "nothing yet" : `done ${momentText(task.completed)}`;
}

function hereText({ localKeys, localBytes, localComplete }: StatusAnswer): string {
  return localComplete
    ? `${countText(localKeys, "key")}, ${bytesText(localBytes)}`
    : "still counting, as it does after a start";
}

function verifiedText({ oldestVerifiedSeconds, unverifiedPartitions }: StatusAnswer): string {
  return unverifiedPartitions > 0
    ? `${countText(unverifiedPartitions, "partition")} not verified since this node started`
    : `every partition verified within ${spanText(oldestVerifiedSeconds)}`;
}

/** The facts of a status, in two columns. */
function statusLines(answer: StatusAnswer): string[] {
  const counted = answer.countsComplete ? "" : " or more: not every partition could be counted";
  const facts: [string, string][] = [
    ["node", `${answer.self} (${answer.software}), up ${spanText(answer.uptimeSeconds)}`],
    ["page", `http://${answer.self}/`],
    ["ring", ringText(answer)],
    ["keys", `${countText(answer.keys, "key")}, ${bytesText(answer.bytes)}${counted}`],
    ["here", hereText(answer)],
    ["data", verifiedText(answer)],
    ...answer.notes.map((note): [string, string] => ["well", note]),
    ...answer.warnings.map((warning): [string, string] => ["note", warning]),
  ];
  return facts.map(([name, text]) => `${name}  ${visible(text)}`);
}

function ringText(ring: RingAnswer): string {
  const reachable = ring.nodes.filter((node) => node.reachable).length;
  const up = reachable === ring.nodes.length ? "" : ` (${reachable} answer)`;
  return `${countText(ring.nodes.length, "node")}${up}, ${
    countText(ring.replicas, "copy", "copies")
  } of each key, ` +
    `${countText(ring.partitions, "partition")}${ring.changing ? ", changing" : ""}`;
}
