import { DhtError } from "../core/errors.ts";
import { isDue } from "../core/expiry.ts";
import type { Version } from "../core/hlc.ts";
import { ownsInBase } from "../core/layout.ts";
import type { Plan, PlannedChange } from "../core/plan.ts";
import { headOf } from "../core/record.ts";
import { purge } from "./balance.ts";
import { balanceRing } from "./balance_ring.ts";
import type { Place, QuorumRead } from "./coordinator.ts";
import type { EnterOptions } from "./joining.ts";
import { LEAVE_LINGER_MS } from "./leaving.ts";
import { listKeys } from "./listing.ts";
import { nodeMetrics } from "./metrics.ts";
import type { NodeDeps } from "./node_deps.ts";
import { makePlan } from "./plan.ts";
import { buildServices, type Services } from "./services.ts";
import type {
  Consistency,
  DeleteOptions,
  FoundValue,
  JoinRequest,
  KeyPage,
  Metric,
  NodeService,
  PutBody,
  PutOptions,
  RequestOptions,
  RingView,
  StatusView,
  TaskView,
  Written,
} from "./service.ts";
import { unknownTask } from "./tasks.ts";

export type { NodeDeps } from "./node_deps.ts";

/** A node of the ring: owns its services, and starts and stops them in the right order. */
export class DhtNode implements NodeService {
  readonly #deps: NodeDeps;
  readonly #stopping = new AbortController();
  readonly #services: Services;
  readonly #loops: Promise<void>[] = [];

  constructor(deps: NodeDeps) {
    this.#deps = deps;
    this.#services = buildServices(deps, this.#stopping.signal);
  }

