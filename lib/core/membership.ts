import { DhtError } from "./errors.ts";
import {
  addressOf,
  compareLayouts,
  isChanging,
  Layout,
  type LayoutData,
  liveIds,
  type LiveLayouts,
  type OwnerId,
  ownerId,
  storeIdOf,
} from "./layout.ts";

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
  /** Names of the two layouts; empty where it has not reported yet. */
  readonly base: string;
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
  /**
   * Layouts later than the base that some member has reported to hold; earlier ones first. A member that gave its
   * report cannot take it back: any of these may be the base at a node this one has not heard of.
   */
  readonly reported: readonly LayoutData[];
  /** By address. */
  readonly members: ReadonlyMap<string, Member>;
}

/** What decides how much a member owns, and which copies it may hold beside others. */
export interface MemberShare {
  /** Share of the partitions, relative to the other members; > 0. Absent: as it was, 1 at first. */
  readonly weight?: number;
  /** What fails as one; `NO_ZONE` takes it out of its zone. Absent: as it was, none at first. */
  readonly zone?: string;
}

/** Stands for "in no zone" where a zone is named. */
const NO_ZONE = "-";

/** A store that asks to be a member. */
export type Joiner = Pick<Member, "address" | "storeId" | "incarnation"> & MemberShare;

const NO_REPORT: SyncReport = { sequence: 0, base: "", newest: "" };

/** Which of two states of equal version wins: the one nearer the end. */
const STATE_RANK: Readonly<Record<MemberState, number>> = { up: 0, leaving: 1, left: 2, removed: 3 };
const STATES = Object.keys(STATE_RANK).length;

/** The state of a ring that one node founds. */
export function foundRing(options: {
  readonly ringId: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly self: Joiner;
}): RingState {
  const { address, storeId, incarnation } = options.self;
  const founder: Member = {
    address,
    storeId,
    incarnation,
    state: "up",
    version: 1,
    ...shareOf(options.self),
    report: NO_REPORT,
  };
  const members = new Map([[founder.address, founder]]);
  const { ringId, partitions, replicas } = options;
  return { ringId, partitions, replicas, members, base: layoutOf(members, replicas), reported: [] };
}

/**
 * Merges what another node knows into what this one knows. Commutative and idempotent; and associative, but for
 * the base: which reports meet while their layout is still the newest depends on who told whom first. Where bases
 * differ for that, both are synced, and the later wins as soon as they meet.
 *
 * @returns `ours` itself where `theirs` says nothing new.
 * @throws {DhtError} "wrong_ring" if they are not the same ring.
 */
export function mergeRings(ours: RingState, theirs: RingState): RingState {
  if (ours.ringId !== theirs.ringId) {
    throw new DhtError("wrong_ring", `Cannot merge ring ${theirs.ringId} into ring ${ours.ringId}`);
  }
  const members = mergeMemberMaps(ours.members, theirs.members);
  const base = compareLayouts(theirs.base, ours.base) > 0 ? theirs.base : ours.base;
  const reported = laterThan(base, mergeReported(ours.reported, theirs.reported));
  const reportedSame = reported.length === ours.reported.length &&
    reported.every((layout, i) => layout === ours.reported[i]);
  if (members === ours.members && base === ours.base && reportedSame) return ours;
  return retireSynced({ ...ours, members, base, reported });
}

/** The newest layout of a ring that learns of these members. */
export function newestLayout(ours: RingState, theirs: RingState["members"]): LayoutData {
  return newestData({ ...ours, members: mergeMemberMaps(ours.members, theirs) });
}

/** @returns `ours` itself where `theirs` says nothing new. */
function mergeMemberMaps(ours: RingState["members"], theirs: RingState["members"]): RingState["members"] {
  let members: Map<string, Member> | undefined;
  for (const theirMember of theirs.values()) {
    const ourMember = ours.get(theirMember.address);
    const merged = ourMember === undefined ? theirMember : mergeMembers(ourMember, theirMember);
    if (merged === ourMember) continue;
    members ??= new Map(ours);
    members.set(merged.address, merged);
  }
  return members ?? ours;
}

