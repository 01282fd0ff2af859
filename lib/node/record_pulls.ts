import { DhtError } from "../core/errors.ts";
import { compareOptionalVersions } from "../core/hlc.ts";
import { ownsInBase } from "../core/layout.ts";
import { compareHeads, headOf, isNewer, type StoredRecord, type ValueRecord } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import { BlobPulls, type PullSource } from "./blob_pulls.ts";
import type { Place } from "./damage.ts";
import { layoutsChanged } from "./layout_mismatch.ts";
import { movedBytes } from "./moved_bytes.ts";
import type { ExchangeDeps, ExchangeScope } from "./partition_compare.ts";
import type { PullTicket, WriteOutcome } from "./storage.ts";

/** Times a record is asked for anew because tombstones were collected meanwhile, or it was replaced. */
const PULL_ATTEMPTS = 5;

/** Whom one key is fetched from for a task. */
export type FetchScope = PullSource & Pick<ExchangeScope, "task">;

/** Fetches single records, and stores what was fetched, as an owner that must know what was deleted. */
export class RecordPulls {
  readonly #deps: ExchangeDeps;
  readonly #blobs: BlobPulls;

  constructor(deps: ExchangeDeps & { random: Random; clock: Clock }) {
    this.#deps = deps;
    this.#blobs = new BlobPulls(deps);
  }

  /** As `Exchange.pullRecord`. */
  async pull(source: PullSource, place: Place, record: ValueRecord): Promise<boolean> {
    const { storage, peers } = this.#deps;
    const [held] = await storage.heads([place]);
    if (!isNewer(headOf(record), held)) return true;
    const floor = storage.tombstones.floor(place.partition);
    const isCovered = compareOptionalVersions(record.version, floor) <= 0;
    if (isCovered && !ownsInBase(source.live, place.partition, source.peer)) return false;
    const ticket = storage.tombstones.pullTicket(place.partition);
    const { record: theirs } = await peers.ask(source.peer, source.live, "read", place);
    if (theirs === undefined || compareHeads(headOf(theirs), headOf(record)) < 0) return false;
    await source.pace?.(inlineBytes(place, theirs));
    return await this.take(source, place, theirs, ticket) !== "collected";
  }

  /** As `Exchange.fetch`. */
  async fetch(scope: FetchScope, place: Place): Promise<void> {
    const { storage, peers } = this.#deps;
    for (let attempt = 0; attempt < PULL_ATTEMPTS; attempt++) {
      const ticket = storage.tombstones.pullTicket(place.partition);
      const { record } = await peers.ask(scope.peer, scope.live, "read", place);
      // Gone from there since it was seen: purged, so its owners hold it, or a deletion that was collected.
      if (record === undefined) return;
      await scope.pace?.(inlineBytes(place, record));
      if (await this.take(scope, place, record, ticket) !== "collected") {
        scope.task.fetched++;
        return;
      }
    }
    throw new DhtError("overloaded", `Cannot fetch key "${place.key}": it changes all the time`);
  }

  /**
   * Stores a record that the source has answered with; a large one with its chunks, for which the source's pace is
   * awaited.
   *
   * @param ticket Given out before the source was asked.
   * @returns "collected" where neither it nor a newer one is held here afterwards.
   */
  async take(
    source: PullSource,
    place: Place,
    record: StoredRecord,
    ticket: PullTicket,
  ): Promise<WriteOutcome["kind"]> {
    if (record.kind !== "value" || record.body.kind !== "blob") {
      return await this.#store(source, place, record, ticket);
    }
    const blob = { place, record, blobId: record.body.id };
    const isHeld = await this.#blobs.take(source, blob, (copy) => this.#store(source, place, copy, ticket));
    return isHeld ? "stored" : "collected";
  }

  /**
   * Merges what the source has answered with. If tombstones were collected meanwhile, it may be what one of them has
   * deleted: the source is asked whether it holds that version still.
   */
  async #store(
    { peer, live, mends }: PullSource,
    place: Place,
    record: StoredRecord,
    first: PullTicket,
  ): Promise<WriteOutcome["kind"]> {
    const { keeper, peers, storage } = this.#deps;
    const fromOwner = ownsInBase(live, place.partition, peer);
    let ticket = first;
    for (let attempt = 0; attempt < PULL_ATTEMPTS; attempt++) {
      // Under later layouts it may not have been an owner, or tombstones were collected without this node.
      if (keeper.live !== live) throw layoutsChanged();
      const write = { ...place, record, mode: "merge", ...(mends === true ? { mends } : {}) } as const;
      const { kind } = await storage.write(fromOwner ? { ...write, pulled: ticket } : write);
      if (kind !== "collected" || !fromOwner) return kind;
      ticket = storage.tombstones.pullTicket(place.partition);
      const { heads } = await peers.ask(peer, live, "heads", { items: [place], strict: true });
      if (heads[0] === undefined || compareHeads(heads[0], headOf(record)) !== 0) return kind;
    }
    return "collected";
  }
}

/** What the bytes in a record cost; those of one in chunks are paid for as they come. */
function inlineBytes(place: Place, record: StoredRecord): number {
  return movedBytes(place.key, record);
}
