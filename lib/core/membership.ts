import { DhtError } from "./errors.ts";
import { isChanging, Layout, type LayoutData, type LiveLayouts, type OwnerId, ownerId } from "./layout.ts";

/** What a member has said or been said to be. "joining" is not stored: it is an up member the base layout lacks. */
export type MemberState = "up" | "leaving" | "left" | "removed";

/** A member of the ring, as gossip carries it. Never forgotten, so that an old message cannot bring one back. */
export interface Member {
  readonly address: string;
  readonly storeId: string;
  /** Starts of its process on that store; raised and persisted before it says anything. */
  readonly incarnation: number;
  readonly state: MemberState;
  /** Rises with every change of state, store, weight or zone, whoever makes it. */
  readonly version: number;
  readonly weight: number;
  readonly zone?: string;
  /** What it last said about its share of the data; only the member itself writes it. */
  readonly report: SyncReport;
}

/** "I have adopted the layout `newest`, and hold my share of it, pulled from a quorum of `base`." */
export interface SyncReport {
  /** Rises with every report of one store. */
  readonly sequence: number;
  readonly base: string;
  /** Name of the layout it holds its share of; the base's own while it is still pulling. */
  readonly newest: string;
}

/** All that the nodes of a ring agree on. Two states merge into one that holds the newest of both. */
export interface RingState {
  readonly ringId: string;
  /** Fixed when the ring is founded. */
  readonly partitions: number;
  readonly replicas: number;
  /** The last layout that every member of it holds its share of. */
  readonly base: LayoutData;
  /** By address. */
  readonly members: ReadonlyMap<string, Member>;
}

const NO_REPORT: SyncReport = { sequence: 0, base: "", newest: "" };

/** Which of two states of equal version wins: the one nearer the end. */
const STATE_RANK: Readonly<Record<MemberState, number>> = { up: 0, leaving: 1, left: 2, removed: 3 };

/** The state of a ring that one node founds. */
export function foundRing(options: {
  readonly ringId: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly self: Pick<Member, "address" | "storeId" | "incarnation">;
}): RingState {
  const founder: Member = { ...options.self, state: "up", version: 1, weight: 1, report: NO_REPORT };
  const members = new Map([[founder.address, founder]]);
  const { ringId, partitions, replicas } = options;
  return { ringId, partitions, replicas, members, base: newestData(members, replicas) };
}

/**
 * Merges what another node knows into what this one knows. Commutative,
 * associative and idempotent, so that it does not matter who told whom first.
 *
 * @returns `ours` itself where `theirs` says nothing new.
 * @throws {DhtError} "wrong_ring" if they are not the same ring.
 */
export function mergeRings(ours: RingState, theirs: RingState): RingState {
  if (ours.ringId !== theirs.ringId) {
    throw new DhtError("wrong_ring", `Cannot merge ring ${theirs.ringId} into ring ${ours.ringId}`);
  }
  let members: Map<string, Member> | undefined;
  for (const theirMember of theirs.members.values()) {
    const ourMember = ours.members.get(theirMember.address);
    const merged = ourMember === undefined ? theirMember : mergeMembers(ourMember, theirMember);
    if (merged === ourMember) continue;
    members ??= new Map(ours.members);
    members.set(merged.address, merged);
  }
  // Synced layouts follow one another, so the greater height is the later (see lib/README.md).
  const base = theirs.base.height > ours.base.height ? theirs.base : ours.base;
  if (members === undefined && base === ours.base) return ours;
  return retireSynced({ ...ours, members: members ?? ours.members, base });
}

/** The layouts requests must satisfy now. */
export function liveLayouts(ring: RingState): LiveLayouts {
  const base = new Layout(ring.base, ring.partitions);
  const newest = new Layout(newestData(ring.members, ring.replicas), ring.partitions);
  return base.name === newest.name ? { base, newest: base } : { base, newest };
}

/**
 * Changes one member, as the newest word on it.
 *
 * @throws {DhtError} "last_node" if no member would be left to place data on.
 */
export function changeMember(
  ring: RingState,
  address: string,
  change: Partial<Pick<Member, "state" | "weight" | "zone">>,
): RingState {
  const member = ring.members.get(address);
  if (member === undefined) throw unknownNode(address);
  return withMember(ring, { ...member, ...change, version: member.version + 1 });
}

