import { HybridLogicalClock, writerId } from "../core/hlc.ts";
import { AntiEntropy } from "./anti_entropy.ts";
import { backgroundTasks } from "./background.ts";
import { balance } from "./balance.ts";
import { ChangeProgress } from "./change_progress.ts";
import { ClockSkew } from "./clock_skew.ts";
import { Coordinator } from "./coordinator.ts";
import { Exchange } from "./exchange.ts";
import { Expiry } from "./expiry.ts";
import { GarbageCollector } from "./garbage_collector.ts";
import { Gossip } from "./gossip.ts";
import { HintedHandoff } from "./hinted_handoff.ts";
import { Joining } from "./joining.ts";
import { Leaving } from "./leaving.ts";
import { MembershipService } from "./membership.ts";
import { Mender } from "./mender.ts";
import type { NodeDeps } from "./node_deps.ts";
import { PartitionTrees } from "./partition_trees.ts";
import { DEFAULT_PAUSES } from "./pauses.ts";
import { Peers } from "./peers.ts";
import { Repair } from "./repair.ts";
import { Replica } from "./replica.ts";
import { Scrub } from "./scrub.ts";
import { StatusService } from "./status.ts";
import { Tasks } from "./tasks.ts";
import { TombstoneCollector } from "./tombstone_gc.ts";
import { Transfer } from "./transfer.ts";
import { Values } from "./values.ts";
import { Yielding } from "./yielding.ts";

/** Everything a node is made of. */
export type Services = ReturnType<typeof buildServices>;

/**
 * Builds the services of a node, each after those it uses; none of them does anything yet.
 *
 * @param signal Ends their background work.
 */
export function buildServices(deps: NodeDeps, signal: AbortSignal) {
  const shared = sharedServices(deps, signal);
  const ring = ringServices(shared, deps);
  const requests = requestServices(shared);
  const repair = repairServices(shared, requests.coordinator);
  const status = new StatusService({
    ...shared,
    ...ring,
    ...repair,
    version: deps.version,
    notes: deps.notes ?? [],
    lookAtDisk: deps.lookAtDisk ?? (() => Promise.resolve(undefined)),
  });
  const replica = answeringOthers(shared, ring);
  shared.peers.connect(replica);
  shared.peers.onRecovery((address) => repair.repair.recovered(address));
  return { ...shared, ...ring, ...requests, ...repair, status, replica };
}

type Shared = ReturnType<typeof sharedServices>;
type RingServices = ReturnType<typeof ringServices>;

/** What the others are made with. */
function sharedServices(deps: NodeDeps, signal: AbortSignal) {
  const { storage, keeper, transport, clock, random, log } = deps;
  const peers = new Peers({ transport, clock, keeper });
  const bulk = new Yielding(clock, () => storage.served);
  const shared = {
    ...{ storage, keeper, clock, random, log, signal, peers },
    exchange: new Exchange({ storage, peers, random, clock, keeper, bulk }),
    trees: new PartitionTrees({ storage, keeper }),
    tasks: new Tasks({ clock, random }),
    background: backgroundTasks(clock, deps.rates),
    pauses: { ...DEFAULT_PAUSES, ...deps.pauses },
    clockSkew: new ClockSkew(clock),
  };
  return { ...shared, hints: new HintedHandoff(shared, signal) };
}

/** Membership and changes of the layout. */
function ringServices(shared: Shared, { onLeft }: NodeDeps) {
  const gossip = new Gossip(shared);
  const transfer = new Transfer({ ...shared, gossip });
  const joining = new Joining({ ...shared, gossip });
  const membership = new MembershipService({ ...shared, gossip });
  const progress = new ChangeProgress({ ...shared, transfer });
  const leaving = new Leaving({ ...shared, joining, membership, progress, gossip, onLeft }, shared.signal);
  return { gossip, transfer, joining, membership, progress, leaving };
}

/** What clients ask for. */
function requestServices(shared: Shared) {
  const { self } = shared.keeper;
  const hlc = new HybridLogicalClock(writerId(self.storeId, self.incarnation));
  const coordinator = new Coordinator({ ...shared, hlc });
  return { coordinator, values: new Values({ ...shared, coordinator }) };
}

/** What keeps the copies alike, whole and no longer than they should be. */
function repairServices(shared: Shared, coordinator: Coordinator) {
  return {
    antiEntropy: new AntiEntropy(shared, shared.signal),
    repair: new Repair(shared, shared.signal),
    scrub: new Scrub(shared, shared.signal),
    mender: new Mender(shared, shared.signal),
    tombstones: new TombstoneCollector(shared),
    expiry: new Expiry({ ...shared, coordinator }),
    garbage: new GarbageCollector(shared),
  };
}

/** What other nodes ask for. */
function answeringOthers(shared: Shared, { joining, membership, progress, gossip }: RingServices): Replica {
  const { keeper, exchange, tasks, signal } = shared;
  return new Replica({
    ...shared,
    progress: () => progress.own(),
    pullRecord: (source, place, record) =>
      exchange.pullRecord({ peer: source, live: keeper.live }, place, record),
    hasEntered: () => joining.hasEntered,
    admit: (joiner) => membership.admit(joiner),
    welcome: (ring) => joining.welcome(ring),
    startBalance: (id) =>
      void tasks.start("balance", (task) => balance(shared, { task, signal, comparing: "as asked" }), id),
    foreignRing: (ringId) => joining.noteForeignRing(ringId),
    heardFrom: (address) => gossip.heardFrom(address),
  });
}
