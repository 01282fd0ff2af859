import { shareAdvice } from "../core/advice.ts";
import { type Health, healthOf } from "../core/health.ts";
import { addressOf, liveIds, type LiveLayouts, type OwnerId, storeIdOf } from "../core/layout.ts";
import { isGone, type RingState } from "../core/membership.ts";
import { countWords, listWords, sizeWords } from "../core/words.ts";
import type { DiskRoom } from "../ports/disk.ts";
import { encodeRing } from "../wire.ts";
import { changeWords, waitingWords } from "./change_progress.ts";
import type { ChangeView } from "./service.ts";
import { MAX_STATE_BYTES } from "./state_blobs.ts";
import type { StorageStats } from "./storage_stats.ts";

/** A disk with less room than either is nearly full. */
const TIGHT_BYTES = 256 * 1024 * 1024;
const TIGHT_SHARE = 0.05;

/** What is known of the ring and of this node when somebody looks. */
export interface WarningFacts {
  readonly state: RingState;
  readonly live: LiveLayouts;
  /** Addresses that do not answer. */
  readonly down: readonly string[];
  /** Of those, the ones that others reach. */
  readonly unreachable?: readonly string[];
  /** Of those, the ones whose secret is another than this node's. */
  readonly refusing?: readonly string[];
  /** Absent while nothing changes. */
  readonly change?: ChangeView;
  readonly stats: Pick<StorageStats, "damagedRecords" | "diskFull">;
  /** Absent where nobody can tell. */
  readonly room?: DiskRoom;
  /** Another ring that lists this node's address. */
  readonly foreignRing?: string;
}

/** What a person should know of a ring, in sentences: what needs attention, and how things are. */
export class Warnings {
  #health: { readonly live: LiveLayouts; readonly lost: string; readonly value: Health } | undefined;
  #stateBytes: { readonly state: RingState; readonly bytes: number } | undefined;

  /** What needs somebody's attention, the most urgent first. */
  warnings(facts: WarningFacts): string[] {
    const { state, live, foreignRing, change } = facts;
    const health = this.health(facts);
    return [
      ...(foreignRing === undefined ? [] : [
        `Ring ${foreignRing} lists this node's address. Put this data directory aside and start with --server to rejoin it.`,
      ]),
      ...silent(facts),
      ...unavailable(health, state.partitions),
      ...thin(health, live.base.n, state),
      ...copies(health, live.newest.n, state.replicas),
      ...(change === undefined ? [] : [changing(change)]),
      ...shareAdvice(live.newest.data.members, live.newest.n),
      ...ownDisk(facts.stats, facts.room),
      ...this.#ringState(state),
    ];
  }

  /** How things are, where that is no reason to worry. */
  notes(facts: WarningFacts): string[] {
    const { spareToWrite, zoneMayFail } = this.health(facts);
    if (spareToWrite === 0) return [];
    const nodes = spareToWrite === 1 ? "Any one node may fail" : `Any ${spareToWrite} nodes may fail at once`;
    const zones = zoneMayFail ? ", or all nodes of any one zone" : "";
    return [`${nodes}${zones}: every key then can still be read and written.`];
  }

  /** What the ring can bear; worked out anew only when the layouts or the stores that answer have changed. */
  health({ live, down, state }: Pick<WarningFacts, "live" | "down" | "state">): Health {
    // By the store: at the address of one whose disk was replaced another answers, which holds none of its copies yet.
    const lost = new Set(liveIds(live).filter((id) => down.includes(addressOf(id)) || isGone(state, id)));
    const name = [...lost].join();
    if (this.#health?.live !== live || this.#health.lost !== name) {
      this.#health = {
        live,
        lost: name,
        value: healthOf(live, state.partitions, (owner) => lost.has(owner)),
      };
    }
    return this.#health.value;
  }

  #ringState(state: RingState): string[] {
    if (this.#stateBytes?.state !== state) this.#stateBytes = { state, bytes: encodeRing(state).length };
    const { bytes } = this.#stateBytes;
    if (bytes <= MAX_STATE_BYTES / 2) return [];
    const percent = Math.floor(100 * bytes / MAX_STATE_BYTES);
    return [
      `What the nodes know of the ring fills ${percent} % of its ${
        MAX_STATE_BYTES / 1024
      } KiB: beyond that no node ` +
      `can join or leave. It holds every address that ever was in the ring, and every change that waits for a ` +
      `node that is down.`,
    ];
  }
}

