import { encodeHex } from "@std/encoding/hex";
import { DhtError } from "../core/errors.ts";
import { hash128 } from "../core/hash.ts";
import {
  eachLayout,
  type LayoutData,
  layoutName,
  type LiveLayouts,
  liveName,
  type OwnerId,
  ownerId,
} from "../core/layout.ts";
import { isActive, liveLayouts, type Member, mergeRings, type RingState } from "../core/membership.ts";
import { type RingNews, stateOfNews } from "../core/ring_news.ts";
import { decodeRing, encodeRing } from "../wire.ts";

/** Who this node is. The store id comes from its database, the incarnation from counting its starts. */
export interface Identity {
  readonly address: string;
  readonly storeId: string;
  readonly incarnation: number;
}

/** The part of the storage a keeper uses. */
export interface StateStore {
  loadState(name: string): Promise<Uint8Array | undefined>;
  saveState(name: string, bytes: Uint8Array): Promise<void>;
}

const RING_STATE = "ring";
/** Layouts that are known by name, live or not any more. */
const LAYOUTS_KEPT = 16;

/** A state with what follows from it. */
interface Held {
  readonly state: RingState;
  readonly live: LiveLayouts;
  readonly name: string;
  hash?: string;
}

/**
 * Holds what this node knows of its ring.
 *
 * A change is on disk before anything relies on it: a node that forgot a layout in a crash would accept
 * writes under an older one, which those who pulled from it would miss.
 */
export class RingKeeper {
  readonly self: Identity;
  readonly selfId: OwnerId;
  readonly #store: StateStore;
  readonly #listeners: (() => void)[] = [];
  /** By name, the last that came to be live: others may speak of them for a while. */
  readonly #layouts = new Map<string, LayoutData>();
  #held: Held | undefined;
  #changes: Promise<unknown> = Promise.resolve();

  constructor(store: StateStore, self: Identity) {
    this.#store = store;
    this.self = self;
    this.selfId = ownerId(self.address, self.storeId);
  }

  /** Loads what was known at the last stop; false where this store was in no ring yet. */
  async load(): Promise<boolean> {
    const bytes = await this.#store.loadState(RING_STATE);
    if (bytes === undefined) return false;
    this.#hold(decodeRing(bytes));
    return true;
  }

  /** Whether this node is in a ring. */
  get inRing(): boolean {
    return this.#held !== undefined;
  }

  /** @throws {DhtError} "not_in_ring" */
  get state(): RingState {
    return this.#current().state;
  }

  /** The layouts every request must satisfy now; the same object until they change. */
  get live(): LiveLayouts {
    return this.#current().live;
  }

  /** `liveName` of `live`. */
  get liveName(): string {
    return this.#current().name;
  }

  /** This node as the ring knows it; undefined once its address belongs to another store. */
  get selfMember(): Member | undefined {
    const member = this.state.members.get(this.self.address);
    return member?.storeId === this.self.storeId ? member : undefined;
  }

  /** Nodes that are in the ring beside this one, leavers included. */
  get otherMembers(): Member[] {
    return [...this.state.members.values()].filter((member) =>
      isActive(member) && member.address !== this.self.address
    );
  }

  /** Equal on two nodes exactly if they know the same. */
  get hash(): string {
    const held = this.#current();
    return held.hash ??= encodeHex(hash128(encodeRing(held.state)));
  }

  /** Calls `listener` after every change. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Takes the first state of a ring: one it founds, or one it was taken into. */
  adopt(state: RingState): Promise<void> {
    return this.#serially(() => this.#save(this.#held === undefined ? state : mergeRings(this.state, state)));
  }

  /** Changes the state, one change after the other; resolves once the result is on disk and in force. */
  update(change: (state: RingState) => RingState): Promise<void> {
    return this.#serially(() => this.#save(change(this.state)));
  }

  /** Learns what another node knows. */
  merge(theirs: RingState): Promise<void> {
    return this.update((ours) => mergeRings(ours, theirs));
  }

  /**
   * Learns what another node says has changed.
   *
   * @returns Whether it could: else that node has to send the layouts, too.
   */
  async mergeNews(news: RingNews): Promise<boolean> {
    let understood = false;
    await this.update((ours) => {
      const theirs = stateOfNews(news, ours, (name) => this.#layoutNamed(name));
      understood = theirs !== undefined;
      return theirs === undefined ? ours : mergeRings(ours, theirs);
    });
    return understood;
  }

  #layoutNamed(name: string): LayoutData | undefined {
    return eachLayout(this.live).map(({ data }) => data).find((data) => layoutName(data) === name) ??
      this.#layouts.get(name);
  }

  #current(): Held {
    if (this.#held !== undefined) return this.#held;
    throw new DhtError("not_in_ring", `Cannot serve: node ${this.self.address} is not in a ring yet`);
  }

  async #save(state: RingState): Promise<void> {
    if (state === this.#held?.state) return;
    await this.#store.saveState(RING_STATE, encodeRing(state));
    this.#hold(state);
    for (const listener of this.#listeners) listener();
  }

  #hold(state: RingState): void {
    const live = liveLayouts(state);
    const name = liveName(live);
    // Kept where only reports changed, with the tables it has built.
    const unchanged = this.#held?.name === name;
    this.#held = { state, live: unchanged ? this.#held!.live : live, name };
    for (const { data } of eachLayout(this.#held.live)) {
      const name = layoutName(data);
      // A copy: the tables that were built for the original go with it.
      if (!this.#layouts.has(name)) this.#layouts.set(name, { ...data });
    }
    for (const name of this.#layouts.keys()) {
      if (this.#layouts.size <= LAYOUTS_KEPT) break;
      this.#layouts.delete(name);
    }
  }

  #serially(change: () => Promise<void>): Promise<void> {
    const done = this.#changes.then(change);
    this.#changes = done.catch(() => {});
    return done;
  }
}
