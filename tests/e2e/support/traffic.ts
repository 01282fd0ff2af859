import { eventually } from "./eventually.ts";
import type { TestNode } from "./test_node.ts";

const WRITERS = 4;

/**
 * Clients that put keys, each a new one, and read them back at another node, one after the other.
 *
 * What is acknowledged must never be lost; what fails at a node that is asked must not fail.
 */
export class Traffic {
  readonly acknowledged = new Map<string, string>();
  /** What nodes that were asked on purpose answered otherwise than they should. */
  readonly failures: string[] = [];
  #nodes: readonly TestNode[];
  #count = 0;
  #isStopping = false;
  readonly #writers: Promise<void>[];

  private constructor(nodes: readonly TestNode[]) {
    this.#nodes = nodes;
    this.#writers = Array.from({ length: WRITERS }, (_, writer) => this.#write(writer));
  }

  static start(nodes: readonly TestNode[]): Traffic {
    return new Traffic(nodes);
  }

  /** From now on only these are asked; others may be dead. */
  askOnly(nodes: readonly TestNode[]): void {
    this.#nodes = nodes;
  }

  /** Waits until so many more keys are acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.size + count;
    await eventually(`${count} more keys are acknowledged`, () => this.acknowledged.size >= goal);
  }

  /** Ends it, and gives the acknowledged keys with their values. */
  async stop(): Promise<ReadonlyMap<string, string>> {
    this.#isStopping = true;
    await Promise.all(this.#writers);
    return this.acknowledged;
  }

  async #write(writer: number): Promise<void> {
    while (!this.#isStopping) {
      const number = this.#count++;
      const [key, value] = [`traffic/${writer}/${number}`, `value ${number}`];
      if (await this.#ask(number, "PUT", key, (node) => node.put(key, value)) === undefined) continue;
      this.acknowledged.set(key, value);
      const read = await this.#ask(number + 1, "GET", key, (node) => node.get(key));
      if (read !== undefined && read !== value) this.failures.push(`GET ${key}: ${read}`);
    }
  }

  /** The body of a good answer; undefined where there was none. */
  async #ask(
    turn: number,
    what: string,
    key: string,
    request: (node: TestNode) => Promise<{ readonly status: number; readonly text: string }>,
  ): Promise<string | undefined> {
    const node = this.#nodes[turn % this.#nodes.length]!;
    try {
      const { status, text } = await request(node);
      if (status === 200) return text;
      this.failures.push(`${what} ${key} at ${node.address}: ${status} ${text}`);
    } catch (error) {
      // A node that was killed answers nothing, which is no failure of those that live.
      if (!node.isKilled) {
        this.failures.push(`${what} ${key} at ${node.address}: ${error}`);
      }
    }
    return undefined;
  }
}
