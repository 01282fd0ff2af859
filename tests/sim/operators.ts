import { runTask } from "./convergence.ts";
import { isLayoutChanging } from "./fault_kinds.ts";
import type { MemberShare } from "../../lib/core/membership.ts";
import type { Faults } from "./faults.ts";
import type { Host } from "./host.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import { nodeAt, type Simulation } from "./simulation.ts";

/** How long an operator waits for something before giving up, to look again later. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 1_000;

/** Between how many nodes operators keep the ring. */
export interface OperatorOptions {
  readonly fewest: number;
  readonly most: number;
}

/** Starts nodes, has nodes leave, removes dead ones, balances and purges, while everything else goes on. */
export class Operators {
  readonly #sim: Simulation;
  readonly #faults: Faults;
  readonly #random: SeededRandom;
  readonly #options: OperatorOptions;
  readonly #end = Promise.withResolvers<void>();
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  /** @param name Tells several of them apart, who do not know of one another. */
  constructor(sim: Simulation, faults: Faults, name: string, options: OperatorOptions) {
    this.#sim = sim;
    this.#faults = faults;
    this.#random = sim.random.fork(`operator ${name}`);
    this.#options = options;
  }

  /** Begins, with a pause of that mean between two changes. */
  start(pauseMs: number): void {
    this.#running = this.#run(pauseMs);
    // Whoever stops it hears of what it throws.
    this.#running.catch(() => {});
  }

  /** Ends; resolves when the present change is done or given up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#end.resolve();
    await this.#running;
  }

  /** Starts nodes at the same moment; one of the ring may crash meanwhile. */
  async joinAll(hosts: readonly Host[]): Promise<void> {
    await this.#faults.during(() => Promise.all(hosts.map((host) => this.join(host))), hosts);
  }

  /** Has nodes leave at the same moment; one of the ring may crash meanwhile. */
  async leaveAll(hosts: readonly Host[]): Promise<void> {
    // From now on, not from their turn on: another operator would count on them to stay.
    for (const host of hosts) host.leaving = true;
    await this.#faults.during(() => Promise.all(hosts.map((host) => this.leave(host))), hosts);
  }