/** Nodes that do not answer, or not to this node's secret; where others reach them, what is broken lies between. */
function silent({ down, unreachable = [], refusing = [] }: WarningFacts): string[] {
  const dead = down.filter((address) => !unreachable.includes(address) && !refusing.includes(address));
  const far = unreachable.filter((address) => !refusing.includes(address));
  return [
    ...(refusing.length === 0 ? [] : [
      `${listWords(refusing)} ${refusing.length === 1 ? "has" : "have"} another secret than this node: ` +
      `start all nodes of a ring with the same one.`,
    ]),
    ...(dead.length === 0 ? [] : [`${listWords(dead)} ${dead.length === 1 ? "does" : "do"} not answer.`]),
    ...(far.length === 0 ? [] : [
      `${listWords(far)} cannot be reached from here, but from other nodes: check the network between them.`,
    ]),
  ];
}

function unavailable({ unreadable, unwritable }: Health, partitions: number): string[] {
  if (unwritable === 0) return [];
  const of = (count: number) => `Keys in ${count.toLocaleString("en-US")} of ${partitionWords(partitions)}`;
  if (unreadable === unwritable) {
    return [`${of(unwritable)} can be neither read nor written now: too few of their owners answer.`];
  }
  const read = unreadable === 0
    ? "all keys can be read"
    : `${of(unreadable).replace("K", "k")} cannot be read either`;
  return [`${of(unwritable)} cannot be written now, as too few of their owners answer; ${read}.`];
}

function thin({ thin: { size }, missing }: Health, n: number, state: RingState): string[] {
  if (size === 0 || n === 1) return [];
  return [
    `Keys in ${size.toLocaleString("en-US")} of ${
      partitionWords(state.partitions)
    } have fewer than ${n} copies ` +
    `within reach: those of ${listWords(missing.map((owner) => storeWords(state, owner)))} are missing.`,
  ];
}

/** A store by its address, and why it is not the one that answers there. */
function storeWords(state: RingState, owner: OwnerId): string {
  const address = addressOf(owner);
  if (!isGone(state, owner)) return address;
  const member = state.members.get(address);
  const isReplaced = member !== undefined && member.storeId !== storeIdOf(owner);
  return `${address} (${isReplaced ? "its disk was replaced" : member?.state ?? "removed"})`;
}

/** How many more nodes may fail, where that is fewer than a person would want. */
function copies({ spareToRead, spareToWrite, missing }: Health, n: number, replicas: number): string[] {
  const more = n < replicas ? ` Start more nodes to have ${replicas} copies.` : "";
  if (n === 1) return [`Every key has one copy: nothing may fail.${more}`];
  if (n === 2) {
    return [
      `Every key has two copies: while a node that holds it is down, a key is read and not written.${more}`,
    ];
  }
  if (spareToWrite === 0 && missing.length > 0) {
    const then = spareToRead > 0 ? "be read and not written" : "be neither read nor written";
    return [`No further node may fail: some keys could then ${then}.`];
  }
  return n < replicas ? [`Every key has ${n} copies of ${replicas} wanted: start more nodes.`] : [];
}

function changing(change: ChangeView): string {
  const waiting = waitingWords(change);
  return `The ring is changing: ${changeWords(change)}${waiting === "" ? "" : `; ${waiting}`}.`;
}

function ownDisk({ damagedRecords, diskFull }: WarningFacts["stats"], room: DiskRoom | undefined): string[] {
  const found: string[] = [];
  if (diskFull) {
    found.push(
      "This node's disk is full: it takes no writes, and a change of the ring waits for it. Free space there.",
    );
  }
  if (!diskFull && room !== undefined && isTight(room)) {
    found.push(
      `This node's disk is nearly full: ${sizeWords(room.freeBytes)} of ${
        sizeWords(room.totalBytes)
      } are free. ` +
        "Free space there, or add a node: a full disk takes no writes.",
    );
  }
  if (damagedRecords > 0) {
    const are = damagedRecords === 1 ? "is" : "are";
    found.push(
      `${
        countWords(damagedRecords, "record")
      } of this node ${are} damaged; good copies are fetched from the other ` +
        "owners. If that stays, run `mydht balance`, and look after its disk.",
    );
  }
  return found;
}

function isTight({ freeBytes, totalBytes }: DiskRoom): boolean {
  return freeBytes < TIGHT_BYTES || freeBytes < TIGHT_SHARE * totalBytes;
}

function partitionWords(count: number): string {
  return countWords(count, "partition");
}