/** The layouts requests must satisfy now. */
export function liveLayouts(ring: RingState): LiveLayouts {
  const base = Layout.of(ring.base, ring.partitions);
  const newest = Layout.of(newestData(ring), ring.partitions);
  if (base.name === newest.name) return { base, between: [], newest: base };
  const reported = ring.reported.map((data) => Layout.of(data, ring.partitions));
  return { base, between: reported.filter((layout) => layout.name !== newest.name), newest };
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
  const changed = { ...member, ...change, version: member.version + 1 };
  const others = [...ring.members.values()].filter((other) => other.address !== address);
  if (![...others, changed].some(isActive)) {
    throw new DhtError("last_node", `Cannot take ${address} out of the ring: it is the last node`, {
      node: address,
    });
  }
  return withMember(ring, changed);
}

/**
 * Gives a member another weight or zone, as the newest word on it.
 *
 * @returns `ring` itself where it has them already.
 */
export function changeShare(ring: RingState, address: string, share: MemberShare): RingState {
  const member = ring.members.get(address);
  if (member === undefined) throw unknownNode(address);
  const { weight, zone } = shareOf(share, member);
  if (weight === member.weight && zone === member.zone) return ring;
  const { zone: _, ...rest } = member;
  return withMember(ring, { ...rest, version: member.version + 1, ...shareOf(share, member) });
}

/**
 * Adds a store at an address, in the place of whatever was there.
 *
 * @returns `ring` itself where that start of the store was heard of before: a late copy of a message must not bring
 * back a node that has left since.
 */
export function admitMember(ring: RingState, joiner: Joiner): RingState {
  const known = ring.members.get(joiner.address);
  if (known?.storeId === joiner.storeId) {
    if (known.incarnation >= joiner.incarnation) return ring;
    if (known.state === "up") return withMember(ring, { ...known, incarnation: joiner.incarnation });
  }
  const { address, storeId, incarnation } = joiner;
  return withMember(ring, {
    address,
    storeId,
    incarnation,
    state: "up",
    version: (known?.version ?? 0) + 1,
    ...shareOf(joiner, known),
    report: known?.storeId === joiner.storeId ? known.report : NO_REPORT,
  });
}

/**
 * A member's own word on what it holds; the sequence follows by itself.
 *
 * @returns `ring` itself where these are not its live layouts any more: what was pulled under others does not count.
 */
export function reportSynced(
  ring: RingState,
  address: string,
  names: { readonly base: string; readonly newest: string },
): RingState {
  const member = ring.members.get(address);
  if (member === undefined) throw unknownNode(address);
  const { report } = member;
  if (report.base === names.base && report.newest === names.newest) return ring;
  const live = liveLayouts(ring);
  if (live.base.name !== names.base || live.newest.name !== names.newest) return ring;
  const reported = laterThan(ring.base, mergeReported(ring.reported, [live.newest.data]));
  return withMember({ ...ring, reported }, {
    ...member,
    report: { base: names.base, newest: names.newest, sequence: report.sequence + 1 },
  });
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
  return participants(ring, live).filter((member) => !hasReported(member, live));
}

/** Whether a member has said that it holds its share of the newest of these layouts, relying on the base of them. */
export function hasReported({ report }: Member, live: LiveLayouts): boolean {
  return report.base === live.base.name && report.newest === live.newest.name;
}

/** The store a member's votes count for. */
export function idOf(member: Member): OwnerId {
  return ownerId(member.address, member.storeId);
}

/** Whether a member takes part in the ring: it answers, gossips and may own something. */
export function isActive(member: Member): boolean {
  return member.state === "up" || member.state === "leaving";
}

/**
 * Whether a store will not answer again, whatever answers at its address: its member left or was removed, or another
 * store took its place there. Layouts that were made before still count on it.
 */
