import type { MemoryStore } from "../../lib/adapters/memory_store.ts";
import type { RingKeeper } from "../../lib/node/ring_keeper.ts";
import type { DhtNode } from "../../lib/node/node.ts";
import type { Storage } from "../../lib/node/storage.ts";
import type { Endpoint } from "./network.ts";
import type { Scheduler } from "./scheduler.ts";

/** Parts of a node that runs. */
export interface Running {
  readonly node: DhtNode;
  readonly storage: Storage;
  readonly keeper: RingKeeper;
}

/** Moments of calls to a port at which a process may be told to die. */
export const CRASH_POINTS = [
  "before a commit",
  "after a commit",
  "before it sends",
  "after it sent",
  "as a message comes",
  "before it answers",
  "after it answered",
  "as a reply comes",
  "as a wait ends",
  "as it reads",
] as const;

/** One of them. */
export type CrashPoint = (typeof CRASH_POINTS)[number];

/** What the ports of a process need to know of it. */
export interface Life {
  /** False once it has died: nothing it waited for ever comes. */
  readonly alive: boolean;
  /** Does `work` as soon as the process runs: mostly at once, later where it is paused, never once it has died. */
  perform(work: () => void): void;
  /** Says that it has come to such a moment; it may be dead afterwards. */
  reach(point: CrashPoint): void;
}

/** One run of a node's process: from its start to its end, by whatever cause. */
export class SimProcess implements Endpoint {
  readonly address: string;
  readonly onDeath: Set<() => void> = new Set();
  alive = true;
  store: MemoryStore | undefined;
  running: Running | undefined;
  /** Answers what the network brings. */
  answer: ((message: Uint8Array) => Promise<Uint8Array>) | undefined;
  /** Whether it takes messages: a process that stops closes its port first. */
  listening = true;
  /** What has come while it was paused, in order. */
  #backlog: (() => void)[] | undefined;
  #crashAt: { readonly point: CrashPoint; left: number; readonly crash: () => void } | undefined;

  constructor(address: string) {
    this.address = address;
  }

  get receive(): ((message: Uint8Array) => Promise<Uint8Array>) | undefined {
    return this.listening ? this.answer : undefined;
  }

  /** Whether it stands still. */
  get paused(): boolean {
    return this.#backlog !== undefined;
  }

  perform(work: () => void): void {
    if (!this.alive) return;
    if (this.#backlog === undefined) work();
    else this.#backlog.push(work);
  }

  reach(point: CrashPoint): void {
    const plan = this.#crashAt;
    if (plan === undefined || plan.point !== point || !this.alive || plan.left-- > 0) return;
    this.#crashAt = undefined;
    plan.crash();
  }

  /** Has `crash` called once it has come to such a moment `times` more times; in place of an earlier plan. */
  planCrash(point: CrashPoint, times: number, crash: () => void): void {
    this.#crashAt = { point, left: times, crash };
  }

  /** Stops it as SIGSTOP does: it is there and does nothing. */
  pause(): void {
    if (this.alive) this.#backlog ??= [];
  }

  /** Has it go on as SIGCONT does, with all that has come meanwhile: messages in its buffers, timers that are late. */
  resume(scheduler: Scheduler): void {
    const backlog = this.#backlog ?? [];
    this.#backlog = undefined;
    for (const work of backlog) scheduler.after(0, () => this.perform(work));
  }

  /** Resolves after `ms` of which the process sees the end. */
  sleep(scheduler: Scheduler, ms: number): Promise<void> {
    return new Promise((resolve) => scheduler.after(ms, () => this.perform(resolve)));
  }

  /** Ends it in the middle of whatever it does. */
  die(): void {
    if (!this.alive) return;
    this.alive = false;
    this.#backlog = undefined;
    this.store?.crash();
    for (const listener of [...this.onDeath]) listener();
    this.onDeath.clear();
  }
}
