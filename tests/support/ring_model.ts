import {
  isChanging,
  type LiveLayouts,
  liveName,
  type OwnerId,
  readNeeds,
  sameOwners,
  writeNeeds,
} from "../../lib/core/layout.ts";
import {
  admitMember,
  changeMember,
  foundRing,
  idOf,
  isActive,
  liveLayouts,
  mergeRings,
  reportSynced,
  type RingState,
} from "../../lib/core/membership.ts";
import { allOwners, isMet, type QuorumNeed, readQuorum } from "../../lib/core/quorum.ts";
import type { SeededRandom } from "./seeded_random.ts";

/** Rounds in which all nodes tell and pull, after which even the largest ring of a model must be at rest. */
const MAX_ROUNDS = 100;
/** Operations that are still on their way; earlier ones are lost. */
const MAX_WAITING = 20;

/** An operation on its way: each owner that it reaches answers if it still lives by the layouts it names. */
interface Operation {
  readonly kind: "write" | "read";
  readonly partition: number;
  readonly needs: readonly QuorumNeed<OwnerId>[];
  readonly name: string;
  /** Of a write: the version written. Of a read: the version that was acknowledged before it began. */
  readonly version: number;
  readonly waiting: OwnerId[];
  readonly answered: Map<string, number>;
  done: boolean;
}

/** One node, without its network and its disk: the state of its ring, and a version for each partition. */
export class ModelNode {
  readonly id: OwnerId;
  readonly held: number[];
  running = true;
  #live: { readonly ring: RingState; readonly live: LiveLayouts; readonly name: string } | undefined;
  #pull:
    | { readonly name: string; readonly left: Map<number, number>; readonly asked: Set<OwnerId> }
    | undefined;

  constructor(readonly address: string, readonly storeId: string, public ring: RingState) {
    this.id = `${address}/${storeId}`;
    this.held = Array.from({ length: ring.partitions }, () => 0);
  }

  get live(): LiveLayouts {
    return this.#now().live;
  }

  get name(): string {
    return this.#now().name;
  }

  /** Pulls from one more previous owner, if there is one to pull from; reports once nothing is left. */
  pullFrom(nodes: readonly ModelNode[], random: SeededRandom): void {
    const { live, name } = this;
    if (!isChanging(live) || this.ring.members.get(this.address)?.storeId !== this.storeId) return;
    if (this.#pull?.name !== name) this.#pull = { name, left: this.#toPull(live), asked: new Set() };
    const { left, asked } = this.#pull;
    const sources = nodes.filter((node) =>
      node.running && node !== this && node.name === name && live.base.has(node.id) && !asked.has(node.id) &&
      this.#mayPullFrom(node)
    );
    if (left.size > 0) {
      if (sources.length === 0) return;
      const source = random.pick(sources);
      asked.add(source.id);
      for (const [partition, more] of [...left]) {
        if (!live.base.owners(partition).includes(source.id)) continue;
        this.held[partition] = Math.max(this.held[partition]!, source.held[partition]!);
        if (more > 1) left.set(partition, more - 1);
        else left.delete(partition);
      }
    }
    if (left.size === 0) {
      this.ring = reportSynced(this.ring, this.address, { base: live.base.name, newest: live.newest.name });
    }
  }

  #mayPullFrom(source: ModelNode): boolean {
    const member = this.ring.members.get(source.address);
    return member !== undefined && isActive(member) && idOf(member) === source.id;
  }

  #toPull(live: LiveLayouts): Map<number, number> {
    const left = new Map<number, number>();
    for (let partition = 0; partition < this.ring.partitions; partition++) {
      const owners = live.newest.owners(partition);
      const previous = live.base.owners(partition);
      if (!owners.includes(this.id) || sameOwners(owners, previous)) continue;
      const others = readQuorum(live.base.n) - (previous.includes(this.id) ? 1 : 0);
      if (others > 0) left.set(partition, others);
    }
    return left;
  }

  #now() {
    if (this.#live?.ring !== this.ring) {
      const live = liveLayouts(this.ring);
      this.#live = { ring: this.ring, live, name: liveName(live) };
    }
    return this.#live!;
  }
}

