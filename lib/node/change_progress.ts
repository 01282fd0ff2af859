import { isChanging } from "../core/layout.ts";
import { type Member, unsyncedMembers } from "../core/membership.ts";
import { countWords, listWords, sizeWords, spanWords } from "../core/words.ts";
import type { Clock } from "../ports/clock.ts";
import type { Answer } from "../wire.ts";
import type { Background } from "./background.ts";
import { bytesByPartition } from "./partition_bytes.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { ChangeView, FetchingView } from "./service.ts";
import type { Storage } from "./storage.ts";
import type { Transfer } from "./transfer.ts";

/** The members are asked at most that often, however many look. */
const MAX_AGE_MS = 1_000;
const ASK = { timeoutMs: 1_500 } as const;

/** Where progress is read from. */
export interface ChangeProgressDeps {
  readonly keeper: RingKeeper;
  readonly peers: Peers;
  readonly storage: Storage;
  readonly transfer: Pick<Transfer, "pending">;
  readonly background: Pick<Background, "transfer">;
  readonly clock: Clock;
}

/** What this node is to fetch in one round of its transfer, and what it had moved before. */
interface Expected {
  readonly pending: ReadonlyMap<number, number>;
  readonly bytes: ReadonlyMap<number, number>;
  readonly leftAtFirst: number;
  readonly movedBefore: number;
}

/** How far the open change of layout is: at this node, and at all nodes that still fetch their share. */
export class ChangeProgress {
  readonly #deps: ChangeProgressDeps;
  #expected: Expected | undefined;
  #view: { readonly atMs: number; readonly value: Promise<ChangeView | undefined> } | undefined;

  constructor(deps: ChangeProgressDeps) {
    this.#deps = deps;
  }

  /** What this node has yet to fetch, as it tells others. */
  async own(): Promise<Answer<"progress">> {
    const { keeper, storage, transfer, background } = this.#deps;
    const { state, live, self } = keeper;
    const isSynced = unsyncedMembers(state, live).every(({ address }) => address !== self.address);
    const { error, bytesPerSecond } = background.transfer.view;
    return {
      live: keeper.liveName,
      partitionsLeft: isSynced ? 0 : transfer.pending.size,
      bytesLeft: isSynced ? 0 : await this.#bytesLeft(),
      bytesPerSecond: Math.round(bytesPerSecond),
      error: isSynced ? undefined : error,
      diskFull: storage.stats().diskFull,
    };
  }

  /** What all nodes have yet to fetch, a second old at most; `undefined` while nothing changes. */
  ring(): Promise<ChangeView | undefined> {
    const nowMs = this.#deps.clock.monotonicMs();
    if (this.#view === undefined || nowMs - this.#view.atMs >= MAX_AGE_MS) {
      this.#view = { atMs: nowMs, value: this.#askAll() };
    }
    return this.#view.value;
  }

