import { admitMember, reportSynced } from "../../../lib/core/membership.ts";
import { isChanging } from "../../../lib/core/layout.ts";
import { type GossipNode, GossipRing, memberOf } from "./gossip_ring.ts";

/** What gossip costs and achieves with so many nodes. */
export interface GossipCost {
  readonly nodes: number;
  /** At rest: bytes and messages that one node sends a second, answers included. */
  readonly bytesPerSecond: number;
  readonly messagesPerSecond: number;
  /** Seconds until all know of a join, and bytes for each node that this took above the rest. */
  readonly joinSeconds: number;
  readonly joinBytes: number;
  /** The same of the whole change of layout, with no data to move: each node reports that it holds its share. */
  readonly changeSeconds: number | undefined;
  readonly changeBytes: number | undefined;
  /** Seconds until half of the nodes, and all of them, know that one has died. */
  readonly deathHalfSeconds: number;
  readonly deathSeconds: number;
  /** How long it took to simulate. */
  readonly realSeconds: number;
}

const REST_MS = 20_000;
const LIMIT_MS = 24 * 3_600_000;
/** A ring in which each node's report is simulated, too: their number grows with the square. */
const REPORTS_MAX = 300;
/** Longer than the pull of a share without data may take, drawn for each node. */
const PULL_MS = 2_000;

/** Simulates it. */
export async function gossipCost(nodes: number): Promise<GossipCost> {
  const beganMs = performance.now();
  const rest = await GossipRing.run(nodes, atRest, LIMIT_MS);
  const join = await GossipRing.run(nodes, (ring) => afterJoin(ring, rest.bytesPerSecond), LIMIT_MS);
  const change = nodes > REPORTS_MAX
    ? undefined
    : await GossipRing.run(nodes, (ring) => wholeChange(ring, rest.bytesPerSecond), LIMIT_MS);
  const death = await GossipRing.run(nodes, afterDeath, LIMIT_MS);
  return {
    nodes,
    ...rest,
    joinSeconds: join.seconds,
    joinBytes: join.bytes,
    changeSeconds: change?.seconds,
    changeBytes: change?.bytes,
    ...death,
    realSeconds: (performance.now() - beganMs) / 1000,
  };
}

async function atRest(ring: GossipRing): Promise<{ bytesPerSecond: number; messagesPerSecond: number }> {
  const before = { ...ring.sent };
  await ring.scheduler.sleep(REST_MS);
  const nodeSeconds = ring.nodes.length * REST_MS / 1000;
  return {
    bytesPerSecond: (ring.sent.bytes - before.bytes) / nodeSeconds,
    messagesPerSecond: (ring.sent.messages - before.messages) / nodeSeconds,
  };
}

/** A node is taken in by the first one: who learns it when. */
async function afterJoin(
  ring: GossipRing,
  restBytesPerSecond: number,
): Promise<{ seconds: number; bytes: number }> {
  const { address } = await takeIn(ring);
  return await costOf(ring, restBytesPerSecond, ({ keeper }) => keeper.state.members.has(address));
}

/** The same until the new layout is the only one, everywhere. */
async function wholeChange(
  ring: GossipRing,
  restBytesPerSecond: number,
): Promise<{ seconds: number; bytes: number }> {
  const nodes = [...ring.nodes];
  const { address } = await takeIn(ring);
  for (const node of [...nodes, ring.nodes.at(-1)!]) reportOnce(ring, node, address);
  return await costOf(
    ring,
    restBytesPerSecond,
    ({ keeper }) => keeper.state.members.has(address) && !isChanging(keeper.live),
  );
}

async function takeIn(ring: GossipRing): Promise<{ readonly address: string }> {
  const { keeper, gossip } = ring.nodes[0]!;
  const joiner = memberOf(ring.nodes.length);
  await keeper.update((state) => admitMember(state, joiner));
  void gossip.announce();
  const joined = await ring.add(ring.nodes.length, keeper.state);
  void joined.gossip.announce();
  return joiner;
}

/** Has a node report, some time after it has learnt of the join, that it holds its share. */
function reportOnce(ring: GossipRing, { keeper, gossip }: GossipNode, joined: string): void {
  let begun = false;
  const begin = (): void => {
    if (begun || !keeper.state.members.has(joined)) return;
    begun = true;
    // Spread over the time by the order of the nodes, which is no order of theirs.
    const index = ring.nodes.findIndex((node) => node.keeper === keeper);
    ring.scheduler.after(PULL_MS * (index / ring.nodes.length), () => {
      const { base, newest } = keeper.live;
      const names = { base: base.name, newest: newest.name };
      void keeper.update((state) => reportSynced(state, keeper.self.address, names)).then(() =>
        gossip.announce()
      );
    });
  };
  keeper.onChange(begin);
  begin();
}

async function costOf(
  ring: GossipRing,
  restBytesPerSecond: number,
  knows: (node: GossipNode) => boolean,
): Promise<{ seconds: number; bytes: number }> {
  const before = ring.sent.bytes;
  const unknowing = new Set(ring.nodes);
  const seconds = await ring.until(() => {
    for (const node of unknowing) if (knows(node)) unknowing.delete(node);
    return unknowing.size === 0;
  });
  const bytes = (ring.sent.bytes - before) / ring.nodes.length - restBytesPerSecond * seconds;
  return { seconds, bytes: Math.max(0, bytes) };
}

/** A node dies, and nobody asks it for anything: only gossip finds out. */
async function afterDeath(ring: GossipRing): Promise<{ deathHalfSeconds: number; deathSeconds: number }> {
  const dead = ring.nodes.at(-1)!;
  dead.process.die();
  const unknowing = new Set(ring.nodes.filter((node) => node !== dead));
  const left = (): number => {
    for (const node of unknowing) if (node.peers.isDown(dead.process.address)) unknowing.delete(node);
    return unknowing.size;
  };
  const deathHalfSeconds = await ring.until(() => left() <= ring.nodes.length / 2);
  return { deathHalfSeconds, deathSeconds: deathHalfSeconds + await ring.until(() => left() === 0) };
}
