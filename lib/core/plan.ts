import { DhtError } from "./errors.ts";
import { addressOf, Layout, type LayoutMember } from "./layout.ts";
import {
  activeMembers,
  admitMember,
  changeMember,
  changeShare,
  isActive,
  isMostOf,
  liveLayouts,
  type RingState,
} from "./membership.ts";
import { readQuorum } from "./quorum.ts";
import { shareAdvice } from "./advice.ts";

/** A change of the ring that somebody thinks of. */
export type PlannedChange =
  | { readonly kind: "join"; readonly address: string; readonly weight?: number; readonly zone?: string }
  | { readonly kind: "leave" | "remove"; readonly address: string }
  | { readonly kind: "weight"; readonly address: string; readonly weight: number };

/** Bytes of partitions; where nobody can tell them, partitions are counted as unknown. */
export interface PlannedBytes {
  /** Partitions, each once for every copy that moves. */
  readonly partitions: number;
  readonly bytes: number;
  /** Of the partitions, those whose bytes are not known. */
  readonly unknown: number;
}

/** What a change does to one node. */
export interface PlannedNode {
  readonly address: string;
  readonly weight: number;
  readonly zone?: string;
  /** Partitions it owns before and after, and those it gains and loses. */
  readonly before: number;
  readonly after: number;
  readonly gained: PlannedBytes;
  readonly lost: number;
  /** Its part of all copies afterwards, 0 to 1. */
  readonly share: number;
}

/** What one node fetches from another. */
export interface PlannedMove extends PlannedBytes {
  readonly from: string;
  readonly to: string;
}

/** What would move, before anything does. */
export interface Plan {
  readonly kind: PlannedChange["kind"];
  readonly address: string;
  /** Why it cannot be done now, one sentence each; empty where it can. */
  readonly obstacles: readonly string[];
  /** What is to be known before it is done. */
  readonly warnings: readonly string[];
  readonly total: PlannedBytes;
  /** Nodes before or after the change, by address. */
  readonly nodes: readonly PlannedNode[];
  /** The part of all copies that each zone holds afterwards; empty where no node is in one. */
  readonly zones: readonly { readonly zone: string; readonly share: number }[];
  readonly moves: readonly PlannedMove[];
}

/** What a plan is made from, beside the ring. */
export interface PlanFacts {
  /** Addresses that do not answer. */
  readonly down: ReadonlySet<string>;
  /** Bytes of the values in a partition; `undefined` where nobody who answers can tell. */
  bytesOf(partition: number): number | undefined;
}

/** The layout that holds the data now, and the one that a change would lead to. */
export interface PlannedLayouts {
  readonly before: Layout;
  readonly after: Layout;
}

/** The store of a node that has yet to join: placement goes by addresses. */
const PLANNED_STORE = { storeId: "planned", incarnation: Number.MAX_SAFE_INTEGER };

/**
 * The layouts before and after a change: as the change itself would make them.
 *
 * @throws {DhtError} "unknown_node", "last_node", or "node_reachable" where a node of that name is in the ring already.
 */
export function plannedLayouts(ring: RingState, change: PlannedChange): PlannedLayouts {
  return { before: liveLayouts(ring).base, after: liveLayouts(changed(ring, change)).newest };
}

/** Partitions of which some node gains a copy. */
export function movingPartitions({ before, after }: PlannedLayouts, partitions: number): number[] {
  const moving: number[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const owners = addresses(before, partition);
    if (addresses(after, partition).some((owner) => !owners.includes(owner))) moving.push(partition);
  }
  return moving;
}

