import { DhtError, sentence } from "../core/errors.ts";
import { isDue } from "../core/expiry.ts";
import { HybridLogicalClock, type Version, writerId } from "../core/hlc.ts";
import { addressOf } from "../core/layout.ts";
import type { Plan, PlannedChange } from "../core/plan.ts";
import { headOf } from "../core/record.ts";
import { AntiEntropy } from "./anti_entropy.ts";
import { type Background, backgroundTasks } from "./background.ts";
import { balance, purge } from "./balance.ts";
import { balanceRing } from "./balance_ring.ts";
import { ClockSkew } from "./clock_skew.ts";
import { ChangeProgress } from "./change_progress.ts";
import { Coordinator, type Place, type QuorumRead } from "./coordinator.ts";
import { Exchange } from "./exchange.ts";
import { Expiry } from "./expiry.ts";
import { Gossip } from "./gossip.ts";
import { HintedHandoff } from "./hinted_handoff.ts";
import { type EnterOptions, Joining } from "./joining.ts";
import { LEAVE_LINGER_MS, Leaving } from "./leaving.ts";
import { listKeys } from "./listing.ts";
import { MembershipService } from "./membership.ts";
import { Mender } from "./mender.ts";
import { nodeMetrics } from "./metrics.ts";
import type { NodeDeps } from "./node_deps.ts";
import { DEFAULT_PAUSES, inRounds, type Pauses } from "./pauses.ts";
import { makePlan } from "./plan.ts";
import { PartitionTrees } from "./partition_trees.ts";
import { Peers } from "./peers.ts";
import { Repair } from "./repair.ts";
import { Replica } from "./replica.ts";
import { Scrub } from "./scrub.ts";
import type {
  Consistency,
  DeleteOptions,
  FoundValue,
  JoinRequest,
  KeyPage,
  Metric,
  NodeService,
  PutOptions,
  RequestOptions,
  RingView,
  StatusView,
  TaskView,
  Written,
} from "./service.ts";
import { StatusService } from "./status.ts";
import { Tasks, unknownTask } from "./tasks.ts";
import { TombstoneCollector } from "./tombstone_gc.ts";
import { Transfer } from "./transfer.ts";
import { Values } from "./values.ts";

export type { NodeDeps } from "./node_deps.ts";

/** A node of the ring: owns its services, and starts and stops them in the right order. */
export class DhtNode implements NodeService {
  readonly #deps: NodeDeps;
  readonly #pauses: Pauses;
  readonly #peers: Peers;
  readonly #coordinator: Coordinator;
  readonly #values: Values;
  readonly #exchange: Exchange;
  readonly #gossip: Gossip;
  readonly #transfer: Transfer;
  readonly #joining: Joining;
  readonly #membership: MembershipService;
  readonly #replica: Replica;
  readonly #status: StatusService;
  readonly #tasks: Tasks;
  readonly #repair: Repair;
  readonly #tombstones: TombstoneCollector;
  readonly #hints: HintedHandoff;
  readonly #antiEntropy: AntiEntropy;
  readonly #scrub: Scrub;
  readonly #mender: Mender;
  readonly #expiry: Expiry;
  readonly #trees: PartitionTrees;
  readonly #background: Background;
  readonly #clockSkew: ClockSkew;
  readonly #leaving: Leaving;
  readonly #stopping = new AbortController();
  readonly #loops: Promise<void>[] = [];