  async #askAll(): Promise<ChangeView | undefined> {
    const { keeper } = this.#deps;
    const { state, live } = keeper;
    if (!isChanging(live)) return undefined;
    const members = unsyncedMembers(state, live).sort((a, b) => a.address < b.address ? -1 : 1);
    const fetching = await Promise.all(members.map((member) => this.#askOne(member)));
    const bytes = fetching.map(({ bytesLeft }) => bytesLeft);
    const bytesLeft = bytes.includes(undefined) ? undefined : bytes.reduce<number>((sum, b) => sum + b!, 0);
    const seconds = fetching.map(secondsLeft);
    return {
      partitionsLeft: fetching.reduce((sum, { partitionsLeft = 0 }) => sum + partitionsLeft, 0),
      ...(bytesLeft === undefined ? {} : { bytesLeft }),
      bytesPerSecond: fetching.reduce((sum, node) => sum + node.bytesPerSecond, 0),
      // All fetch at the same time: it takes as long as the slowest.
      ...(seconds.includes(undefined) ? {} : { secondsLeft: Math.max(0, ...seconds as number[]) }),
      fetching,
    };
  }

  async #askOne({ address }: Member): Promise<FetchingView> {
    const { keeper, peers } = this.#deps;
    try {
      const told = address === keeper.self.address
        ? await this.own()
        : await peers.control(address, "progress", {}, ASK);
      return { address, reachable: true, ...this.#understood(told) };
    } catch {
      return { address, reachable: !peers.isDown(address), bytesPerSecond: 0 };
    }
  }

  #understood(told: Answer<"progress">): Omit<FetchingView, "address" | "reachable"> {
    const error = told.diskFull ? "its disk is full" : told.error;
    const said = error === undefined ? {} : { error };
    // It has yet to hear of this change, or knows of a later one: what it fetches now is for another.
    if (told.live !== this.#deps.keeper.liveName) return { bytesPerSecond: 0, ...said };
    const { partitionsLeft, bytesLeft, bytesPerSecond } = told;
    return { partitionsLeft, bytesPerSecond, ...(bytesLeft === undefined ? {} : { bytesLeft }), ...said };
  }

  /** By the digests of what is still to be pulled, and by the bytes that have come of it already. */
  async #bytesLeft(): Promise<number | undefined> {
    const { transfer, background, storage } = this.#deps;
    const { pending } = transfer;
    if (pending.size === 0) return 0;
    if (this.#expected?.pending !== pending) this.#expected = await this.#expect(pending);
    const { bytes, leftAtFirst, movedBefore } = this.#expected;
    if ([...pending.keys()].some((partition) => !bytes.has(partition))) return undefined;
    const left = await bytesMissing(storage, pending, bytes);
    // A large value counts as held only once all of it is here: until then its chunks are counted as they come.
    const notMoved = leftAtFirst - (background.transfer.view.bytes - movedBefore);
    return notMoved > 0 ? Math.min(left, notMoved) : left;
  }

  async #expect(pending: ReadonlyMap<number, number>): Promise<Expected> {
    const { keeper, peers, storage, background } = this.#deps;
    const movedBefore = background.transfer.view.bytes;
    const bytes = await bytesByPartition({ keeper, peers }, keeper.live.base, [...pending.keys()]);
    return { pending, bytes, leftAtFirst: await bytesMissing(storage, pending, bytes), movedBefore };
  }
}

/** `1,024 partitions, 12.5 MB left, about 3 s`. */
export function changeWords({ partitionsLeft, bytesLeft, secondsLeft: seconds }: ChangeView): string {
  const bytes = bytesLeft === undefined ? "" : `, ${sizeWords(bytesLeft)}`;
  const time = seconds === undefined || seconds === 0 ? "" : `, about ${spanWords(seconds)}`;
  return `${countWords(partitionsLeft, "partition")}${bytes} left${time}`;
}

/** Whom an open change waits for, and what to do where that will not end by itself. */
export function waitingWords({ fetching }: ChangeView): string {
  const dead = fetching.filter((node) => !node.reachable).map((node) => node.address);
  const alive = fetching.filter((node) => node.reachable);
  const parts = alive.map(({ address, error }) => error === undefined ? address : `${address} (${error})`);
  const sentences = parts.length === 0 ? [] : [`waiting for ${listWords(parts)}`];
  if (dead.length > 0) {
    const [does, it] = dead.length === 1 ? ["does", "it"] : ["do", "them"];
    sentences.push(
      `${listWords(dead)} ${does} not answer: start ${it} again, or ` +
        `${dead.map((address) => `\`mydht remove ${address}\``).join(", ")} if gone for good`,
    );
  }
  return sentences.join("; ");
}

function secondsLeft({ bytesLeft, bytesPerSecond }: FetchingView): number | undefined {
  if (bytesLeft === 0) return 0;
  return bytesLeft === undefined || bytesPerSecond === 0 ? undefined : bytesLeft / bytesPerSecond;
}

async function bytesMissing(
  storage: Storage,
  pending: ReadonlyMap<number, number>,
  expected: ReadonlyMap<number, number>,
): Promise<number> {
  const held = await storage.digests();
  let missing = 0;
  for (const partition of pending.keys()) {
    missing += Math.max(0, (expected.get(partition) ?? 0) - (held.get(partition)?.valueBytes ?? 0));
  }
  return missing;
}