/** Works out what a change moves: by the placement that will be used when it is done. */
export function planChange(
  ring: RingState,
  change: PlannedChange,
  layouts: PlannedLayouts,
  facts: PlanFacts,
): Plan {
  const { before, after } = layouts;
  const books = new Map<string, Tally>();
  const moves = new Map<string, PlannedMove>();
  let total = NOTHING;
  let stuck = 0;
  for (let partition = 0; partition < ring.partitions; partition++) {
    const owners = addresses(before, partition);
    const next = addresses(after, partition);
    for (const owner of owners) tally(books, owner).before++;
    for (const owner of next) tally(books, owner).after++;
    for (const owner of owners) if (!next.includes(owner)) tally(books, owner).lost++;
    const usable = sourcesOf(before, owners, change, facts);
    if (isStuck(before, { owners, next, usable })) stuck++;
    for (const owner of next) {
      if (owners.includes(owner)) continue;
      const bytes = facts.bytesOf(partition);
      tally(books, owner).gained = add(tally(books, owner).gained, bytes);
      total = add(total, bytes);
      const from = usable[0] ?? "";
      const key = JSON.stringify([from, owner]);
      moves.set(key, { ...add(moves.get(key) ?? NOTHING, bytes), from, to: owner });
    }
  }
  const nodes = plannedNodes(layouts, books, ring.partitions);
  return {
    kind: change.kind,
    address: change.address,
    obstacles: obstacles(ring, change, { layouts, facts, stuck }),
    warnings: warnings(ring, change, layouts),
    total,
    nodes,
    zones: zoneShares(nodes),
    moves: [...moves.values()].sort((a, b) => compare(a.from, b.from) || compare(a.to, b.to)),
  };
}

interface Tally {
  before: number;
  after: number;
  gained: PlannedBytes;
  lost: number;
}

const NOTHING: PlannedBytes = { partitions: 0, bytes: 0, unknown: 0 };

function changed(ring: RingState, change: PlannedChange): RingState {
  const { address } = change;
  const member = ring.members.get(address);
  const isMember = member !== undefined && isActive(member);
  if (change.kind === "join") {
    if (isMember) {
      throw new DhtError("node_reachable", `Cannot plan that ${address} joins: it is in the ring`, {
        node: address,
      });
    }
    return admitMember(ring, { ...change, ...PLANNED_STORE });
  }
  if (!isMember) {
    throw new DhtError("unknown_node", `Cannot plan for ${address}: it is not in the ring`, {
      node: address,
    });
  }
  if (change.kind === "weight") return changeShare(ring, address, { weight: change.weight });
  const others = [...ring.members.values()].filter((other) => other.address !== address);
  if (!others.some((other) => other.state === "up")) {
    throw new DhtError("last_node", `Cannot plan for ${address}: it is the last node that stays`, {
      node: address,
    });
  }
  return changeMember(ring, address, { state: change.kind === "leave" ? "leaving" : "removed" });
}

/** Owners that a partition may be fetched from, in the order in which they are asked. */
function sourcesOf(
  before: Layout,
  owners: readonly string[],
  change: PlannedChange,
  { down }: PlanFacts,
): string[] {
  const gone = change.kind === "remove" ? change.address : undefined;
  const inOrder = before.data.members.map((member) => member.address);
  return inOrder.filter((address) => owners.includes(address) && address !== gone && !down.has(address));
}

/** Whether some new owner reaches too few of those before it: what they acknowledged might be missed. */
function isStuck(
  before: Layout,
  { owners, next, usable }: {
    readonly owners: readonly string[];
    readonly next: readonly string[];
    readonly usable: readonly string[];
  },
): boolean {
  if (owners.length === next.length && owners.every((owner) => next.includes(owner))) return false;
  const required = readQuorum(before.n);
  return next.some((owner) => {
    const own = owners.includes(owner) ? 1 : 0;
    return usable.filter((source) => source !== owner).length < required - own;
  });
}

