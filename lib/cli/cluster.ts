import { type ClientClock, Watchdog } from "../client/watchdog.ts";
import type { Fetch } from "../client/call.ts";
import type { ClusterPlan, PlannedNode } from "./cluster_plan.ts";

/** How long the first node may take until it answers, and all nodes until they are in the ring, in milliseconds. */
const FIRST_ALIVE_MS = 20_000;
const ALL_READY_MS = 60_000;
/** How long the nodes may take to stop before they are killed. */
const STOP_MS = 20_000;
/** How long one answer may take. */
const ANSWER_MS = 5000;
/** Pause between two questions whether a node is ready. */
const ASK_EVERY_MS = 200;
/** Task runners deliver one Ctrl-C twice: a second one counts from here on. */
const SECOND_STOP_MS = 1000;

/** A node process as the cluster sees it. */
export interface NodeProcess {
  /** What it prints, line by line, until it ends. */
  readonly lines: AsyncIterable<string>;
  /** How it ended: `exit code 1`, `signal SIGKILL`. */
  readonly ended: Promise<string>;
  /** Does nothing once it has ended. */
  kill(signal: "SIGTERM" | "SIGKILL"): void;
}

/** What a cluster needs of the machine. */
export interface ClusterHost {
  spawn(args: readonly string[]): NodeProcess;
  readonly fetch: Fetch;
  readonly clock: ClientClock;
  print(line: string): Promise<void>;
  /** Prints a line of a node; `index` tells it from the others. */
  printOf(index: number, port: number, line: string): Promise<void>;
  /** Calls back at each Ctrl-C or SIGTERM, until it is disposed of. */
  onStop(stop: () => void): Disposable;
}

/** A node that was started. */
interface Member {
  readonly planned: PlannedNode;
  readonly process: NodeProcess;
  /** Resolves when it has ended and all it printed is out. */
  readonly gone: Promise<void>;
  hasEnded: boolean;
}

/**
 * Runs a ring of node processes until it is stopped. None of them is started again, and stopping makes none leave.
 *
 * @returns The exit code: 0 after a stop; 1 where no node is left to run.
 */
export async function runCluster(plan: ClusterPlan, host: ClusterHost): Promise<number> {
  const members: Member[] = [];
  const stopping = new AbortController();
  using _signals = host.onStop(
    stopOnce(host.clock, stopping, () => members.forEach((m) => m.process.kill("SIGKILL"))),
  );
  const start = (index: number) =>
    members.push(startMember(index, plan.nodes[index]!, host, members, stopping.signal));
  const { signal } = stopping;

  start(0);
  await untilAll(members.slice(0, 1), "healthz", FIRST_ALIVE_MS, host, signal);
  if (!members[0]!.hasEnded && !signal.aborted) {
    for (let i = 1; i < plan.nodes.length; i++) start(i);
    await untilAll(members, "readyz", ALL_READY_MS, host, signal);
    if (!signal.aborted) await sayReady(members, plan, host, signal);
  }
  const allGone = Promise.all(members.map((member) => member.gone));
  await Promise.race([allGone, aborted(signal)]);
  if (!signal.aborted) {
    await host.print("no node is left: the cluster ends");
    return 1;
  }
  await stopAll(members, host);
  return 0;
}

function startMember(
  index: number,
  planned: PlannedNode,
  host: ClusterHost,
  members: readonly Member[],
  stopping: AbortSignal,
): Member {
  const member = { planned, process: host.spawn(planned.args), hasEnded: false, gone: Promise.resolve() };
  member.gone = watch();
  return member;

  async function watch(): Promise<void> {
    for await (const line of member.process.lines) await host.printOf(index, planned.port, line);
    const how = await member.process.ended;
    member.hasEnded = true;
    if (stopping.aborted) return;
    const others = members.some((each) => !each.hasEnded);
    const rest = others ? "; it is not started again, the others go on" : "";
    await host.print(`${planned.address} ended by itself (${how})${rest}`);
  }
}

/** The first call stops; one that comes later than a task runner's echo kills. */
function stopOnce(clock: ClientClock, stopping: AbortController, kill: () => void): () => void {
  let firstMs: number | undefined;
  return () => {
    if (firstMs === undefined) {
      firstMs = clock.monotonicMs();
      stopping.abort();
    } else if (clock.monotonicMs() - firstMs >= SECOND_STOP_MS) kill();
  };
}

/** Waits until every member answers there with 200, has ended, or the time is over. */
async function untilAll(
  members: readonly Member[],
  path: "healthz" | "readyz",
  timeoutMs: number,
  host: ClusterHost,
  signal: AbortSignal,
): Promise<void> {
  const untilMs = host.clock.monotonicMs() + timeoutMs;
  await Promise.all(members.map(async (member) => {
    while (!member.hasEnded && !signal.aborted && host.clock.monotonicMs() < untilMs) {
      if (await answers(member, path, host, signal)) return;
      await host.clock.sleep(ASK_EVERY_MS, signal).catch(() => {});
    }
  }));
}

async function answers(
  { planned }: Member,
  path: "healthz" | "readyz",
  host: ClusterHost,
  signal: AbortSignal,
): Promise<boolean> {
  const watchdog = new Watchdog(host.clock, ANSWER_MS);
  try {
    const deadline = AbortSignal.any([signal, watchdog.signal]);
    const response = await host.fetch(`http://${planned.address}/${path}`, { signal: deadline });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  } finally {
    watchdog.stop();
  }
}

async function sayReady(
  members: readonly Member[],
  plan: ClusterPlan,
  host: ClusterHost,
  signal: AbortSignal,
): Promise<void> {
  const ready: Member[] = [];
  for (const member of members) {
    if (!member.hasEnded && await answers(member, "readyz", host, signal)) ready.push(member);
  }
  const late = members.filter((member) => !ready.includes(member) && !member.hasEnded);
  if (ready.length > 0) {
    await host.print(
      `a ring of ${
        ready.length === 1 ? "1 node" : `${ready.length} nodes`
      } is ready; its page, on each of them:`,
    );
    for (const { planned } of ready) await host.print(`  http://${planned.address}/`);
  }
  for (const { planned } of late) {
    await host.print(
      `${planned.address} is not ready after ${ALL_READY_MS / 1000} s; its lines above say why`,
    );
  }
  await host.print(`Ctrl-C stops them; their data stays in ${plan.data}`);
}

async function stopAll(members: readonly Member[], host: ClusterHost): Promise<void> {
  const running = members.filter((member) => !member.hasEnded);
  await host.print(`stopping ${running.length === 1 ? "1 node" : `${running.length} nodes`}`);
  for (const { process } of running) process.kill("SIGTERM");
  const allGone = new AbortController();
  const patience = killLate(running, host, allGone.signal);
  await Promise.all(running.map((member) => member.gone));
  allGone.abort();
  await patience;
}

async function killLate(running: readonly Member[], host: ClusterHost, allGone: AbortSignal): Promise<void> {
  try {
    await host.clock.sleep(STOP_MS, allGone);
  } catch {
    return;
  }
  for (const { planned, process } of running.filter((member) => !member.hasEnded)) {
    process.kill("SIGKILL");
    await host.print(`${planned.address} did not stop within ${STOP_MS / 1000} s and is killed`);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
