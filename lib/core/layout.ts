import { encodeHex } from "@std/encoding/hex";
import { hash128 } from "./hash.ts";
import { placePartitions } from "./placement.ts";
import { type QuorumNeed, readQuorum, writeQuorum } from "./quorum.ts";

/**
 * One store at one address: `host:port/storeId`.
 *
 * Quorums count these and not addresses, so that a node whose disk was replaced has no vote in its
 * predecessor's name.
 */
export type OwnerId = string;

/** A member as placement sees it. */
export interface LayoutMember {
  readonly address: string;
  readonly storeId: string;
  /** Rises with every change of this member that moves data. */
  readonly version: number;
  readonly weight: number;
  readonly zone?: string;
}

/** What a layout is made of; everything else about it follows. */
export interface LayoutData {
  /** Sorted by address, at least one. */
  readonly members: readonly LayoutMember[];
  /** Copies of each partition that are wanted (N). */
  readonly replicas: number;
  /**
   * How far all members had come when it was made, those outside the layout included: a sum that rises with every
   * version and state of any of them. Whatever one node learns, it never falls; see `compareLayouts`.
   */
  readonly height: number;
}

/**
 * Order of two layouts: negative if `a` is the earlier. In the order in which any one node comes to know them,
 * layouts only rise. Zero only for the same layout.
 */
export function compareLayouts(a: LayoutData, b: LayoutData): number {
  if (a === b) return 0;
  // At equal heights one can only follow the other where at some address, of equal version and state,
  // another store won, or another weight or zone: the greater, as members are merged.
  return a.height - b.height ||
    compareLists(a.members.map((m) => m.storeId), b.members.map((m) => m.storeId)) ||
    compareLists(a.members.map((m) => m.weight), b.members.map((m) => m.weight)) ||
    compareLists(a.members.map((m) => m.zone ?? ""), b.members.map((m) => m.zone ?? "")) ||
    compareLists([layoutName(a)], [layoutName(b)]);
}

// What follows from data that does not change is worked out once, for as long as the data is in use.
const LAYOUTS = new WeakMap<LayoutData, Layout>();
const NAMES = new WeakMap<LayoutData, string>();

/** The members partitions are placed on, and where that puts each. Immutable. */
export class Layout {
  readonly data: LayoutData;
  /**
   * Covers all that placement uses, and the height: equal names, equal tables. A node that has moved on from a
   * name never lives by it again, not even where a member came and went and all is placed as before.
   */
  readonly name: string;
  /** Owners a partition has: N, or all members where there are fewer. */
  readonly n: number;
  readonly #ids: readonly OwnerId[];
  readonly #partitions: number;
  #table: readonly Uint16Array[] | undefined;
  #placed: (Placed | undefined)[] | undefined;
  #shares: readonly { readonly primary: number; readonly owned: number }[] | undefined;
  /** By the members that own them. */
  readonly #kinds = new Map<string, Placed>();

  /** The layout of that data; the same object, with the tables it has built, for as long as the data is the same object. */
  static of(data: LayoutData, partitions: number): Layout {
    const known = LAYOUTS.get(data);
    if (known !== undefined && known.#partitions === partitions) return known;
    const layout = new Layout(data, partitions);
    LAYOUTS.set(data, layout);
    return layout;
  }

  constructor(data: LayoutData, partitions: number) {
    this.data = data;
    this.n = Math.min(data.replicas, data.members.length);
    this.name = layoutName(data);
    this.#ids = data.members.map((member) => ownerId(member.address, member.storeId));
    this.#partitions = partitions;
  }

  /** Owners of a partition, the first in line first. */
  owners(partition: number): readonly OwnerId[] {
    return this.#at(partition).owners;
  }

  /** What a request of that partition needs where this is the only live layout. */
  needs(partition: number, of: NeedKind): readonly QuorumNeed<OwnerId>[] {
    return this.#at(partition)[of];
  }

  /** Addresses of the owners, in the same order. */
  addresses(partition: number): readonly string[] {
    return this.#at(partition).addresses;
  }

  /** Whether that store is a member. */
  has(owner: OwnerId): boolean {
    return this.#ids.includes(owner);
  }

  /** All members' stores. */
  get ids(): readonly OwnerId[] {
    return this.#ids;
  }

  /** Partitions each member is first of, and owns at all; in the order of `ids`. */
  shares(): readonly { readonly primary: number; readonly owned: number }[] {
    // Counted once: pages and programs that watch a change ask again and again.
    return this.#shares ??= this.#countShares();
  }

  #countShares(): { readonly primary: number; readonly owned: number }[] {
    const shares = this.#ids.map(() => ({ primary: 0, owned: 0 }));
    for (const row of this.#placement()) {
      row.forEach((i) => shares[i]!.owned++);
      shares[row[0]!]!.primary++;
    }
    return shares;
  }

