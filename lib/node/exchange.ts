import { DhtError } from "../core/errors.ts";
import { compareOptionalVersions } from "../core/hlc.ts";
import { type OwnerId, ownsInBase } from "../core/layout.ts";
import { isNewer, type StoredRecord, type ValueRecord } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { KeyedRecord } from "../wire.ts";
import type { Pace } from "./background.ts";
import { BULK, type PullSource } from "./blob_pulls.ts";
import type { Place } from "./damage.ts";
import { inParallel } from "./in_parallel.ts";
import { isLayoutMismatch } from "./layout_mismatch.ts";
import { movedBytes } from "./moved_bytes.ts";
import { differences, type ExchangeDeps, type ExchangeScope, inSlices, LOOK } from "./partition_compare.ts";
import { PartitionPulls } from "./partition_pulls.ts";
import { type FetchScope, RecordPulls } from "./record_pulls.ts";
import { noteFailure } from "./tasks.ts";
import { writeAsk } from "./write_ask.ts";

/** Keys compared per message. */
const PAGE_KEYS = 500;
/** Large values given at the same time. */
const PARALLEL_LARGE = 2;
/** Bytes of records in one message, roughly; and records. */
const GIFT_BYTES = 512 * 1024;
const GIFT_RECORDS = 500;
/** Slowest rate at which a large value is still waited for. */
const SLOWEST_BYTES_PER_MS = 1_000;

/** To whom records are given. */
export interface GiftScope extends Pick<ExchangeScope, "peer" | "live"> {
  readonly pace?: Pace;
  /** Who holds the records; this node unless told otherwise. */
  readonly source?: OwnerId;
}

/** Whether an owner holds a record, or a newer one; or why it could not be given. */
export type Gift = { readonly isHeld: boolean } | { readonly error: unknown };

/**
 * Compares this node's partitions with another owner's and moves what is newer.
 *
 * Versions travel as they are: whoever holds the greater one wins, on both sides.
 */
export class Exchange {
  readonly #deps: ExchangeDeps;
  readonly #records: RecordPulls;
  readonly #partitions: PartitionPulls;

  constructor(deps: ExchangeDeps & { random: Random; clock: Clock }) {
    this.#deps = deps;
    this.#records = new RecordPulls(deps);
    this.#partitions = new PartitionPulls(deps, this.#records);
  }

  /**
   * Fetches everything the peer holds newer than this node, of partitions of which it holds its share: of those it
   * is only about to own it may have leftovers of what was deleted and forgotten.
   *
   * Small records of all partitions come first, so that they do not wait for a large value.
   *
   * @returns Once all of it is held here. @throws {DhtError} If any of it could not be, or the peer has a damaged
   * record there.
   */
  pull(scope: ExchangeScope): Promise<void> {
    return this.#partitions.pull(scope);
  }

  /** Sends everything this node holds newer than the peer. Single failures are counted, and the rest goes on. */
  async push(scope: ExchangeScope): Promise<void> {
    // The other way round than a pull: where both sides compare at the same time, they meet, and send nothing twice.
    for (const slice of inSlices(scope.partitions).reverse()) {
      for (const { partition } of (await differences(this.#deps, scope, slice)).reverse()) {
        await this.#pushPartition(scope, partition);
      }
    }
  }

  /**
   * Fetches one record from a node that holds it; a large one chunk by chunk.
   *
   * @param record What is wanted: that version or a newer one.
   * @returns Whether this node holds it afterwards. Not so where the source holds it no more; nor where this node's
   * floor covers it and the source is no owner in the base: it may have been deleted.
   */
  pullRecord(source: PullSource, place: Place, record: ValueRecord): Promise<boolean> {
    return this.#records.pull(source, place, record);
  }

  /** Fetches what the peer holds of a key now, if anything. */
  fetch(scope: FetchScope, place: Place): Promise<void> {
    return this.#records.fetch(scope, place);
  }

  async #pushPartition(scope: ExchangeScope, partition: number): Promise<void> {
    const { storage, peers, keeper } = this.#deps;
    let after: string | undefined;
    do {
      scope.signal.throwIfAborted();
      const page = await storage.scan(partition, {
        limit: PAGE_KEYS,
        ...(after === undefined ? {} : { after }),
      });
      const items = page.entries.map(({ key }) => ({ partition, key }));
      const ask = { items, strict: undefined };
      const { heads, floors } = await peers.ask(scope.peer, scope.live, "heads", ask, LOOK);
      // What others than owners hold up to the floor is not taken anyway.
      const bar = ownsInBase(scope.live, partition, keeper.selfId) ? undefined : floors[0]?.floor;
      const newer = items.filter((_, i) => {
        const { head } = page.entries[i]!;
        return isNewer(head, heads[i]) && compareOptionalVersions(head.version, bar) > 0;
      });
      scope.task.compared += items.length;
      await this.#send(scope, newer);
      after = page.next;
    } while (after !== undefined);
  }

  async #send(scope: ExchangeScope, places: readonly Place[]): Promise<void> {
    const records = await this.#deps.storage.readMany(places);
    const held = places.flatMap((place, i): KeyedRecord[] => {
      const record = records[i];
      if (record === "damaged") noteFailure(scope.task, damagedHere(place));
      return record === undefined || record === "damaged" ? [] : [{ ...place, record }];
    });
    for (const gift of await this.giveAll(scope, held)) {
      if ("isHeld" in gift) scope.task.sent += Number(gift.isHeld);
      // Under other layouts all of it has to be looked at again: that is no failure.
      else if (scope.signal.aborted || isLayoutMismatch(gift.error)) throw gift.error;
      else noteFailure(scope.task, gift.error);
    }
  }

