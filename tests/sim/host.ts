import { MemoryDisk, MemoryStore } from "../../lib/adapters/memory_store.ts";
import type { MemberShare } from "../../lib/core/membership.ts";
import { nextIncarnation } from "../../lib/node/identity.ts";
import { RetiredStoreError } from "../../lib/node/retirement.ts";
import { DhtNode, type NodeDeps } from "../../lib/node/node.ts";
import { type Identity, RingKeeper } from "../../lib/node/ring_keeper.ts";
import { messageEnds } from "../../lib/node/secure_messages.ts";
import type { Receive } from "../../lib/node/session_guard.ts";
import { Storage } from "../../lib/node/storage.ts";
import type { BackgroundRates } from "../../lib/core/rates.ts";
import type { Log } from "../../lib/ports/log.ts";
import type { Store } from "../../lib/ports/store.ts";
import type { Transport } from "../../lib/ports/transport.ts";
import type { Network } from "./network.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import { SimClock, type WallClock } from "./sim_clock.ts";
import { type CrashPoint, type Running, SimProcess } from "./sim_process.ts";
import type { Trace } from "./trace.ts";

/** How often a node compares all it has with the other owners, as `main.ts` has it. */
const COMPARE_INTERVAL_MS = 10 * 60_000;
/** Room for the heads of some hundred keys, so that they come and go. */
const CACHE_BYTES = 16 * 1024;

export { type Running, SimProcess } from "./sim_process.ts";

/** Where a planted bug gets in: each part of a node may be replaced by a worse one. */
export interface Tampering {
  /** Called before all of it begins; ends what it has begun. */
  readonly install?: () => () => void;
  /** What a node whose store was retired goes on with: an empty disk, but for planted bugs. */
  readonly setAside?: (disk: MemoryDisk) => Promise<MemoryDisk>;
  readonly store?: (store: Store, host: Host) => Store;
  readonly storage?: (storage: Storage, host: Host) => void;
  readonly identity?: (identity: Identity, host: Host) => Identity;
  readonly keeper?: (storage: Storage, identity: Identity, host: Host) => RingKeeper;
  readonly transport?: (transport: Transport, host: Host) => Transport;
  /** What is on the network: frames, where the ring has a secret. */
  readonly network?: (transport: Transport, host: Host) => Transport;
  /** What the node is given to answer: messages that are genuine. */
  readonly receive?: (receive: Receive, host: Host) => Receive;
}

/** What all hosts of a simulation share. */
export interface HostWorld {
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly trace: Trace;
  readonly random: SeededRandom;
  readonly partitions: number;
  readonly replicas: number;
  readonly tampering: Tampering;
  readonly diskDelayMs: number;
  /** Rates of background tasks; those of a node of which nothing is said where absent. */
  readonly rates?: BackgroundRates;
  /** How often nodes do by themselves what real ones seldom do. */
  readonly pauses: Pauses;
  /** What the nodes of the ring know one another by; undefined where their messages travel as they are. */
  readonly secret: string | undefined;
}

/** Pauses between two rounds of background work. */
export type Pauses = NonNullable<NodeDeps["pauses"]>;

/** A machine of the simulation: an address, a clock, a disk, and the process that runs there now, if any. */
export class Host {
  readonly address: string;
  readonly wall: WallClock = { offsetMs: 0, drift: 0 };
  disk: MemoryDisk = new MemoryDisk();
  /** Mean time its disk takes; every second call is answered from its cache, at once. */
  diskDelayMs: number;
  process: SimProcess | undefined;
  /** Whether its node has left the ring, or was told that the ring has removed it. */
  gone = false;
  /** Whether its node was told to leave, and has neither left nor died since. */
  leaving = false;
  /** What its node is told to own at its next start. */
  share: MemberShare = {};
  /** What it knows the nodes of its ring by, from its next start on. */
  secret: string | undefined;
  readonly #world: HostWorld;
  readonly #random: SeededRandom;
  #servers: readonly string[] = [];
  /** Through whom the node was to join again when its data was set aside. */
  #rejoinThrough: readonly string[] = [];
  #starts = 0;

  constructor(address: string, world: HostWorld) {
    this.address = address;
    this.#world = world;
    this.#random = world.random.fork(`host ${address}`);
    this.diskDelayMs = world.diskDelayMs;
    this.secret = world.secret;
  }