  #at(partition: number): Placed {
    this.#placed ??= new Array<Placed | undefined>(this.#partitions);
    return this.#placed[partition] ??= this.#place(partition);
  }

  /** Partitions of the same owners share what follows from them: a small ring has far fewer such lists than partitions. */
  #place(partition: number): Placed {
    const row = this.#placement()[partition]!;
    const name = row.join();
    let placed = this.#kinds.get(name);
    if (placed === undefined) this.#kinds.set(name, placed = placedOn(Array.from(row, (i) => this.#ids[i]!)));
    return placed;
  }

  // Built at the first use: a layout that only passes by in gossip costs nothing.
  #placement(): readonly Uint16Array[] {
    this.#table ??= placePartitions(this.data.members, {
      partitions: this.#partitions,
      n: this.data.replicas,
    });
    return this.#table;
  }
}

/** What a request may ask for: enough owners for a write, enough for a read, or all. */
type NeedKind = "write" | "read" | "all";

/** The owners of a partition, and what requests need of them. */
interface Placed extends Readonly<Record<NeedKind, readonly QuorumNeed<OwnerId>[]>> {
  readonly owners: readonly OwnerId[];
  readonly addresses: readonly string[];
}

function placedOn(owners: readonly OwnerId[]): Placed {
  const n = owners.length;
  return {
    owners,
    addresses: owners.map(addressOf),
    write: [{ owners, required: writeQuorum(n) }],
    read: [{ owners, required: readQuorum(n) }],
    all: [{ owners, required: n }],
  };
}

/**
 * The layouts a request must satisfy: the last one that was synced, and the
 * newest; one and the same while nothing changes.
 */
export interface LiveLayouts {
  readonly base: Layout;
  /**
   * Layouts that were the newest once and that a member reported to hold. Another node may have heard that of all
   * members, and live by such a layout as its base. Mostly none; earlier ones first.
   */
  readonly between: readonly Layout[];
  readonly newest: Layout;
}

/** The name of some live layouts, as every message carries it. */
export function liveName(live: LiveLayouts): string {
  return eachLayout(live).map((layout) => layout.name).join(">");
}

/** Stores that own a partition in any live layout, each once. */
export function liveOwners(live: LiveLayouts, partition: number): OwnerId[] {
  return [...new Set(eachLayout(live).flatMap((layout) => layout.owners(partition)))];
}

/** Whether a store is an owner that holds its share of a partition, and so no leftovers. */
export function ownsInBase(live: LiveLayouts, partition: number, owner: OwnerId): boolean {
  return live.base.owners(partition).includes(owner);
}

/** Stores that are members of any live layout, each once. */
export function liveIds(live: LiveLayouts): OwnerId[] {
  return [...new Set(eachLayout(live).flatMap((layout) => layout.ids))];
}

/** Whether a change of layout is being carried out. */
export function isChanging(live: LiveLayouts): boolean {
  return live.base.name !== live.newest.name;
}

/** What a write of that partition needs. */
export function writeNeeds(live: LiveLayouts, partition: number): readonly QuorumNeed<OwnerId>[] {
  return needs(live, partition, "write");
}

/** What a read of that partition needs. */
export function readNeeds(live: LiveLayouts, partition: number): readonly QuorumNeed<OwnerId>[] {
  return needs(live, partition, "read");
}

/** What a request needs that asks all owners of that partition. */
export function allNeeds(live: LiveLayouts, partition: number): readonly QuorumNeed<OwnerId>[] {
  return needs(live, partition, "all");
}

/** Makes the id of the store at an address. */
export function ownerId(address: string, storeId: string): OwnerId {
  return `${address}/${storeId}`;
}

/** The address in an id. */
export function addressOf(owner: OwnerId): string {
  return owner.slice(0, owner.lastIndexOf("/"));
}

/** The store id in an id. */
export function storeIdOf(owner: OwnerId): string {
  return owner.slice(owner.lastIndexOf("/") + 1);
}

function needs(live: LiveLayouts, partition: number, of: NeedKind): readonly QuorumNeed<OwnerId>[] {
  if (!isChanging(live)) return live.newest.needs(partition, of);
  const found: QuorumNeed<OwnerId>[] = [];
  for (const layout of eachLayout(live).reverse()) {
    const owners = layout.owners(partition);
    if (!found.some((need) => sameOwners(need.owners, owners))) found.push(...layout.needs(partition, of));
  }
  return found;
}

/** All live layouts, each once, the base first. */
export function eachLayout(live: LiveLayouts): Layout[] {
  return isChanging(live) ? [live.base, ...live.between, live.newest] : [live.newest];
}

/** Whether two preference lists hold the same stores, in whatever order. */
export function sameOwners(a: readonly OwnerId[], b: readonly OwnerId[]): boolean {
  return a.length === b.length && a.every((owner) => b.includes(owner));
}

/** The name of the layout of that data. */
export function layoutName(data: LayoutData): string {
  let name = NAMES.get(data);
  if (name === undefined) NAMES.set(data, name = hashedName(data));
  return name;
}

function hashedName({ replicas, height, members }: LayoutData): string {
  const fields = members.map((m) => [m.address, m.storeId, m.version, m.weight, m.zone ?? null]);
  return encodeHex(hash128(JSON.stringify([replicas, height, fields]))).slice(0, 16);
}

function compareLists<T extends string | number>(a: readonly T[], b: readonly T[]): number {
  const at = a.findIndex((item, i) => item !== b[i]);
  if (at === -1 || at >= b.length) return a.length - b.length;
  return a[at]! < b[at]! ? -1 : 1;
}
