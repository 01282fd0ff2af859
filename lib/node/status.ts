import { addressOf, isChanging } from "../core/layout.ts";
import { idOf, isActive, isGone, type Member, unsyncedMembers } from "../core/membership.ts";
import type { Clock } from "../ports/clock.ts";
import type { DiskRoom, LookAtDisk } from "../ports/disk.ts";
import type { AntiEntropy } from "./anti_entropy.ts";
import type { Background } from "./background.ts";
import type { ChangeProgress } from "./change_progress.ts";
import type { ClockSkew } from "./clock_skew.ts";
import type { Gossip } from "./gossip.ts";
import type { Joining } from "./joining.ts";
import type { Peers } from "./peers.ts";
import { COUNTING_MS, promptly } from "./promptly.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { ChangeView, NodeView, RingView, StatusView } from "./service.ts";
import type { Storage } from "./storage.ts";
import { type WarningFacts, Warnings } from "./warnings.ts";

/** Counts are asked for at most that often, however many look at the page. */
const COUNTS_MAX_AGE_MS = 2_000;
const COUNTS_TIMEOUT_MS = 10_000;

interface Counts {
  readonly keys: number;
  readonly bytes: number;
  readonly complete: boolean;
}

/** Where what is shown comes from. */
export interface StatusDeps {
  readonly keeper: RingKeeper;
  readonly peers: Peers;
  readonly storage: Storage;
  readonly joining: Pick<Joining, "foreignRing">;
  readonly gossip: Pick<Gossip, "refusing">;
  readonly clock: Clock;
  readonly background: Background;
  readonly antiEntropy: AntiEntropy;
  readonly clockSkew: ClockSkew;
  readonly progress: ChangeProgress;
  readonly version: string;
  /** How the process was started, where people should know it. */
  readonly notes: readonly string[];
  readonly lookAtDisk: LookAtDisk;
}

/** What a person wants to know of the ring, as this node sees it. */
export class StatusService {
  readonly #deps: StatusDeps;
  readonly #startedMs: number;
  readonly #warnings = new Warnings();
  #counts: { readonly atMs: number; readonly value: Promise<Counts> } | undefined;

  constructor(deps: StatusDeps) {
    this.#deps = deps;
    this.#startedMs = deps.clock.nowMs();
  }

  /** The ring and its nodes. */
  ring(): RingView {
    const { keeper } = this.#deps;
    const { state, live } = keeper;
    return {
      ringId: state.ringId,
      self: keeper.self.address,
      replicas: state.replicas,
      partitions: state.partitions,
      layout: live.newest.name,
      changing: isChanging(live),
      nodes: this.#nodes(),
    };
  }

  /** Everything, with counts a few seconds old at most. */
  async status(): Promise<StatusView> {
    const { storage, clock, version } = this.#deps;
    const ring = this.ring();
    const [digests, counts, change, room] = await Promise.all([
      promptly(clock, COUNTING_MS, storage.digests()),
      this.#ringCounts(),
      this.#deps.progress.ring(),
      this.#deps.lookAtDisk(),
    ]);
    const facts = this.#facts(ring, change, room);
    let localKeys = 0;
    let localBytes = 0;
    for (const digest of digests?.values() ?? []) {
      localKeys += digest.values;
      localBytes += digest.valueBytes;
    }
    return {
      version,
      startedMs: this.#startedMs,
      nowMs: clock.nowMs(),
      ring,
      ringKeys: counts.keys,
      ringBytes: counts.bytes,
      countsComplete: counts.complete,
      localKeys,
      localBytes,
      localComplete: digests !== undefined,
      ...(change === undefined ? {} : { change }),
      health: this.#warnings.health(facts),
      notes: [...this.#warnings.notes(facts), ...this.#deps.notes],
      warnings: [...this.#warnings.warnings(facts), ...this.#deps.clockSkew.warnings(ring.nodes.length)],
      background: Object.values(this.#deps.background).map((task) => task.view),
      oldestVerifiedMs: this.#deps.antiEntropy.oldestVerifiedMs,
      unverifiedPartitions: this.#deps.antiEntropy.unverifiedPartitions,
    };
  }

  #nodes(): NodeView[] {
    const { keeper, peers } = this.#deps;
    const { state, live } = keeper;
    const shares = new Map(live.newest.shares().map((share, i) => [live.newest.ids[i]!, share]));
    const unsynced = new Set(unsyncedMembers(state, live).map((member) => member.address));
    const active = [...state.members.values()].filter(isActive).sort((
      a,
      b,
    ) => (a.address < b.address ? -1 : 1));
    return active.map((member) => {
      const share = shares.get(idOf(member));
      const health = peers.health(member.address);
      return {
        address: member.address,
        storeId: member.storeId,
        state: this.#shownState(member),
        reachable: health === "up",
        ...(health === "up" ? {} : { trouble: health }),
        primaryPartitions: share?.primary ?? 0,
        ownedPartitions: share?.owned ?? 0,
        synced: !unsynced.has(member.address),
        weight: member.weight,
        ...(member.zone === undefined ? {} : { zone: member.zone }),
      };
    });
  }

  /** A member the base layout lacks is still fetching its share. */
  #shownState(member: Member): NodeView["state"] {
    if (member.state !== "up") return member.state;
    return this.#deps.keeper.live.base.has(idOf(member)) ? "up" : "joining";
  }

  #ringCounts(): Promise<Counts> {
    const nowMs = this.#deps.clock.monotonicMs();
    if (this.#counts === undefined || nowMs - this.#counts.atMs > COUNTS_MAX_AGE_MS) {
      this.#counts = { atMs: nowMs, value: this.#askCounts() };
    }
    return this.#counts.value;
  }

  /** Sums what each node counts of the partitions it is first of, those that are down or gone left out. */
  async #askCounts(): Promise<Counts> {
    const { keeper, peers } = this.#deps;
    const { live, state } = keeper;
    const lost = live.base.ids.filter((owner) => isGone(state, owner) || peers.isDown(addressOf(owner)));
    const down = lost.map(addressOf);
    const options = { lane: "own", timeoutMs: COUNTS_TIMEOUT_MS } as const;
    const asked = live.base.ids.filter((owner) => !lost.includes(owner));
    const answers = await Promise.all(
      asked.map((owner) => peers.ask(owner, live, "counts", { down }, options).catch(() => undefined)),
    );
    const counts = { keys: 0, bytes: 0, partitions: 0 };
    for (const answer of answers) {
      counts.keys += answer?.values ?? 0;
      counts.bytes += answer?.valueBytes ?? 0;
      counts.partitions += answer?.partitions ?? 0;
    }
    return { keys: counts.keys, bytes: counts.bytes, complete: counts.partitions === state.partitions };
  }

  #facts(ring: RingView, change: ChangeView | undefined, room: DiskRoom | undefined): WarningFacts {
    const { keeper, joining, gossip, storage } = this.#deps;
    const { foreignRing } = joining;
    const down = ring.nodes.filter((node) => !node.reachable).map((node) => node.address);
    return {
      state: keeper.state,
      live: keeper.live,
      down,
      refusing: gossip.refusing().filter((address) => down.includes(address)),
      unreachable: ring.nodes.filter((node) => node.trouble === "unreachable").map((node) => node.address),
      stats: storage.stats(),
      ...(change === undefined ? {} : { change }),
      ...(room === undefined ? {} : { room }),
      ...(foreignRing === undefined ? {} : { foreignRing }),
    };
  }
}