  /** Starts a node that joins through one that is up; waits until it is in the ring. */
  async join(host: Host = this.#sim.addHost()): Promise<Host> {
    const { ready } = this.#sim;
    // Another operator may have started that machine meanwhile.
    if (host.process?.alive === true) return host;
    this.#faults.count("join");
    host.boot([this.#random.pick(ready).address, this.#random.pick(ready).address]);
    await this.#patiently(() => host.ready);
    return host;
  }

  /** Has a node leave, as Ctrl-C does; waits until it has gone. */
  async leave(host: Host): Promise<void> {
    this.#faults.count("leave");
    this.#sim.trace.note(`${host.address} is told to leave`);
    host.leaving = true;
    const { process } = host;
    await host.request((node) => node.leave()).catch(() => {});
    // One that crashes on the way stays, when it is started again.
    await this.#patiently(() => host.gone || host.process !== process);
    host.leaving = false;
  }

  /** Has a node leave, takes that back in the middle of it, and sometimes has it leave once more. */
  async changeMind(host: Host): Promise<void> {
    this.#faults.count("leave cancelled");
    host.leaving = true;
    await host.request((node) => node.leave()).catch(() => {});
    await this.#sim.sleep(this.#random.exponential(150));
    await host.request((node) => node.cancelLeave()).catch(() => {});
    host.leaving = false;
    if (this.#random.chance(0.5)) return;
    await this.#sim.sleep(this.#random.exponential(500));
    await this.leaveAll([host]);
  }

  /** Starts a node again with another weight, or as another share of the ring: data moves. */
  async reweigh(host: Host, share?: MemberShare): Promise<void> {
    await this.#faults.takeTurn(async () => {
      if (!host.ready || host.leaving) return;
      this.#faults.count("weight");
      await host.stop();
      host.share = { ...host.share, ...share ?? { weight: this.#random.pick([0.5, 1, 2]) } };
      if (!host.gone) host.boot();
      await this.#patiently(() => host.ready);
      await this.#faults.crashInChange([host]);
    });
  }

  /** Kills a node for good and removes it; waits until the others hold its share. */
  async removeDead(host: Host): Promise<void> {
    this.#faults.count("remove");
    if (isLayoutChanging(this.#sim)) this.#faults.count("crashes in a layout change");
    host.crash();
    host.gone = true;
    await this.#patiently(async () => {
      const helper = this.#sim.ready.find((other) => !other.leaving);
      const removed = helper?.request((node) => node.remove(host.address, { force: false }));
      return await removed?.then(() => true, () => false) ?? false;
    });
    await this.#patiently(() => this.#sim.ready.every((other) => !nodeAt(other).ring().changing));
  }

  /** Balances the ring or purges a node. What cannot be done now is left for later, and reported as failed. */
  async #tidy(host: Host): Promise<void> {
    const kind = this.#random.pick(["balance", "purge"] as const);
    this.#faults.count(kind);
    await runTask(this.#sim, host, kind).catch(() => {});
  }

  /** Nodes of the ring that are to stay: not those that have yet to be taken in, or are about to go. */
  staying(): Host[] {
    const members = this.#sim.ready[0]?.running?.node.ring().nodes ?? [];
    const isMember = ({ address }: Host) =>
      members.some((node) => node.address === address && node.state !== "leaving");
    return this.#sim.hosts.filter((host) => !host.gone && !host.leaving && isMember(host));
  }

  async #run(pauseMs: number): Promise<void> {
    while (!this.#stopped) {
      await Promise.race([this.#sim.sleep(this.#random.exponential(pauseMs)), this.#end.promise]);
      if (this.#stopped) return;
      await this.#change();
    }
  }

  async #change(): Promise<void> {
    const { fewest, most } = this.#options;
    const staying = this.staying();
    const { ready } = this.#sim;
    const dice = this.#random.next();
    if (ready.length === 0) return;
    if (this.#random.chance(0.25)) return await this.#tidy(this.#random.pick(ready));
    if (this.#random.chance(0.15)) return await this.reweigh(this.#random.pick(ready));
    if (staying.length < fewest || (staying.length < most && dice < 0.5)) {
      const returning = dice < 0.15 ? this.#returning() : undefined;
      const several = Math.min(most - staying.length, this.#random.pick([1, 1, 2, 3]));
      const joining = Array.from(
        { length: several },
        (_, i) => i === 0 && returning !== undefined ? returning : this.#sim.addHost(),
      );
      return await this.joinAll(joining);
    }
    const candidates = ready.filter((host) => staying.includes(host));
    if (staying.length === fewest || candidates.length === 0) return;
    const host = this.#random.pick(candidates);
    if (this.#random.chance(0.2)) return await this.changeMind(host);
    if (dice < 0.8) {
      const several = Math.min(staying.length - fewest, this.#random.pick([1, 1, 2]));
      const leavers = [host, ...candidates.filter((other) => other !== host)].slice(0, several);
      await this.leaveAll(leavers);
    } else {
      // When the turn has come, another operator may have made the ring smaller.
      const isOneTooMany = () => host.ready && !host.leaving && this.staying().length > fewest;
      await this.#faults.takeTurn(() => isOneTooMany() ? this.removeDead(host) : Promise.resolve());
    }
  }

  /** A machine whose node left or was removed, with its old disk. */
  #returning(): Host | undefined {
    const gone = this.#sim.hosts.filter((host) => host.gone && host.process?.alive === false);
    return gone.length === 0 ? undefined : this.#random.pick(gone);
  }

  async #patiently(condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadlineMs = this.#sim.nowMs + PATIENCE_MS;
    while (!await condition() && this.#sim.nowMs < deadlineMs) await this.#sim.sleep(RETRY_MS);
  }
}
