import type { MemberShare } from "../../lib/core/membership.ts";
import type { BackgroundRates } from "../../lib/core/rates.ts";
import type { DhtNode } from "../../lib/node/node.ts";
import { Host, type HostWorld, type Pauses, type Running, type Tampering } from "./host.ts";
import { Network } from "./network.ts";
import { Scheduler } from "./scheduler.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { Trace } from "./trace.ts";

/** Virtual time after which a simulation that is not done counts as stuck. */
const DEFAULT_LIMIT_MS = 30 * 60_000;
/** How often a condition is looked at. */
const POLL_MS = 50;
/** Far more often than real nodes, as a simulation is over so soon. */
const TOMBSTONE_INTERVAL_MS = 3_000;
/** Time between two looks for values that have expired, unless a story says otherwise. */
const EXPIRY_MS = 4_000;
const FIRST_PORT = 50_140;

/** Options of a simulation, each with a default. */
export interface SimulationOptions {
  readonly seed?: string | number;
  readonly partitions?: number;
  readonly replicas?: number;
  readonly diskDelayMs?: number;
  readonly rates?: BackgroundRates;
  readonly tampering?: Tampering;
  readonly pauses?: Pauses;
  /** What the nodes know one another by; undefined where their messages travel as they are. */
  readonly secret?: string | undefined;
}

/** A whole cluster on virtual clocks, disks and a virtual network. */
export class Simulation {
  readonly seed: string | number;
  readonly scheduler: Scheduler = new Scheduler();
  readonly trace: Trace = new Trace(() => this.scheduler.nowMs);
  readonly random: SeededRandom;
  readonly network: Network;
  readonly hosts: Host[] = [];
  /** What a new machine's node is told to own, by the machine's number, from 0. */
  shareOf: (index: number) => MemberShare = () => ({});
  /** How often the ring fell in two, and was whole again: in between, several owners of a key may be out of reach. */
  readonly splits = { begun: 0, ended: 0 };
  /** Time between two rounds in which nodes collect tombstones. */
  readonly tombstoneMs: number;
  readonly #world: HostWorld;

  constructor(options: SimulationOptions = {}) {
    this.seed = options.seed ?? 1;
    this.random = new SeededRandom(this.seed);
    this.network = new Network(this.scheduler, this.random.fork("network"), this.trace);
    this.tombstoneMs = options.pauses?.tombstoneMs ?? TOMBSTONE_INTERVAL_MS;
    this.#world = {
      scheduler: this.scheduler,
      network: this.network,
      trace: this.trace,
      random: this.random,
      partitions: options.partitions ?? 64,
      replicas: options.replicas ?? 3,
      tampering: options.tampering ?? {},
      diskDelayMs: options.diskDelayMs ?? 2,
      ...(options.rates === undefined ? {} : { rates: options.rates }),
      // What is due when the clients end is to be gone when the disks are compared.
      pauses: { tombstoneMs: this.tombstoneMs, expiryMs: EXPIRY_MS, ...options.pauses },
      secret: "secret" in options ? options.secret : "the secret of the simulated ring",
    };
  }

  get nowMs(): number {
    return this.scheduler.nowMs;
  }

  /** Plays a scenario to its end. A failure says which seed and what happened. */
  async run<T>(scenario: () => Promise<T>, limitMs = DEFAULT_LIMIT_MS): Promise<T> {
    const uninstall = this.#world.tampering.install?.();
    try {
      return await this.scheduler.run(scenario, limitMs);
    } catch (cause) {
      const story = this.trace.lines().slice(-200).join("\n");
      throw new Error(`seed ${this.seed}, after ${this.nowMs} ms: ${sentence(cause)}\n${story}`, { cause });
    } finally {
      for (const host of this.hosts) host.process?.die();
      uninstall?.();
    }
  }

  sleep(ms: number): Promise<void> {
    return this.scheduler.sleep(ms);
  }

  /** A new machine; nothing runs there yet. */
  addHost(): Host {
    const host = new Host(`n${this.hosts.length + 1}:${FIRST_PORT + this.hosts.length}`, this.#world);
    host.share = this.shareOf(this.hosts.length);
    this.hosts.push(host);
    return host;
  }

  /** Machines whose node is in its ring and answers. */
  get ready(): Host[] {
    return this.hosts.filter((host) => host.ready);
  }

  /** Starts a ring of that many nodes, and waits until it has settled. */
  async startRing(nodes: number): Promise<Host[]> {
    const hosts = Array.from({ length: nodes }, () => this.addHost());
    hosts[0]!.boot();
    await this.until("the first node is ready", () => hosts[0]!.ready);
    for (const host of hosts.slice(1)) host.boot([hosts[0]!.address]);
    await this.untilSettled(nodes);
    return hosts;
  }

  /** Lets time pass until `condition` holds. @throws {Error} If it does not within `withinMs`. */
  async until(what: string, condition: () => boolean, withinMs = 60_000): Promise<void> {
    const deadlineMs = this.nowMs + withinMs;
    while (!condition()) {
      if (this.nowMs >= deadlineMs) throw new Error(`not within ${withinMs} virtual ms: ${what}`);
      await this.sleep(POLL_MS);
    }
  }

  /** Lets time pass until that many nodes see the same ring, of themselves, with no change under way. */
  untilSettled(nodes: number, withinMs = 60_000): Promise<void> {
    return this.until(`${nodes} nodes see the same settled ring`, () => this.isSettled(nodes), withinMs);
  }

  /** Whether exactly that many nodes are in the ring, all see the same and no change is under way. */
  isSettled(nodes: number): boolean {
    const { ready } = this;
    const first = ready[0]?.running;
    if (first === undefined || ready.length !== nodes) return false;
    const ring = first.node.ring();
    return !ring.changing && ring.nodes.length === nodes && ring.nodes.every(({ state }) => state === "up") &&
      ready.every(({ running }) => running!.keeper.hash === first.keeper.hash);
  }
}

/** The parts of a host whose node must be running. */
export function runningAt(host: Host): Running {
  if (host.running === undefined) throw new Error(`${host.address} does not run`);
  return host.running;
}

/** The node of a host where it must be running. */
export function nodeAt(host: Host): DhtNode {
  return runningAt(host).node;
}

/** An error in words. */
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