  /** The node, once it has started and until it ends. */
  get running(): Running | undefined {
    return this.process?.alive === true ? this.process.running : undefined;
  }

  /** By its own clock. */
  nowMs(): number {
    return new SimClock(this.#world.scheduler, this.wall, new SimProcess(this.address)).nowMs();
  }

  /** Processes that were started here. */
  get starts(): number {
    return this.#starts;
  }

  /** Time on this machine; never over for a process that has died meanwhile. */
  async sleep(ms: number): Promise<void> {
    const { process } = this;
    await (process?.sleep(this.#world.scheduler, ms) ?? new Promise(() => {}));
  }

  /** Whether the node runs and is in its ring. */
  get ready(): boolean {
    return this.running?.node.readiness().ready === true;
  }

  /** Asks the node something over a connection, which breaks when the process dies. */
  request<T>(ask: (node: DhtNode) => Promise<T>): Promise<T> {
    const { process } = this;
    const node = process?.alive === true ? process.running?.node : undefined;
    if (process === undefined || node === undefined) {
      return Promise.reject(new Error(`${this.address} does not run`));
    }
    return new Promise<T>((resolve, reject) => {
      const onDeath = (): void => reject(new Error(`the connection to ${this.address} broke`));
      process.onDeath.add(onDeath);
      process.perform(() => {
        ask(node).then(resolve, reject).finally(() => process.onDeath.delete(onDeath));
      });
    });
  }

  /** Starts the process, which founds or joins a ring or finds the one it was in. */
  boot(chosen: readonly string[] = this.#servers): void {
    if (this.process?.alive === true) throw new Error(`${this.address} runs already`);
    this.#servers = chosen;
    // As `main.ts` has it: on an empty disk beside data that was set aside a node does not start without a server.
    const servers = chosen.length === 0 && this.disk.commits === 0 ? this.#rejoinThrough : chosen;
    this.gone = false;
    this.leaving = false;
    const process = new SimProcess(this.address);
    this.process = process;
    this.#world.network.attach(process);
    this.#note(`boots${servers.length > 0 ? `, to join ${servers.join(" or ")}` : ""}`);
    this.#start(process, servers).catch((error) => {
      if (!process.alive) return;
      this.#note(`could not start: ${error}`);
      process.die();
    });
  }

  /** Kills the process now: what its disk has not committed is lost. */
  crash(): void {
    if (this.process?.alive !== true) return;
    this.#note("crashes");
    this.process.die();
  }

  /** Stops the process as SIGSTOP does: it does nothing, and answers nobody, until it is resumed. */
  pause(): void {
    if (this.process?.alive !== true) return;
    this.#note("is paused");
    this.process.pause();
  }

  /** Has a paused process go on. */
  resume(): void {
    if (this.process?.paused !== true) return;
    this.#note("goes on");
    this.process.resume(this.#world.scheduler);
  }

  /** Has the process die at its disk's commit number `commits` from now, just before or just after it takes effect. */
  crashAtCommit(commits: number, when: "before" | "after"): Promise<void> {
    return this.crashAt(when === "before" ? "before a commit" : "after a commit", commits);
  }

  /** Has the process die when it has come to such a moment `times` more times; resolves then. */
  crashAt(point: CrashPoint, times: number): Promise<void> {
    const { process } = this;
    if (process === undefined) return new Promise(() => {});
    return new Promise((crashed) =>
      process.planCrash(point, times, () => {
        this.#note(`crashes ${point}`);
        process.die();
        crashed();
      })
    );
  }

  /** What a start would find on the disk. Only while nothing runs. */
  inspectDisk(): Promise<Storage> {
    const life = new SimProcess(this.address);
    const clock = new SimClock(this.#world.scheduler, this.wall, life);
    const random = this.#random.fork("inspection");
    const log: Log = { event: () => {} };
    const store = new MemoryStore(this.disk);
    return Storage.open({ store, clock, random, log, cacheBytes: CACHE_BYTES, onClaimLost: () => {} });
  }

  /** Takes the disk away, and everything on it. Only while nothing runs. */
  wipe(): void {
    this.#note("has lost its disk");
    this.disk = new MemoryDisk();
  }

  /** Puts an older state of the disk in its place. Only while nothing runs. */
  restore(old: MemoryDisk): void {
    this.#note("has an old disk put back");
    this.disk = old;
  }

  /** Ends the process as SIGTERM does. */
  async stop(): Promise<void> {
    const { process } = this;
    if (process?.alive !== true) return;
    this.#note("stops");
    process.listening = false;
    await process.running?.node.stop();
    process.die();
  }

  /** What `main.ts` does to open a node, with the simulation's adapters. */
  async #start(process: SimProcess, servers: readonly string[]): Promise<void> {
    try {
      await this.#open(process, servers);
    } catch (error) {
      if (!(error instanceof RetiredStoreError)) throw error;
      this.#note(`sets its data aside: ${error.message}`);
      this.disk = await (this.#world.tampering.setAside?.(this.disk) ?? new MemoryDisk());
      this.#rejoinThrough = [...servers, ...error.servers];
      await this.#open(process, this.#rejoinThrough);
    }
  }

  async #open(process: SimProcess, servers: readonly string[]): Promise<void> {
    const { tampering, network, partitions, replicas } = this.#world;
    const random = this.#random.fork(`start ${++this.#starts}`);
    const clock = new SimClock(this.#world.scheduler, this.wall, process);
    const log = this.#logOf(process);
    const store = this.#openStore(process, random.fork("disk"));
    const onClaimLost = (): void => this.#end(process, "its database was claimed");
    const storage = await Storage.open({ store, clock, random, log, cacheBytes: CACHE_BYTES, onClaimLost });
    tampering.storage?.(storage, this);
    const identity = await nextIncarnation(storage, random, this.address);
    const ownIdentity = tampering.identity?.(identity, this) ?? identity;
    const keeper = tampering.keeper?.(storage, ownIdentity, this) ?? new RingKeeper(storage, ownIdentity);
    const carrier = network.transportOf(process);
    const { transport, guard } = messageEnds({
      secret: this.secret,
      transport: tampering.network?.(carrier, this) ?? carrier,
      keeper,
      clock,
      random: random.fork("sessions"),
    });
    const node = new DhtNode({
      storage,
      keeper,
      transport: tampering.transport?.(transport, this) ?? transport,
      clock,
      random,
      log,
      version: "simulated",
      ...(this.#world.rates === undefined ? {} : { rates: this.#world.rates }),
      pauses: this.#world.pauses,
      onLeft: () => this.#end(process, "has left"),
      onRetired: () => this.#end(process, "was removed or replaced"),
    });
    // The node answers while it still starts, as one does whose handler exists before it is in its ring.
    process.running = { node, storage, keeper };
    const receive: Receive = (message) => node.receive(message);
    const gate = guard(tampering.receive?.(receive, this) ?? receive);
    process.answer = (message) => gate.receive(message);
    await node.start({ servers, replicas, partitions, share: this.share });
    void this.#compareAll(process, node, clock);
  }

  #openStore(process: SimProcess, random: SeededRandom): Store {
    const { scheduler, tampering, trace } = this.#world;
    const delay = (): Promise<void> =>
      random.chance(0.5) ? Promise.resolve() : process.sleep(scheduler, random.exponential(this.diskDelayMs));
    const store = new MemoryStore(this.disk, {
      delay,
      beforeRead: () => process.reach("as it reads"),
      beforeCommit: () => process.reach("before a commit"),
      afterCommit: () => {
        trace.count(`${this.address} commits`);
        process.reach("after a commit");
      },
    });
    process.store = store;
    return tampering.store?.(store, this) ?? store;
  }

  async #compareAll(process: SimProcess, node: DhtNode, clock: SimClock): Promise<void> {
    while (process.alive) {
      await clock.sleep(COMPARE_INTERVAL_MS);
      await node.compareAll();
    }
  }

  /** The node asks its process to end. */
  #end(process: SimProcess, why: string): void {
    if (!process.alive || this.gone) return;
    this.#note(why);
    this.gone = true;
    void this.stop();
  }

  #logOf(process: SimProcess): Log {
    return {
      event: (level, event, message) => {
        if (process.alive && level !== "debug") this.#note(`${level} ${event}: ${message}`);
      },
    };
  }

  #note(text: string): void {
    this.#world.trace.note(`${this.address} ${text}`);
  }
}
