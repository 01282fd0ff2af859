import type { ProblemAnswer } from "../../lib/api.ts";
import type { Clock } from "../../lib/ports/clock.ts";
import type { Log, LogFields, LogLevel } from "../../lib/ports/log.ts";
import { createHandler, type RouteDeps } from "../../routes/mod.ts";
import { FakeNode } from "./fake_node.ts";

/** A clock that moves only when it is told to. */
export class ManualClock implements Clock {
  #ms = 1_000;
  readonly #sleepers = new Set<{ untilMs: number; wake: () => void }>();

  constructor(readonly epochMs: number) {}

  nowMs(): number {
    return this.epochMs + this.#ms;
  }

  monotonicMs(): number {
    return this.#ms;
  }

  get sleeping(): number {
    return this.#sleepers.size;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { untilMs: this.#ms + ms, wake: resolve };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      });
    });
  }

  /** Lets time pass, and what wakes by it run. */
  async pass(ms: number): Promise<void> {
    this.#ms += ms;
    for (const sleeper of [...this.#sleepers]) {
      if (sleeper.untilMs > this.#ms) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
    await settle();
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

/** Events, kept. */
export class MemoryLog implements Log {
  readonly events: { level: LogLevel; event: string; fields: LogFields }[] = [];

  event(level: LogLevel, event: string, _message: string, fields: LogFields = {}): void {
    this.events.push({ level, event, fields });
  }
}

/** What a test may say of a request. */
export interface SendOptions {
  readonly headers?: Record<string, string>;
  readonly body?: BodyInit;
  /** Host and port in the URL. */
  readonly authority?: string;
  readonly signal?: AbortSignal;
}

/** The routes over a fake node, without a server. */
export class Api {
  readonly node = new FakeNode();
  readonly clock = new ManualClock(this.node.nowMs);
  readonly log = new MemoryLog();
  readonly #handle: ReturnType<typeof createHandler>;

  constructor(changes: Partial<RouteDeps> = {}) {
    this.#handle = createHandler({
      node: this.node,
      selfAddress: "localhost:50140",
      loopbackOnly: true,
      log: this.log,
      clock: this.clock,
      version: "0.1.0",
      ...changes,
    });
  }

  /** Sends a request with exactly this path, as a client that normalises nothing would. */
  async send(method: string, path: string, options: SendOptions = {}): Promise<Response> {
    return await this.handle(method, path, options);
  }

  /** The same, as the server sees it: an answer that is there at once is no promise. */
  handle(method: string, path: string, options: SendOptions = {}): Response | Promise<Response> {
    const { authority = "localhost:50140", ...init } = options;
    const request = new Request("http://localhost/", { ...init, method });
    Object.defineProperty(request, "url", { value: `http://${authority}${path}` });
    return this.#handle(request, { address: "127.0.0.1" });
  }

  /** Puts a text, to be there for a test. */
  async put(key: string, value: string, contentType = "text/plain"): Promise<void> {
    await this.node.put(key, new Response(value).body ?? undefined, { contentType });
  }
}

/** The problem document of an answer. */
export async function problemOf(response: Response): Promise<ProblemAnswer> {
  return await response.json();
}
