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
   * Sum of all members' versions when it was made, those outside the layout included. Of two layouts that
   * follow one another the later has the greater.
   */
  readonly height: number;
}

/** The members partitions are placed on, and where that puts each. Immutable. */
export class Layout {
  readonly data: LayoutData;
  /** Covers all that placement uses: equal names, equal tables. */
  readonly name: string;
  /** Owners a partition has: N, or all members where there are fewer. */
  readonly n: number;
  readonly #ids: readonly OwnerId[];
  readonly #partitions: number;
  #table: readonly Uint16Array[] | undefined;

  constructor(data: LayoutData, partitions: number) {
    this.data = data;
    this.n = Math.min(data.replicas, data.members.length);
    this.name = layoutName(data);
    this.#ids = data.members.map((member) => ownerId(member.address, member.storeId));
    this.#partitions = partitions;
  }

  /** Owners of a partition, the first in line first. */
  owners(partition: number): OwnerId[] {
    return Array.from(this.#placement()[partition]!, (i) => this.#ids[i]!);
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
  shares(): { readonly primary: number; readonly owned: number }[] {
    const shares = this.#ids.map(() => ({ primary: 0, owned: 0 }));
    for (const row of this.#placement()) {
      row.forEach((i) => shares[i]!.owned++);
      shares[row[0]!]!.primary++;
    }
    return shares;
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

/**
 * The layouts a request must satisfy: the last one that was synced, and the
 * newest; one and the same while nothing changes.
 */
export interface LiveLayouts {
  readonly base: Layout;
  readonly newest: Layout;
}

/** The name of a pair of live layouts, as every message carries it. */
export function liveName(live: LiveLayouts): string {
  return `${live.base.name}>${live.newest.name}`;
}

/** Whether a change of layout is being carried out. */
export function isChanging(live: LiveLayouts): boolean {
  return live.base.name !== live.newest.name;
}

/** What a write of that partition needs. */
export function writeNeeds(live: LiveLayouts, partition: number): QuorumNeed<OwnerId>[] {
  return needs(live, partition, writeQuorum);
}

/** What a read of that partition needs. */
export function readNeeds(live: LiveLayouts, partition: number): QuorumNeed<OwnerId>[] {
  return needs(live, partition, readQuorum);
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

function needs(
  live: LiveLayouts,
  partition: number,
  quorum: (n: number) => number,
): QuorumNeed<OwnerId>[] {
  const newest = { owners: live.newest.owners(partition), required: quorum(live.newest.n) };
  if (!isChanging(live)) return [newest];
  const base = { owners: live.base.owners(partition), required: quorum(live.base.n) };
  return sameOwners(base.owners, newest.owners) ? [newest] : [newest, base];
}

/** Whether two preference lists hold the same stores, in whatever order. */
export function sameOwners(a: readonly OwnerId[], b: readonly OwnerId[]): boolean {
  return a.length === b.length && a.every((owner) => b.includes(owner));
}

function layoutName(data: LayoutData): string {
  const members = data.members.map((m) => [m.address, m.storeId, m.version, m.weight, m.zone ?? null]);
  return encodeHex(hash128(JSON.stringify([data.replicas, members]))).slice(0, 16);
}
