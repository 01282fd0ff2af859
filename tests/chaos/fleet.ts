import { MyDhtClient } from "../../lib/client.ts";
import { freePort } from "../e2e/support/free_port.ts";
import { taskArguments } from "../e2e/support/program.ts";
import { TestNode } from "../e2e/support/test_node.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import type { Guard } from "./guard.ts";
import { until } from "./waiting.ts";

/** How long a node may take to start, or to stop when it is told to. */
const START_MS = 60_000;
const STOP_MS = 60_000;
/** How long a ring may take to be whole again, large values and a slow machine included. */
export const HEAL_MS = 180_000;
/** Share of the requests that go to a node that is away: some client always asks the wrong one. */
const ASK_AWAY = 0.04;

/** A time in which a node could not be expected to answer. */
interface Absence {
  readonly address: string;
  readonly fromMs: number;
  toMs: number;
}

/** A member of the ring, or one that was. */
export interface FleetNode {
  readonly process: TestNode;
  readonly address: string;
  readonly dataDirectory: string;
}

/** What a fleet is made of. */
export interface FleetOptions {
  /** Directories of it for `data` and `logs`. */
  readonly directory: string;
  readonly secret: string | undefined;
  readonly guard: Guard;
  readonly signal: AbortSignal;
}

/** The node processes of a run. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #flags: readonly string[];
  readonly #absences: Absence[] = [];
  readonly #away = new Set<FleetNode>();
  #members: readonly FleetNode[] = [];

  private constructor(options: FleetOptions) {
    this.#options = options;
    this.#flags = options.secret === undefined ? [] : ["--secret-file", `${options.directory}/ring.secret`];
  }

  /** Starts a ring and waits until it is whole. */
  static async start(size: number, options: FleetOptions): Promise<Fleet> {
    const { directory, secret } = options;
    await Deno.mkdir(`${directory}/data`);
    await Deno.mkdir(`${directory}/logs`);
    if (secret !== undefined) {
      await Deno.writeTextFile(`${directory}/ring.secret`, `${secret}\n`, { mode: 0o600 });
    }
    const fleet = new Fleet(options);
    const first = await fleet.launch();
    await fleet.ready(first);
    fleet.admit(first);
    const others = await Promise.all(Array.from({ length: size - 1 }, () => fleet.launch(first)));
    for (const node of others) fleet.admit(node);
    await fleet.healed();
    return fleet;
  }

  /** Those that are to be in the ring, in the order in which they came. */
  get members(): readonly FleetNode[] {
    return this.#members;
  }

  /** A member to ask. */
  pick(random: SeededRandom): FleetNode {
    const up = this.#members.filter((node) => !this.#away.has(node));
    return random.pick(up.length === 0 || random.chance(ASK_AWAY) ? this.#members : up);
  }

  /** Another member that is up. */
  other(than: FleetNode): FleetNode {
    const other = this.#members.find((node) => node !== than && !this.#away.has(node));
    if (other === undefined) throw new Error(`No node is up beside ${than.address}`);
    return other;
  }

  /** Starts the process of a new node, which joins through `via` or founds the ring. */
  async launch(via?: FleetNode): Promise<FleetNode> {
    const port = freePort();
    const { directory } = this.#options;
    const dataDirectory = `${directory}/data/${port}`;
    const process = new TestNode(port, {
      command: this.#command(port, dataDirectory, via),
      cwd: directory,
      logs: `${directory}/logs/${port}`,
      ownGroup: true,
    });
    await this.#options.guard.began(process.child.pid);
    return { process, address: process.address, dataDirectory };
  }

  /** Starts a node again that has ended. */
  async relaunch(node: FleetNode, via?: FleetNode): Promise<void> {
    node.process.restart(this.#command(node.process.port, node.dataDirectory, via));
    await this.#options.guard.began(node.process.child.pid);
  }

  /** Waits until a node serves. */
  async ready(node: FleetNode): Promise<void> {
    await this.until(`${node.address} serves`, async () => {
      const { exitCode } = node.process.child;
      if (exitCode !== undefined) return `it ended with exit code ${exitCode}`;
      const { status, text } = await node.process.request("/readyz");
      return status === 200 ? undefined : text;
    }, START_MS);
    this.back(node);
  }

  /** From now on the node is a member, and clients ask it. */
  admit(node: FleetNode): void {
    this.#members = [...this.#members, node];
  }

  /** The node has left or was removed, and has ended. */
  dismiss(node: FleetNode): void {
    this.#members = this.#members.filter((other) => other !== node);
    this.back(node);
  }

  /** From now on the node need not answer. */
  takeAway(node: FleetNode): void {
    this.excuse(node);
    this.#away.add(node);
  }

  /** From now on the node may cut off requests, but is asked as before. */
  excuse(node: FleetNode): void {
    this.#absences.push({ address: node.address, fromMs: performance.now(), toMs: Infinity });
  }

  /** From now on the node answers. */
  back(node: FleetNode): void {
    this.#away.delete(node);
    const nowMs = performance.now();
    for (const absence of this.#absences) {
      if (absence.address === node.address) absence.toMs = Math.min(absence.toMs, nowMs);
    }
  }

  /** Whether a request to that node at that time need not have been answered. */
  isExcused(address: string, fromMs: number, toMs: number): boolean {
    return this.#absences.some((absence) =>
      absence.address === address && absence.fromMs <= toMs && absence.toMs >= fromMs
    );
  }

  /** `kill -9`. */
  async kill(node: FleetNode): Promise<void> {
    this.takeAway(node);
    const { pid } = node.process.child;
    await node.process.kill();
    await this.#options.guard.ended(pid);
  }

  /** SIGTERM, and waits for the end. */
  async stop(node: FleetNode): Promise<void> {
    this.takeAway(node);
    const { pid } = node.process.child;
    node.process.child.signal("SIGTERM");
    await this.ended(node);
    await this.#options.guard.ended(pid);
  }

  /** Waits until the process has ended by itself. */
  async ended(node: FleetNode): Promise<number> {
    const code = await node.process.child.exit(STOP_MS);
    await this.#options.guard.ended(node.process.child.pid);
    return code;
  }

  /** What operators do to the ring, through this node. */
  client(through: FleetNode): MyDhtClient {
    const { secret } = this.#options;
    return new MyDhtClient({ server: through.address, ...(secret !== undefined && { secret }) });
  }

  /**
   * Waits until the members, and nobody else, are the ring, know it alike, reach one another and hold their shares.
   *
   * @throws {NotInTimeError} If that takes more than `HEAL_MS`.
   */
  async healed(): Promise<void> {
    await this.until("the ring is healed", () => this.#unhealed(), HEAL_MS);
    for (const node of this.#members) this.back(node);
  }

  until(what: string, look: () => Promise<string | undefined>, timeoutMs: number): Promise<void> {
    return until(what, look, { timeoutMs, signal: this.#options.signal });
  }

  async #unhealed(): Promise<string | undefined> {
    const ended = this.#members.find(({ process }) => process.child.exitCode !== undefined);
    if (ended !== undefined) return `${ended.address} ended with ${ended.process.child.exitCode}`;
    const expected = this.#members.map(({ address }) => address).sort().join(" ");
    const rings = await Promise.all(this.#members.map(({ process }) => process.ring()));
    for (const { self, changing, layout, nodes } of rings) {
      const present = nodes.map((node) => node.address).sort().join(" ");
      if (present !== expected) return `${self} knows ${present} instead of ${expected}`;
      if (changing) return `${self} says that the ring is changing`;
      if (layout !== rings[0]!.layout) return `${self} and ${rings[0]!.self} are of different layouts`;
      const off = nodes.find(({ state, reachable, synced }) => state !== "up" || !reachable || !synced);
      if (off !== undefined) {
        return `${self} knows ${off.address} as ${off.state}, reachable ${off.reachable}, synced ${off.synced}`;
      }
    }
    return undefined;
  }

  #command(port: number, dataDirectory: string, via: FleetNode | undefined): string[] {
    const flags = ["--port", `${port}`, "--data", dataDirectory, ...this.#flags];
    const server = via === undefined ? [] : ["--server", via.address];
    return [Deno.execPath(), ...taskArguments("node"), ...flags, ...server];
  }
}
