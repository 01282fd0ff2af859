import type { KeysAnswer, RingAnswer, StatusAnswer } from "../../../lib/api.ts";
import { Child, type ChildOptions } from "./child.ts";
import { eventually } from "./eventually.ts";

/** How long a test waits for one answer. */
const REQUEST_TIMEOUT_MS = 20_000;

/** What a node answered, its body read. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** A node in a process of its own, seen from outside. */
export class TestNode {
  #child: Child;
  #isKilled = false;

  /** @param port Where it listens on `localhost`. */
  constructor(readonly port: number, readonly options: ChildOptions) {
    this.#child = new Child(options);
  }

  /** Its name in the ring. */
  get address(): string {
    return `localhost:${this.port}`;
  }

  get child(): Child {
    return this.#child;
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    await this.#child.kill();
  }

  /** Whether a test has ended it: from then on it need not answer. */
  get isKilled(): boolean {
    return this.#isKilled;
  }

  /** Starts it again, by the same command or another; it must have ended. */
  restart(command?: readonly string[]): void {
    if (this.#child.exitCode === undefined) throw new Error(`${this.address} still runs`);
    this.#isKilled = false;
    this.#child = new Child({ ...this.options, ...(command && { command }) });
  }

  /** Sends a request and reads the answer. */
  async request(path: string, init: RequestInit = {}): Promise<Reply> {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const response = await fetch(`http://${this.address}${path}`, { signal, ...init });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  async put(key: string, value: string): Promise<Reply> {
    return await this.request(`/keys/${encodeURIComponent(key)}`, { method: "PUT", body: value });
  }

  async get(key: string, query = ""): Promise<Reply> {
    return await this.request(`/keys/${encodeURIComponent(key)}${query}`);
  }

  /** Names of all keys of the ring. */
  async keys(): Promise<string[]> {
    const { keys }: KeysAnswer = JSON.parse((await this.request("/keys?limit=1000")).text);
    return keys.map(({ key }) => key);
  }

  async ring(): Promise<RingAnswer> {
    return JSON.parse((await this.request("/nodes")).text);
  }

  async status(): Promise<StatusAnswer> {
    return JSON.parse((await this.request("/", { headers: { accept: "application/json" } })).text);
  }

  /** Waits until it serves requests. */
  async ready(): Promise<this> {
    await eventually(`${this.address} is ready`, async () => {
      if (this.#child.exitCode !== undefined) return this.#child.exitCode + 1;
      return (await this.request("/readyz")).status === 200;
    });
    if (this.#child.exitCode !== undefined) {
      throw new Error(`${this.address} ended with ${this.#child.exitCode}`);
    }
    return this;
  }

  /** Waits for a line of its log. */
  async logged(pattern: RegExp): Promise<string> {
    const seen = await eventually(
      `${this.address} logs ${pattern}`,
      async () => (await this.#child.stderr()).split("\n").find((line) => pattern.test(line)),
    );
    return seen;
  }
}

/**
 * Waits until these are all of the ring, know it alike, and hold their shares of it.
 *
 * @param name What the ring calls them.
 */
export async function settled(
  nodes: readonly TestNode[],
  name = (node: TestNode) => node.address,
): Promise<void> {
  const expected = nodes.map(name).sort().join(" ");
  await eventually(`the ring is ${expected}`, async () => {
    const rings = await Promise.all(nodes.map((node) => node.ring()));
    const same = new Set(rings.map((ring) => `${ring.ring} ${ring.layout}`)).size === 1;
    return same && rings.every((ring) =>
      !ring.changing &&
      ring.nodes.map((node) => node.address).sort().join(" ") === expected &&
      ring.nodes.every((node) => node.state === "up" && node.reachable && node.synced)
    );
  });
}