/** Adds a store at an address, in the place of whatever was there. */
export function admitMember(
  ring: RingState,
  joiner: Pick<Member, "address" | "storeId" | "incarnation">,
): RingState {
  const known = ring.members.get(joiner.address);
  if (known?.storeId === joiner.storeId && known.state === "up") {
    return known.incarnation >= joiner.incarnation
      ? ring
      : withMember(ring, { ...known, incarnation: joiner.incarnation });
  }
  return withMember(ring, {
    ...joiner,
    state: "up",
    version: (known?.version ?? 0) + 1,
    weight: known?.weight ?? 1,
    ...(known?.zone === undefined ? {} : { zone: known.zone }),
    report: NO_REPORT,
  });
}

/** A member's own word on what it holds; the sequence follows by itself. */
export function reportSynced(
  ring: RingState,
  address: string,
  names: { readonly base: string; readonly newest: string },
): RingState {
  const member = ring.members.get(address);
  if (member === undefined) throw unknownNode(address);
  const { report } = member;
  if (report.base === names.base && report.newest === names.newest) return ring;
  return withMember(ring, { ...member, report: { ...names, sequence: report.sequence + 1 } });
}

/** Raises a member's incarnation, as it does itself at every start. */
export function raiseIncarnation(ring: RingState, address: string, incarnation: number): RingState {
  const member = ring.members.get(address);
  if (member === undefined || member.incarnation >= incarnation) return ring;
  return withMember(ring, { ...member, incarnation });
}

/** Members whose report the open change of layout still waits for; none while nothing changes. */
export function unsyncedMembers(ring: RingState, live: LiveLayouts): Member[] {
  if (!isChanging(live)) return [];
  return participants(ring, live).filter(({ report }) =>
    report.base !== live.base.name || report.newest !== live.newest.name
  );
}

/** The store a member's votes count for. */
export function idOf(member: Member): OwnerId {
  return ownerId(member.address, member.storeId);
}

/** Whether a member takes part in the ring: it answers, gossips and may own something. */
export function isActive(member: Member): boolean {
  return member.state === "up" || member.state === "leaving";
}

function withMember(ring: RingState, member: Member): RingState {
  const members = new Map(ring.members).set(member.address, member);
  return retireSynced({ ...ring, members });
}

/**
 * Makes the newest layout the base once every member of both, leavers included,
 * has reported to hold its share of it, relying on this very base.
 */
function retireSynced(ring: RingState): RingState {
  const live = liveLayouts(ring);
  if (!isChanging(live) || unsyncedMembers(ring, live).length > 0) return ring;
  return { ...ring, base: live.newest.data };
}

/** Who must report: the members of either layout, but for stores that were removed or replaced. */
function participants(ring: RingState, live: LiveLayouts): Member[] {
  return [...ring.members.values()].filter((member) =>
    isActive(member) && (live.base.has(idOf(member)) || live.newest.has(idOf(member)))
  );
}

/** The layout that the members' states ask for. Where all are leaving, all stay: somebody must hold the data. */
function newestData(members: ReadonlyMap<string, Member>, replicas: number): LayoutData {
  const all = [...members.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
  const up = all.filter((member) => member.state === "up");
  const chosen = up.length > 0 ? up : all.filter((member) => member.state === "leaving");
  return {
    replicas,
    height: all.reduce((sum, member) => sum + member.version, 0),
    members: chosen.map(({ address, storeId, version, weight, zone }) => ({
      address,
      storeId,
      version,
      weight,
      ...(zone === undefined ? {} : { zone }),
    })),
  };
}

function mergeMembers(a: Member, b: Member): Member {
  const newer = compareMembers(a, b) >= 0 ? a : b;
  const older = newer === a ? b : a;
  if (newer.storeId !== older.storeId) return newer;
  const incarnation = Math.max(a.incarnation, b.incarnation);
  const report = older.report.sequence > newer.report.sequence ? older.report : newer.report;
  if (incarnation === newer.incarnation && report === newer.report) return newer;
  if (incarnation === a.incarnation && report === a.report && newer === a) return a;
  return { ...newer, incarnation, report };
}

function compareMembers(a: Member, b: Member): number {
  return a.version - b.version || STATE_RANK[a.state] - STATE_RANK[b.state] ||
    (a.storeId < b.storeId ? -1 : a.storeId > b.storeId ? 1 : 0);
}

function unknownNode(address: string): DhtError {
  return new DhtError("unknown_node", `Cannot find node ${address}: it is not in the ring`, {
    node: address,
  });
}