  /**
   * Brings one record to an owner: small ones are sent, large ones it fetches from `source`; as it does with those
   * that its floor covers, where the source is an owner that must know whether they were deleted.
   *
   * @returns Whether the owner holds it, or a newer one, now. Not so where it may have been deleted.
   */
  async give(to: GiftScope, place: Place, record: StoredRecord): Promise<boolean> {
    if (isLarge(record)) return await this.#giveLarge(to, place, record);
    await to.pace?.(movedBytes(place.key, record));
    const ask = writeAsk(place, record, "merge");
    const { kind } = await this.#deps.peers.ask(to.peer, to.live, "write", ask);
    return await this.#isHeld(to, place, record, kind);
  }

  /** Brings many records to an owner as `give` does: small ones many to a message. What became of each, in their order. */
  async giveAll(to: GiftScope, items: readonly KeyedRecord[]): Promise<Gift[]> {
    const gifts: Gift[] = new Array(items.length);
    const note = async (i: number, work: Promise<boolean>) => {
      gifts[i] = await work.then((isHeld) => ({ isHeld }), (error) => ({ error }));
    };
    const numbers = items.map((_, i) => i);
    for (const parcel of parcelsOf(items, numbers.filter((i) => !isLarge(items[i]!.record)))) {
      const given = this.#giveParcel(to, parcel.map((i) => items[i]!));
      await Promise.all(parcel.map((i, at) => note(i, given.then((held) => held[at]!))));
    }
    await inParallel(numbers.filter((i) => isLarge(items[i]!.record)), PARALLEL_LARGE, (i) => {
      const { partition, key, record } = items[i]!;
      return note(i, this.give(to, { partition, key }, record));
    });
    return gifts;
  }

  /** Sends small records in one message; what became of each. */
  async #giveParcel(to: GiftScope, records: readonly KeyedRecord[]): Promise<Promise<boolean>[]> {
    await to.pace?.(records.reduce((sum, { key, record }) => sum + movedBytes(key, record), 0));
    const { outcomes } = await this.#deps.peers.ask(to.peer, to.live, "mergeRecords", { records }, BULK);
    return records.map(async ({ partition, key, record }, i) => {
      const kind = outcomes[i];
      if (kind === undefined || kind === "damaged") throw damagedThere({ partition, key });
      return await this.#isHeld(to, { partition, key }, record, kind);
    });
  }

  /** Whether an owner holds a record that it has answered with `kind`, or has fetched it now. */
  async #isHeld(to: GiftScope, place: Place, record: StoredRecord, kind: string): Promise<boolean> {
    if (kind !== "collected") return true;
    if (record.kind !== "value" || !ownsInBase(to.live, place.partition, this.#sourceOf(to))) return false;
    return await this.#haveFetched(to, place, record);
  }

  async #giveLarge(to: GiftScope, place: Place, record: ValueRecord): Promise<boolean> {
    await to.pace?.(record.valueBytes);
    return await this.#haveFetched(to, place, record);
  }

  async #haveFetched(to: GiftScope, place: Place, record: ValueRecord): Promise<boolean> {
    const timeoutMs = BULK.timeoutMs + record.valueBytes / SLOWEST_BYTES_PER_MS;
    const ask = { ...place, record, source: this.#sourceOf(to) };
    const { held } = await this.#deps.peers.ask(to.peer, to.live, "pullRecord", ask, {
      lane: "own",
      timeoutMs,
    });
    return held;
  }

  #sourceOf(to: GiftScope): OwnerId {
    return to.source ?? this.#deps.keeper.selfId;
  }
}

function isLarge(record: StoredRecord): record is ValueRecord {
  return record.kind === "value" && record.body.kind === "blob";
}

/** Numbers of items in parts that fit one message. */
function parcelsOf(items: readonly KeyedRecord[], numbers: readonly number[]): number[][] {
  const parcels: number[][] = [];
  let bytes = Infinity;
  for (const i of numbers) {
    const { key, record } = items[i]!;
    const more = movedBytes(key, record);
    if (bytes + more > GIFT_BYTES || parcels.at(-1)!.length >= GIFT_RECORDS) {
      parcels.push([]);
      bytes = 0;
    }
    parcels.at(-1)!.push(i);
    bytes += more;
  }
  return parcels;
}

function damagedHere({ key }: Place): DhtError {
  return new DhtError("corrupt_value", `Cannot send key ${JSON.stringify(key)}: this node's copy is damaged`);
}

function damagedThere({ key }: Place): DhtError {
  return new DhtError(
    "corrupt_value",
    `Cannot send key ${JSON.stringify(key)}: the copy held there is damaged`,
  );
}