export function isGone(ring: RingState, owner: OwnerId): boolean {
  const member = ring.members.get(addressOf(owner));
  return member === undefined || member.storeId !== storeIdOf(owner) || !isActive(member);
}

/** The members that take part in the ring. */
export function activeMembers(ring: RingState): Member[] {
  return [...ring.members.values()].filter(isActive);
}

/** Whether so many are more than half: no two sides of a ring that was cut in two can both say that. */
export function isMostOf(some: number, all: number): boolean {
  return some * 2 > all;
}

/** What is asked for, and where nothing is, what was. */
function shareOf(asked: MemberShare, known: MemberShare = {}): { weight: number; zone?: string } {
  const zone = asked.zone ?? known.zone;
  const weight = asked.weight ?? known.weight ?? 1;
  return zone === undefined || zone === NO_ZONE ? { weight } : { weight, zone };
}

function withMember(ring: RingState, member: Member): RingState {
  const members = new Map(ring.members).set(member.address, member);
  return retireSynced({ ...ring, members });
}

/**
 * Makes the newest layout the base once every member of every live one, leavers included,
 * has reported to hold its share of it, relying on this very base.
 */
function retireSynced(ring: RingState): RingState {
  const live = liveLayouts(ring);
  // A part of another node's state may bring a base before the members it is made of: the base never goes back.
  if (compareLayouts(live.newest.data, live.base.data) <= 0) return ring;
  if (unsyncedMembers(ring, live).length > 0) return ring;
  return { ...ring, base: live.newest.data, reported: laterThan(live.newest.data, ring.reported) };
}

/** Who must report: the members of the live layouts, but for stores that were removed or replaced. */
function participants(ring: RingState, live: LiveLayouts): Member[] {
  const ids = new Set(liveIds(live));
  return [...ring.members.values()].filter((member) => isActive(member) && ids.has(idOf(member)));
}

/** The newest layout. Two that removed one another leave nobody: then what was synced last stays. */
function newestData(ring: RingState): LayoutData {
  const data = layoutOf(ring.members, ring.replicas);
  return data.members.length === 0 ? ring.base : data;
}

/** The layout that the members' states ask for. Where all are leaving, all stay: somebody must hold the data. */
function layoutOf(members: ReadonlyMap<string, Member>, replicas: number): LayoutData {
  const all = [...members.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
  const up = all.filter((member) => member.state === "up");
  const chosen = up.length > 0 ? up : all.filter((member) => member.state === "leaving");
  return {
    replicas,
    height: all.reduce((sum, member) => sum + heightOf(member), 0),
    members: chosen.map(({ address, storeId, version, weight, zone }) => ({
      address,
      storeId,
      version,
      weight,
      ...(zone === undefined ? {} : { zone }),
    })),
  };
}

/** Both lists as one, each layout once, earlier ones first. */
function mergeReported(a: readonly LayoutData[], b: readonly LayoutData[]): readonly LayoutData[] {
  const added = b.filter((layout) => a.every((known) => compareLayouts(known, layout) !== 0));
  return added.length === 0 ? a : [...a, ...added].sort(compareLayouts);
}

function laterThan(base: LayoutData, layouts: readonly LayoutData[]): readonly LayoutData[] {
  return layouts.filter((layout) => compareLayouts(layout, base) > 0);
}

/** Rises with the version, and at equal versions with the state that wins: as `compareMembers` orders them. */
function heightOf({ version, state }: Member): number {
  return version * STATES + STATE_RANK[state];
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
    (a.storeId < b.storeId ? -1 : a.storeId > b.storeId ? 1 : 0) ||
    // Two nodes may have changed these of one member at the same time: any of the two will do, if it is the same everywhere.
    a.weight - b.weight || compareZones(a.zone, b.zone);
}

function compareZones(a = "", b = ""): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function unknownNode(address: string): DhtError {
  return new DhtError("unknown_node", `Cannot find node ${address}: it is not in the ring`, {
    node: address,
  });
}
