import { CLOCK_BOUND_MS } from "../core/clock_bound.ts";
import { expiryOf, isDue } from "../core/expiry.ts";
import { addressOf, writeNeeds } from "../core/layout.ts";
import { allOwners, isMet, isReachable } from "../core/quorum.ts";
import { headOf } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Background } from "./background.ts";
import type { Coordinator, Place, QuorumRead } from "./coordinator.ts";
import type { Exchange } from "./exchange.ts";
import { isLayoutMismatch } from "./layout_mismatch.ts";
import { inRounds, type Pauses } from "./pauses.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Storage } from "./storage.ts";

/** Keys looked at in one page, and what one costs of the rate. */
const PAGE_KEYS = 500;
const KEY_BYTES = 200;

/**
 * What a read answers that has found a value whose time may be over: once the clocks of a quorum of its owners say so,
 * its deletion, which a quorum then holds. So a value that a read did not show is not shown by a later one either,
 * whatever clock that goes by.
 *
 * @param read Reads the key, and has enough owners hold what it has found.
 */
export async function endedIfDue(
  deps: { readonly peers: Peers; readonly exchange: Exchange; readonly clock: Clock },
  place: Place,
  read: () => Promise<QuorumRead | undefined>,
): Promise<QuorumRead | undefined> {
  const found = await read();
  if (found?.record.kind !== "value" || found.record.expiresMs === undefined) return found;
  // A clock that is behind by more than the bound is the one that is wrong.
  if (!isDue(headOf(found.record), deps.clock.nowMs() + CLOCK_BOUND_MS)) return found;
  const { live, record, source, holders } = found;
  if (!await isDueForMost(deps.peers, found, place)) return found;
  const deletion = expiryOf(record);
  const given = await Promise.allSettled(
    holders.map((peer) => deps.exchange.give({ peer, live, source }, place, deletion)),
  );
  const failed = given.find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return await read();
}

/** Whether the clocks of a write quorum of the owners, in each live layout, say that a value's time is over. */
async function isDueForMost(peers: Peers, { live, record }: QuorumRead, place: Place): Promise<boolean> {
  const needs = writeNeeds(live, place.partition);
  const due = new Set<string>();
  const others = new Set<string>();
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  for (const owner of allOwners(needs)) {
    peers.ask(owner, live, "survey", place)
      .then(({ nowMs }) => (isDue(headOf(record), nowMs) ? due : others).add(owner), (error) => {
        if (isLayoutMismatch(error)) reject(error);
        others.add(owner);
      })
      .then(() => {
        if (isMet(needs, (one) => due.has(one))) resolve(true);
        else if (!isReachable(needs, (one) => others.has(one))) resolve(false);
      });
  }
  return await promise;
}

/** What ending values needs of its node. */
export interface ExpiryDeps {
  readonly storage: Storage;
  readonly keeper: RingKeeper;
  readonly peers: Peers;
  readonly coordinator: Pick<Coordinator, "read">;
  readonly clock: Clock;
  readonly background: Background;
  readonly pauses: Pick<Pauses, "expiryMs">;
}

/**
 * Ends values whose time is over, where nobody reads them.
 *
 * A quorum read of such a key does all of it: it asks the owners' clocks, and writes the deletion. So a round
 * only reads the keys that are due by this node's clock, and of which it is the first owner that is up.
 */
export class Expiry {
  readonly #deps: ExpiryDeps;

  constructor(deps: ExpiryDeps) {
    this.#deps = deps;
  }

  /** Runs rounds until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, pauses } = this.#deps;
    await inRounds({ clock, pauseMs: () => pauses.expiryMs, signal }, () => this.round(signal));
  }

  /** One look at all keys that expire. Never rejects. */
  async round(signal: AbortSignal): Promise<void> {
    const task = this.#deps.background.expiry;
    task.begin();
    await this.#all(signal).catch((error) => signal.aborted || task.fail(error));
    task.end();
  }

  async #all(signal: AbortSignal): Promise<void> {
    const { storage, clock, background } = this.#deps;
    let page = await storage.expiring(undefined, PAGE_KEYS);
    while (page.length > 0) {
      await background.expiry.pace(page.length * KEY_BYTES, signal);
      const due = page.filter(({ partition, expiresMs }) =>
        expiresMs <= clock.nowMs() && this.#isFirst(partition)
      );
      for (const place of due) await this.#end(place, signal);
      page = await storage.expiring(page.at(-1), PAGE_KEYS);
    }
  }

  async #end({ partition, key }: Place, signal: AbortSignal): Promise<void> {
    const { coordinator, background } = this.#deps;
    try {
      await coordinator.read({ partition, key }, { client: { signal } });
      background.expiry.advance();
    } catch (error) {
      signal.throwIfAborted();
      background.expiry.fail(error);
    }
  }

  #isFirst(partition: number): boolean {
    const { keeper, peers } = this.#deps;
    const owners = keeper.live.newest.owners(partition);
    const isUp = (owner: string) => owner === keeper.selfId || !peers.isDown(addressOf(owner));
    return owners.find(isUp) === keeper.selfId;
  }
}