  /**
   * Founds a ring, finds the one this node was last in, or joins one through one of `servers`.
   *
   * @returns At once; a node that has to join says `not_in_ring` until it has.
   */
  async start(options: EnterOptions): Promise<void> {
    const { signal } = this.#stopping;
    const {
      joining,
      gossip,
      transfer,
      hints,
      expiry,
      antiEntropy,
      repair,
      scrub,
      mender,
      tombstones,
      garbage,
    } = this.#services;
    const rejoined = await joining.enter(options, signal);
    // Not before: a node that comes back to such a ring is told by an error.
    this.#deps.keeper.onChange(() => this.#stopIfRetired());
    const inRing = joining.entered.then(() =>
      Promise.all([gossip.run(signal), transfer.run(signal), hints.run(), expiry.run(signal)])
    );
    this.#loops.push(
      inRing.then(() => {}, () => {}),
      antiEntropy.run(),
      scrub.run(),
      mender.run(),
      tombstones.run(signal),
      garbage.run(signal),
    );
    // What was written while this node was down is on the other owners.
    if (rejoined) this.#loops.push(repair.catchUp());
  }

  /**
   * Compares everything with all other owners and exchanges what differs, unless the node has done so by itself of
   * late: to be called every few minutes, by hosts that stop a process between two requests.
   */
  async compareAll(): Promise<void> {
    await this.#services.antiEntropy.roundIfDue();
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

  put(key: string, body: PutBody, options: PutOptions): Promise<Written> {
    try {
      return this.#services.values.put(this.#place(key), body, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async get(
    key: string,
    { consistency, client }: RequestOptions & { readonly consistency: Consistency },
  ): Promise<FoundValue | undefined> {
    const place = this.#place(key);
    const { keeper, storage, values, coordinator } = this.#services;
    if (consistency !== "one" && consistency !== "local") {
      return values.found(place, await coordinator.read(place, { consistency, client }));
    }
    const now = this.#foundNow(place, consistency);
    if (now !== "unknown") return now;
    if (consistency === "one") {
      return values.found(place, this.#unlessDue(await coordinator.readOne(place)));
    }
    const record = await storage.read(place.partition, key);
    const own = record && { record, source: keeper.selfId, holders: [], live: keeper.live };
    return values.found(place, this.#unlessDue(own));
  }

  getNow(key: string, consistency: Consistency): FoundValue | undefined | "unknown" {
    if (consistency !== "one" && consistency !== "local") return "unknown";
    return this.#foundNow(this.#place(key), consistency);
  }

  /** What a read of one owner finds, if this node is the one it asks first and its memory knows. */
  #foundNow(place: Place, consistency: "one" | "local"): FoundValue | undefined | "unknown" {
    const { keeper, storage, values } = this.#services;
    const { live, selfId } = keeper;
    // Who is only about to own the key may have leftovers of what was deleted long ago.
    if (consistency === "one" && !ownsInBase(live, place.partition, selfId)) return "unknown";
    const record = storage.readNow(place.key);
    if (record === "unknown") return record;
    // Another owner may have what this one has missed.
    if (record === undefined) return consistency === "one" ? "unknown" : undefined;
    storage.served++;
    return values.found(place, this.#unlessDue({ record, source: selfId, holders: [selfId], live }));
  }

  /** Who asks one owner goes by this node's clock. */
  #unlessDue(read: QuorumRead | undefined): QuorumRead | undefined {
    if (read?.record.kind !== "value" || read.record.expiresMs === undefined) return read;
    return isDue(headOf(read.record), this.#deps.clock.nowMs()) ? undefined : read;
  }

  async delete(key: string, options: DeleteOptions): Promise<Written> {
    const make = (version: Version) => ({ kind: "tombstone", version, expired: false } as const);
    return await this.#services.coordinator.write(this.#place(key), make, options);
  }

  async list(
    options: RequestOptions & { readonly prefix: string; readonly after?: string; readonly limit: number },
  ): Promise<KeyPage> {
    this.#assertServing();
    const list = () => listKeys(this.#services, options);
    return await this.#services.coordinator.underLiveLayouts(list, options.client);
  }

  async localVersion(key: string): Promise<Version | undefined> {
    const [head] = await this.#deps.storage.heads([this.#place(key)]);
    return head?.kind === "value" && !isDue(head, this.#deps.clock.nowMs()) ? head.version : undefined;
  }

  whereIs(key: string): { readonly partition: number; readonly nodes: readonly string[] } {
    const { partition } = this.#place(key);
    return { partition, nodes: this.#deps.keeper.live.newest.addresses(partition) };
  }

  ring(): RingView {
    return this.#services.status.ring();
  }

  status(): Promise<StatusView> {
    return this.#services.status.status();
  }

  readiness(): { readonly ready: true } | { readonly ready: false; readonly reason: string } {
    return this.#services.joining.readiness();
  }

  metrics(): readonly Metric[] {
    const { keeper, storage, peers, hints, coordinator, clockSkew, antiEntropy, background } = this.#services;
    return nodeMetrics({
      ring: keeper.inRing ? this.ring() : undefined,
      storage: storage.stats(),
      sent: peers.sent,
      hints: hints.counts,
      retries: coordinator.retries,
      clockOffsets: clockSkew.offsets(),
      oldestVerifiedMs: antiEntropy.oldestVerifiedMs,
      background: Object.values(background).map((task) => task.view),
    });
  }

  async join(request: JoinRequest): Promise<RingView> {
    await this.#services.membership.admitAndTell(request);
    return this.ring();
  }

  async remove(address: string, options: { readonly force: boolean }): Promise<RingView> {
    await this.#services.membership.remove(address, options);
    // It repairs what the ring's nodes do by themselves a little later, too.
    this.balance().catch(() => {});
    return this.ring();
  }

  /** @param options.lingerMs How long to stay afterwards, for those who poll the task. */
  // deno-lint-ignore require-await -- what it throws rejects
  async leave({ lingerMs = LEAVE_LINGER_MS } = {}): Promise<TaskView> {
    this.#assertInRing();
    return this.#services.leaving.start(lingerMs);
  }

  async cancelLeave(): Promise<TaskView> {
    this.#assertInRing();
    return await this.#services.leaving.cancel();
  }

  async plan(change: PlannedChange): Promise<Plan> {
    this.#assertServing();
    return await makePlan(this.#services, change);
  }

  // deno-lint-ignore require-await -- what it throws rejects
  async balance(): Promise<TaskView> {
    this.#assertInRing();
    const { signal } = this.#stopping;
    return this.#services.tasks.start(
      "balance",
      (task) => balanceRing(this.#services, { task, signal, comparing: "as asked" }),
    );
  }

  // deno-lint-ignore require-await -- what it throws rejects
  async purge(): Promise<TaskView> {
    this.#assertInRing();
    const { signal } = this.#stopping;
    return this.#services.tasks.start("purge", (task) => purge(this.#services, { task, signal }));
  }

  task(id: string): Promise<TaskView> {
    const task = this.#services.tasks.find(id);
    return task === undefined ? Promise.reject(unknownTask(id)) : Promise.resolve(task);
  }

  receive(message: Uint8Array): Promise<Uint8Array> {
    return this.#services.replica.receive(message);
  }

  /** @throws {DhtError} "not_in_ring" where this node must not serve, lest it answer for a ring it is not in. */
  #place(key: string): Place {
    this.#assertServing();
    return this.#services.coordinator.place(key);
  }

  #assertServing(): void {
    const readiness = this.#services.joining.readiness();
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
}