/** What may happen to a ring; each test says how often. */
export interface ModelOptions {
  readonly partitions: number;
  /** With one copy, quorums overlap by nothing but the layouts they share: mistakes show soonest. */
  readonly replicas: number;
  /** Nodes the ring begins with, all synced. */
  readonly nodes: number;
  /** Nodes that may be killed and removed, one after the other. */
  readonly removals: number;
}

/**
 * A ring whose nodes hear of each other late, in any order and in part, while it
 * grows, shrinks, is written and read.
 *
 * Every node keeps the rules of the design: it answers only operations that name the layouts it lives by, and pulls
 * from a read quorum of previous owners that live by the same. Whatever follows must be core's doing.
 */
export class RingModel {
  readonly nodes: ModelNode[] = [];
  readonly #random: SeededRandom;
  readonly #options: ModelOptions;
  readonly #operations = new Set<Operation>();
  readonly #acknowledged: number[];
  #lastVersion = 0;
  #lastStore = 0;
  #removalsLeft: number;
  /** How likely each thing is to happen next: drawn anew for every run, so that each is another kind of ring. */
  readonly #habits: {
    readonly change: number;
    readonly tell: number;
    readonly pull: number;
    readonly begin: number;
  };

  constructor(random: SeededRandom, options: ModelOptions) {
    this.#random = random;
    this.#options = options;
    this.#removalsLeft = options.removals;
    this.#habits = {
      change: 0.05 + 0.2 * random.next(),
      tell: 0.2 + 0.5 * random.next(),
      pull: 0.3 + 0.6 * random.next(),
      begin: 0.2 + 0.7 * random.next(),
    };
    this.#acknowledged = Array.from({ length: options.partitions }, () => 0);
    const self = { address: "a", storeId: this.#storeId(), incarnation: 1 };
    this.nodes.push(
      new ModelNode(
        "a",
        self.storeId,
        foundRing({ ringId: "r", partitions: options.partitions, replicas: options.replicas, self }),
      ),
    );
    while (this.nodes.length < options.nodes) {
      this.#join(this.nodes[0]!);
      this.settle();
    }
  }

  /** Does one thing at random. @throws {Error} If a read missed a write that was acknowledged before it began. */
  step(): void {
    const random = this.#random;
    const running = this.nodes.filter((node) => node.running);
    const { change, tell, pull, begin } = this.#habits;
    if (random.chance(change)) this.#change(random.pick(running));
    else if (random.chance(tell)) this.#announce(random.pick(running), running);
    else if (random.chance(pull)) {
      running.forEach((node) => random.chance(0.8) && node.pullFrom(this.nodes, random));
    } else if (random.chance(begin)) this.#begin(random.pick(running));
    else if (this.#operations.size > 0) this.#deliver(random.pick([...this.#operations]));
  }

  /** Lets every node hear of all and pull what it must, until nothing changes any more. */
  settle(): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const before = this.nodes.map((node) => node.ring);
      const running = this.nodes.filter((node) => node.running);
      for (const from of running) for (const to of running) to.ring = mergeRings(to.ring, from.ring);
      for (const node of running) {
        for (let i = 0; i < running.length; i++) node.pullFrom(this.nodes, this.#random);
      }
      if (this.nodes.every((node, i) => node.ring === before[i])) return;
    }
    throw new Error("The ring does not settle");
  }

  /** Some hear of it, some do not. */
  #announce(from: ModelNode, running: readonly ModelNode[]): void {
    const reach = this.#random.next();
    for (const to of running) if (this.#random.chance(reach)) to.ring = mergeRings(to.ring, from.ring);
  }

  #change(anyone: ModelNode): void {
    const random = this.#random;
    // The last that came may well be the next to go: then the layout without it is asked for again.
    const last = this.nodes.at(-1)!;
    const at = last.running && random.chance(0.4) ? last : anyone;
    const self = at.ring.members.get(at.address)!;
    const mine = self.storeId === at.storeId;
    const up = [...at.ring.members.values()].filter((member) => member.state === "up");
    if (random.chance(0.5) && up.length < 5) return this.#join(at);
    if (!mine) return;
    if (self.state === "leaving") return this.#endLeave(at);
    if (self.state === "up" && up.length > Math.min(3, this.#options.replicas + 1) && random.chance(0.7)) {
      at.ring = changeMember(at.ring, at.address, { state: "leaving" });
    } else if (this.#removalsLeft > 0 && up.length > 3) this.#killAndRemove(at);
  }

  /** A leaver goes once the others have taken over; before that it may think better of it. */
  #endLeave(node: ModelNode): void {
    const gone = !isChanging(node.live) && !node.live.base.has(node.id);
    if (!gone && this.#random.chance(0.7)) return;
    node.ring = changeMember(node.ring, node.address, { state: gone ? "left" : "up" });
    if (!gone) return;
    for (const other of this.nodes) if (other.running) other.ring = mergeRings(other.ring, node.ring);
    node.running = false;
  }

  #killAndRemove(at: ModelNode): void {
    const others = this.nodes.filter((node) => node.running && node !== at);
    const victim = this.#random.pick(others);
    if (at.ring.members.get(victim.address)?.state !== "up") return;
    if (at.ring.members.get(victim.address)?.storeId !== victim.storeId) return;
    this.#removalsLeft--;
    victim.running = false;
    at.ring = changeMember(at.ring, victim.address, { state: "removed" });
  }

  #join(through: ModelNode): void {
    const taken = new Set(this.nodes.filter((node) => node.running).map((node) => node.address));
    const free = [..."abcdefghijkl"].filter((address) =>
      !taken.has(address) && !isActiveAt(through.ring, address)
    );
    if (free.length === 0) return;
    const address = this.#random.pick(free.slice(0, 4));
    const storeId = this.#storeId();
    through.ring = admitMember(through.ring, { address, storeId, incarnation: 1 });
    this.nodes.push(new ModelNode(address, storeId, through.ring));
  }

  /** Begins an operation on every partition; some owners are reached at once, some late, some never. */
  #begin(coordinator: ModelNode): void {
    const { live, name } = coordinator;
    const kind = this.#random.chance(0.7) ? "write" : "read";
    const version = ++this.#lastVersion;
    const reach = this.#random.next();
    for (let partition = 0; partition < this.#options.partitions; partition++) {
      const needs = kind === "write" ? writeNeeds(live, partition) : readNeeds(live, partition);
      const operation: Operation = {
        kind,
        partition,
        name,
        needs,
        version: kind === "write" ? version : this.#acknowledged[partition]!,
        waiting: this.#random.shuffled(allOwners(needs)),
        answered: new Map(),
        done: false,
      };
      for (const _ of operation.waiting.slice()) if (this.#random.chance(reach)) this.#deliver(operation);
      if (operation.waiting.length > 0) this.#operations.add(operation);
    }
    const late = [...this.#operations].slice(0, -MAX_WAITING);
    late.forEach((operation) => this.#operations.delete(operation));
  }

  #deliver(operation: Operation): void {
    const id = operation.waiting.pop()!;
    if (operation.waiting.length === 0) this.#operations.delete(operation);
    const owner = this.nodes.find((node) => node.id === id && node.running);
    if (owner === undefined || owner.name !== operation.name) return;
    const { kind, partition, version, answered, needs } = operation;
    // As an owner does: a client's write must be newer than what it holds.
    if (kind === "write" && version < owner.held[partition]!) return;
    if (kind === "write") owner.held[partition] = version;
    answered.set(id, owner.held[partition]!);
    if (operation.done || !isMet(needs, (other) => answered.has(other))) return;
    operation.done = true;
    if (kind === "write") {
      this.#acknowledged[partition] = Math.max(this.#acknowledged[partition]!, version);
    } else if (Math.max(...answered.values()) < version) {
      throw new Error(`A read of partition ${partition} under ${operation.name} missed version ${version}`);
    }
  }

  /** @throws {Error} If any node could now read without meeting the last acknowledged write. */
  check(): void {
    for (const reader of this.nodes) {
      if (!reader.running) continue;
      const { live, name } = reader;
      this.#acknowledged.forEach((version, partition) => {
        const lacks = (id: string) =>
          this.nodes.some((node) =>
            node.id === id && node.running && node.name === name && node.held[partition]! < version
          );
        if (version > 0 && isMet(readNeeds(live, partition), lacks)) {
          throw new Error(`Version ${version} of partition ${partition} can be missed under ${name}`);
        }
      });
    }
  }

  #storeId(): string {
    return `s${++this.#lastStore}`;
  }
}

function isActiveAt(ring: RingState, address: string): boolean {
  const member = ring.members.get(address);
  return member !== undefined && isActive(member);
}