  constructor(deps: NodeDeps) {
    this.#deps = deps;
    const { storage, keeper, transport, clock, random, log } = deps;
    const { self } = keeper;
    this.#pauses = { ...DEFAULT_PAUSES, ...deps.pauses };
    this.#peers = new Peers({ transport, clock, keeper });
    this.#tasks = new Tasks({ clock, random });
    this.#background = backgroundTasks(clock, deps.rates);
    this.#exchange = new Exchange({ storage, peers: this.#peers, random, clock, keeper });
    const background = this.#background;
    const trees = this.#trees = new PartitionTrees({ storage, keeper });
    const clockSkew = this.#clockSkew = new ClockSkew(clock);
    const shared = {
      keeper,
      storage,
      clock,
      random,
      log,
      background,
      clockSkew,
      pauses: this.#pauses,
      peers: this.#peers,
      exchange: this.#exchange,
      trees,
    };
    const hints = this.#hints = new HintedHandoff(shared, this.#stopping.signal);
    this.#gossip = new Gossip(shared);
    this.#transfer = new Transfer({ ...shared, gossip: this.#gossip });
    const joining = this.#joining = new Joining({ ...shared, gossip: this.#gossip });
    this.#membership = new MembershipService({ ...shared, gossip: this.#gossip });
    const hlc = new HybridLogicalClock(writerId(self.storeId, self.incarnation));
    this.#coordinator = new Coordinator({ ...shared, hlc, hints });
    this.#values = new Values({ ...shared, coordinator: this.#coordinator });
    this.#expiry = new Expiry({ ...shared, coordinator: this.#coordinator });
    const membership = this.#membership;
    this.#tombstones = new TombstoneCollector(shared);
    this.#antiEntropy = new AntiEntropy(shared, this.#stopping.signal);
    this.#scrub = new Scrub(shared, this.#stopping.signal);
    this.#mender = new Mender(shared, this.#stopping.signal);
    const progress = new ChangeProgress({ ...shared, transfer: this.#transfer });
    this.#leaving = new Leaving(
      {
        ...shared,
        joining,
        membership,
        progress,
        gossip: this.#gossip,
        tasks: this.#tasks,
        onLeft: deps.onLeft,
      },
      this.#stopping.signal,
    );
    this.#status = new StatusService({
      ...shared,
      progress,
      antiEntropy: this.#antiEntropy,
      joining,
      version: deps.version,
      notes: deps.notes ?? [],
      lookAtDisk: deps.lookAtDisk ?? (() => Promise.resolve(undefined)),
    });
    this.#replica = new Replica({
      ...shared,
      hints,
      tasks: this.#tasks,
      progress: () => progress.own(),
      pullRecord: (source, place, record) =>
        this.#exchange.pullRecord({ peer: source, live: keeper.live }, place, record),
      hasEntered: () => joining.hasEntered,
      admit: (joiner) => membership.admit(joiner),
      welcome: (ring) => joining.welcome(ring),
      startBalance: (id) => void this.#startBalance(id),
      foreignRing: (ringId) => joining.noteForeignRing(ringId),
      heardFrom: (address) => this.#gossip.heardFrom(address),
    });
    this.#peers.connect(this.#replica);
    this.#repair = new Repair({ ...this.#balanceDeps(), clock, log, hints }, this.#stopping.signal);
    this.#peers.onRecovery((address) => this.#repair.recovered(address));
  }

  /**
   * Founds a ring, finds the one this node was last in, or joins one through one of `servers`.
   *
   * @returns At once; a node that has to join says `not_in_ring` until it has.
   */
  async start(options: EnterOptions): Promise<void> {
    const { signal } = this.#stopping;
    const rejoined = await this.#joining.enter(options, signal);
    // Not before: a node that comes back to such a ring is told by an error.
    this.#deps.keeper.onChange(() => this.#stopIfRetired());
    const inRing = this.#joining.entered.then(() =>
      Promise.all([
        this.#gossip.run(signal),
        this.#transfer.run(signal),
        this.#hints.run(),
        this.#expiry.run(signal),
      ])
    );
    this.#loops.push(
      inRing.then(() => {}, () => {}),
      this.#antiEntropy.run(),
      this.#scrub.run(),
      this.#mender.run(),
      this.#tombstones.run(signal),
      this.#collectGarbage(),
    );
    // What was written while this node was down is on the other owners.
    if (rejoined) this.#loops.push(this.#hints.askForMine().then(() => this.#repair.withAll()));
  }

  /**
   * Compares everything with all other owners and exchanges what differs, unless the node has done so by itself of
   * late: to be called every few minutes, by hosts that stop a process between two requests.
   */
  async compareAll(): Promise<void> {
    await this.#antiEntropy.roundIfDue();
  }

  /** Whether this node's claim on its database still holds: another process may have opened a shared one. */
  confirmClaim(): Promise<boolean> {
    return this.#deps.storage.confirmClaim();
  }

  /** Ends all background work and closes the database; does not leave the ring. */
  async stop(): Promise<void> {
    this.#stopping.abort(new DhtError("stopping", "The node is stopping"));
    await Promise.allSettled(this.#loops);
    await this.#deps.storage.close();
  }

  async put(
    key: string,
    body: ReadableStream<Uint8Array> | undefined,
    options: PutOptions,
  ): Promise<Written> {
    return await this.#values.put(this.#place(key), body, options);
  }

  async get(
    key: string,
    { consistency, signal }: RequestOptions & { readonly consistency: Consistency },
  ): Promise<FoundValue | undefined> {
    const place = this.#place(key);
    const { keeper, storage } = this.#deps;
    if (consistency !== "one" && consistency !== "local") {
      return this.#values.found(place, await this.#coordinator.read(place, { consistency, signal }));
    }
    if (consistency === "one") {
      return this.#values.found(place, this.#unlessDue(await this.#coordinator.readOne(place)));
    }
    const record = await storage.read(place.partition, key);
    const own = record && { record, source: keeper.selfId, holders: [], live: keeper.live };
    return this.#values.found(place, this.#unlessDue(own));
  }

  /** Who asks one owner goes by this node's clock. */
  #unlessDue(read: QuorumRead | undefined): QuorumRead | undefined {
    return read !== undefined && isDue(headOf(read.record), this.#deps.clock.nowMs()) ? undefined : read;
  }

  async delete(key: string, options: DeleteOptions): Promise<Written> {
    const make = (version: Version) => ({ kind: "tombstone", version, expired: false } as const);
    return await this.#coordinator.write(this.#place(key), make, options);
  }

  async list(
    options: RequestOptions & { readonly prefix: string; readonly after?: string; readonly limit: number },
  ): Promise<KeyPage> {
    this.#assertServing();
    const deps = { keeper: this.#deps.keeper, peers: this.#peers, clock: this.#deps.clock };
    return await this.#coordinator.underLiveLayouts(() => listKeys(deps, options), options.signal);
  }

  async localVersion(key: string): Promise<Version | undefined> {
    const [head] = await this.#deps.storage.heads([this.#place(key)]);
    return head?.kind === "value" && !isDue(head, this.#deps.clock.nowMs()) ? head.version : undefined;
  }

  whereIs(key: string): { readonly partition: number; readonly nodes: readonly string[] } {
    const { partition } = this.#place(key);
    return { partition, nodes: this.#deps.keeper.live.newest.owners(partition).map(addressOf) };
  }

  ring(): RingView {
    return this.#status.ring();
  }

  status(): Promise<StatusView> {
    return this.#status.status();
  }

  readiness(): { readonly ready: true } | { readonly ready: false; readonly reason: string } {
    return this.#joining.readiness();
  }

  metrics(): readonly Metric[] {
    return nodeMetrics({
      ring: this.#deps.keeper.inRing ? this.ring() : undefined,
      storage: this.#deps.storage.stats(),
      sent: this.#peers.sent,
      hints: this.#hints.counts,
      retries: this.#coordinator.retries,
      clockOffsets: this.#clockSkew.offsets(),
      oldestVerifiedMs: this.#antiEntropy.oldestVerifiedMs,
      background: Object.values(this.#background).map((task) => task.view),
    });
  }

  async join(request: JoinRequest): Promise<RingView> {
    await this.#membership.admitAndTell(request);
    return this.ring();
  }

  async remove(address: string, options: { readonly force: boolean }): Promise<RingView> {
    await this.#membership.remove(address, options);
    // It repairs what the ring's nodes do by themselves a little later, too.
    this.balance().catch(() => {});
    return this.ring();
  }

  /** @param options.lingerMs How long to stay afterwards, for those who poll the task. */
  // deno-lint-ignore require-await -- what it throws rejects
  async leave({ lingerMs = LEAVE_LINGER_MS } = {}): Promise<TaskView> {
    this.#assertInRing();
    return this.#leaving.start(lingerMs);
  }

  async cancelLeave(): Promise<TaskView> {
    this.#assertInRing();
    return await this.#leaving.cancel();
  }

  async plan(change: PlannedChange): Promise<Plan> {
    this.#assertServing();
    return await makePlan({ keeper: this.#deps.keeper, peers: this.#peers }, change);
  }

  // deno-lint-ignore require-await -- what it throws rejects
  async balance(): Promise<TaskView> {
    this.#assertInRing();
    const { signal } = this.#stopping;
    const deps = { ...this.#balanceDeps(), random: this.#deps.random };
    return this.#tasks.start("balance", (task) => balanceRing(deps, { task, signal }));
  }

  // deno-lint-ignore require-await -- what it throws rejects
  async purge(): Promise<TaskView> {
    this.#assertInRing();
    const { signal } = this.#stopping;
    return this.#tasks.start("purge", (task) => purge(this.#balanceDeps(), { task, signal }));
  }

  task(id: string): Promise<TaskView> {
    const task = this.#tasks.find(id);
    return task === undefined ? Promise.reject(unknownTask(id)) : Promise.resolve(task);
  }

  receive(message: Uint8Array): Promise<Uint8Array> {
    return this.#replica.receive(message);
  }

  /** @throws {DhtError} "not_in_ring" where this node must not serve, lest it answer for a ring it is not in. */
  #place(key: string): Place {
    this.#assertServing();
    return this.#coordinator.place(key);
  }

  #assertServing(): void {
    const readiness = this.#joining.readiness();
    if (!readiness.ready) throw new DhtError("not_in_ring", readiness.reason);
  }

  #assertInRing(): void {
    if (!this.#deps.keeper.inRing) this.#assertServing();
  }

  #stopIfRetired(): void {
    const { keeper, onRetired } = this.#deps;
    const { self, selfMember } = keeper;
    const isOldCopy = selfMember !== undefined && selfMember.incarnation > self.incarnation;
    if (selfMember === undefined || selfMember.state === "removed" || isOldCopy) onRetired();
  }

  #startBalance(id: string): void {
    const { signal } = this.#stopping;
    this.#tasks.start("balance", (task) => balance(this.#balanceDeps(), { task, signal }), id);
  }

  #balanceDeps() {
    const { keeper, storage } = this.#deps;
    return { keeper, storage, peers: this.#peers, exchange: this.#exchange, trees: this.#trees };
  }

  async #collectGarbage(): Promise<void> {
    const { clock, log, storage } = this.#deps;
    const { signal } = this.#stopping;
    await inRounds(
      { clock, pauseMs: () => this.#pauses.garbageMs, signal },
      () =>
        storage.collectGarbage().catch((error) => log.event("warn", "background_failed", sentence(error))),
    );
  }
}