function obstacles(
  ring: RingState,
  change: PlannedChange,
  { layouts, facts, stuck }: {
    readonly layouts: PlannedLayouts;
    readonly facts: PlanFacts;
    readonly stuck: number;
  },
): string[] {
  const found: string[] = [];
  const { address, kind } = change;
  const gone = kind === "remove" ? address : undefined;
  const members = activeMembers(ring).map((member) => member.address);
  const answering = members.filter((member) => !facts.down.has(member));
  const dead = members.filter((member) => member !== gone && facts.down.has(member));
  if (dead.length > 0) {
    const [does, it] = dead.length === 1 ? ["does", "it"] : ["do", "them"];
    found.push(
      `${dead.join(", ")} ${does} not answer, and every node of the ring must take part: ` +
        `start ${it} again, or remove what is gone for good.`,
    );
  }
  if (kind === "remove" && !facts.down.has(address)) {
    found.push(`${address} answers, and only a node that nobody reaches is removed: let it leave.`);
  }
  if (kind === "remove" && !isMostOf(answering.length, members.length)) {
    found.push(
      `Only ${answering.length} of ${members.length} nodes answer here, so removing one takes --force: the others ` +
        "may be alive, and hold what would be lost.",
    );
  }
  if (kind === "remove" && layouts.before.n <= 2) {
    found.push(
      `With ${
        layouts.before.n === 1 ? "one copy" : "two copies"
      } of each key, removing a node takes --force: ` +
        "what it alone holds is lost.",
    );
  }
  if (stuck > 0) {
    const partitions = stuck === 1 ? "1 partition" : `${stuck} partitions`;
    found.push(`Of ${partitions} too few owners answer to be copied from.`);
  }
  return found;
}

function warnings(ring: RingState, change: PlannedChange, { before, after }: PlannedLayouts): string[] {
  const found: string[] = [];
  if (before.name !== liveLayouts(ring).newest.name) {
    found.push("The ring is changing already: this plan includes what that change still has to move.");
  }
  if (after.n < ring.replicas) {
    const copies = after.n === 1 ? "one copy" : `${after.n} copies`;
    found.push(`Each key then has ${copies}, where ${ring.replicas} are wanted.`);
  }
  if (change.kind === "leave" && ring.members.get(change.address)?.state === "leaving") {
    found.push(`${change.address} is leaving already.`);
  }
  return [...found, ...shareAdvice(after.data.members, after.n)];
}

function plannedNodes(
  { before, after }: PlannedLayouts,
  books: ReadonlyMap<string, Tally>,
  partitions: number,
): PlannedNode[] {
  const members = new Map<string, LayoutMember>();
  for (const { data } of [before, after]) {
    for (const member of data.members) members.set(member.address, member);
  }
  const copies = partitions * after.n;
  return [...members.values()].sort((a, b) => compare(a.address, b.address)).map((member) => {
    const book = books.get(member.address) ?? { before: 0, after: 0, gained: NOTHING, lost: 0 };
    const { address, weight, zone } = member;
    return { address, weight, ...(zone === undefined ? {} : { zone }), ...book, share: book.after / copies };
  });
}

function zoneShares(nodes: readonly PlannedNode[]): { zone: string; share: number }[] {
  const shares = new Map<string, number>();
  for (const { zone, share } of nodes) {
    if (zone !== undefined) shares.set(zone, (shares.get(zone) ?? 0) + share);
  }
  return [...shares].map(([zone, share]) => ({ zone, share })).sort((a, b) => compare(a.zone, b.zone));
}

function addresses(layout: Layout, partition: number): string[] {
  return layout.owners(partition).map(addressOf);
}

function tally(books: Map<string, Tally>, address: string): Tally {
  let found = books.get(address);
  if (found === undefined) books.set(address, found = { before: 0, after: 0, gained: NOTHING, lost: 0 });
  return found;
}

function add(sum: PlannedBytes, bytes: number | undefined): PlannedBytes {
  return {
    partitions: sum.partitions + 1,
    bytes: sum.bytes + (bytes ?? 0),
    unknown: sum.unknown + (bytes === undefined ? 1 : 0),
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
