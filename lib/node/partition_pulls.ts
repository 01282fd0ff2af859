import { DhtError } from "../core/errors.ts";
import { addressOf, type OwnerId, ownsInBase } from "../core/layout.ts";
import { isNewer } from "../core/record.ts";
import type { Ask, KeyedRecord } from "../wire.ts";
import type { Place } from "./damage.ts";
import { inParallel } from "./in_parallel.ts";
import { movedBytes } from "./moved_bytes.ts";
import { differences, type ExchangeDeps, type ExchangeScope, inSlices, LOOK } from "./partition_compare.ts";
import type { RecordPulls } from "./record_pulls.ts";
import type { PullTicket, ScanRange } from "./storage.ts";

/** Slices of partitions worked on at the same time: one is fetched while another is stored. */
const PARALLEL_SLICES = 2;
/** Ranges named in one message; the peer answers as many of them as it likes. */
const RANGES_PER_ASK = 128;
/** Records asked for by their keys in one message. */
const RECORDS_PER_ASK = 500;
/** Large values that are fetched once all small records are here; more of them are fetched as they come. */
const MAX_DEFERRED = 10_000;

/**
 * Fetches what another owner holds newer of whole partitions: many partitions and many records to a message.
 *
 * Of partitions of which this node has less than half, the records are fetched as they are there; of others the
 * heads, and then the records that are newer.
 */
export class PartitionPulls {
  readonly #deps: ExchangeDeps;
  readonly #records: RecordPulls;

  constructor(deps: ExchangeDeps, records: RecordPulls) {
    this.#deps = deps;
    this.#records = records;
  }

  /** As `Exchange.pull`. */
  async pull(scope: ExchangeScope): Promise<void> {
    const partitions = scope.partitions.filter((partition) => ownsInBase(scope.live, partition, scope.peer));
    const pull = new Pull(this.#deps, this.#records, scope);
    await inParallel(inSlices(partitions), PARALLEL_SLICES, (slice) => pull.slice(slice));
    await pull.finish();
  }
}

/** One pull from one peer. */
class Pull {
  readonly #deps: ExchangeDeps;
  readonly #records: RecordPulls;
  readonly #scope: ExchangeScope;
  readonly #large: Place[] = [];
  /** Partitions of which something was left out because it is damaged there. */
  readonly #damaged = new Set<number>();

  constructor(deps: ExchangeDeps, records: RecordPulls, scope: ExchangeScope) {
    this.#deps = deps;
    this.#records = records;
    this.#scope = scope;
  }

  /** Fetches what differs of some partitions, but for large values. */
  async slice(partitions: readonly number[]): Promise<void> {
    const differing = await differences(this.#deps, this.#scope, partitions);
    const known = new Set(differing.map(({ partition }) => partition));
    for (const partition of partitions) if (!known.has(partition)) this.#scope.pulled?.(partition);
    const isMissing = ({ ours, theirs }: { ours: number; theirs: number }) => 2 * ours < theirs;
    const rangesOf = (list: typeof differing) => list.map(({ partition }) => ({ partition }));
    await this.#eachRange(rangesOf(differing.filter(isMissing)), (ranges) => this.#copy(ranges));
    await this.#eachRange(
      rangesOf(differing.filter((one) => !isMissing(one))),
      (ranges) => this.#compare(ranges),
    );
    const left = new Set(this.#large.map(({ partition }) => partition));
    for (const { partition } of differing) {
      if (!left.has(partition) && !this.#damaged.has(partition)) this.#scope.pulled?.(partition);
    }
  }

  /** Fetches the large values. @throws {DhtError} Where something is damaged at the peer. */
  async finish(): Promise<void> {
    const unfinished = new Set(this.#large.map(({ partition }) => partition));
    for (const place of this.#large) await this.#records.fetch(this.#scope, place);
    for (const partition of unfinished) {
      if (!this.#damaged.has(partition)) this.#scope.pulled?.(partition);
    }
    // Others hold what it is: it would be missed by whoever relied on this pull.
    for (const partition of this.#damaged) throw damagedThere(this.#scope.peer, partition);
  }

  /** Has `work` answer for all of these ranges: it returns the beginning of what is left of them. */
  async #eachRange(
    ranges: ScanRange[],
    work: (
      ranges: readonly ScanRange[],
    ) => Promise<{ readonly answered: number; readonly more: ScanRange[] }>,
  ): Promise<void> {
    for (let left = ranges; left.length > 0;) {
      this.#scope.signal.throwIfAborted();
      const { answered, more } = await work(left.slice(0, RANGES_PER_ASK));
      if (answered === 0) throw new DhtError("bad_message", "Cannot pull: the peer answered nothing");
      left = [...more, ...left.slice(answered)];
    }
  }

  async #copy(ranges: readonly ScanRange[]) {
    const tickets = this.#tickets(ranges);
    const { peer, live } = this.#scope;
    const asked = askFor(ranges);
    const { pages } = await this.#deps.peers.ask(peer, live, "scanRecords", asked, LOOK);
    this.#noteDamage(ranges, pages);
    await this.#takeAll(pages.flatMap(({ entries }) => entries), tickets);
    return continued(ranges, pages);
  }

  async #compare(ranges: readonly ScanRange[]) {
    const { peer, live, task } = this.#scope;
    const asked = askFor(ranges);
    const { pages } = await this.#deps.peers.ask(peer, live, "scan", asked, LOOK);
    this.#noteDamage(ranges, pages);
    const found = pages.flatMap(({ entries }, i) =>
      entries.map((entry) => ({ ...entry, partition: ranges[i]!.partition }))
    );
    const ours = await this.#deps.storage.heads(found);
    task.compared += found.length;
    const newer = found.filter(({ head }, i) => isNewer(head, ours[i]));
    const small: Place[] = [];
    for (const { partition, key, head } of newer) {
      if (head.chunked) await this.#later({ partition, key });
      else small.push({ partition, key });
    }
    await this.#fetchAll(small);
    return continued(ranges, pages);
  }

  /** Fetches records by their keys. */
  async #fetchAll(places: readonly Place[]): Promise<void> {
    const { peer, live, signal } = this.#scope;
    for (let left = places; left.length > 0;) {
      signal.throwIfAborted();
      const items = left.slice(0, RECORDS_PER_ASK);
      const tickets = this.#tickets(items);
      const { answered, records, damaged } = await this.#deps.peers.ask(
        peer,
        live,
        "readRecords",
        { items },
        LOOK,
      );
      if (answered === 0) throw new DhtError("bad_message", "Cannot pull: the peer answered nothing");
      for (const partition of damaged) this.#damaged.add(partition);
      // What is gone there was purged, so its owners hold it, or is a deletion that was collected.
      await this.#takeAll(records, tickets);
      left = left.slice(answered);
    }
  }

  async #takeAll(
    records: readonly KeyedRecord[],
    tickets: ReadonlyMap<number, PullTicket>,
  ): Promise<void> {
    const { peer, live, task, signal, pace } = this.#scope;
    if (records.some(({ partition }) => !tickets.has(partition))) {
      throw new DhtError("bad_message", "Cannot pull: the peer answered more than that");
    }
    await pace?.(records.reduce((sum, { key, record }) => sum + movedBytes(key, record), 0));
    const source = { peer, live, signal };
    const small = records.filter(({ record }) => record.kind !== "value" || record.body.kind === "inline");
    const collected: Place[] = [];
    // All at once, so that they share commits.
    const storeAll = () =>
      inParallel(small, small.length, async ({ partition, key, record }) => {
        const kind = await this.#records.take(source, { partition, key }, record, tickets.get(partition)!);
        if (kind === "stored") task.fetched++;
        else if (kind === "collected") collected.push({ partition, key });
      });
    // What somebody asks for, without a pace, does not make room.
    await (pace === undefined ? storeAll() : this.#deps.bulk.run(storeAll));
    // A tombstone was collected meanwhile, or they were replaced.
    for (const place of collected) await this.#records.fetch(this.#scope, place);
    for (const { partition, key, record } of records) {
      if (record.kind === "value" && record.body.kind === "blob") await this.#later({ partition, key });
    }
  }

  /** Leaves a large value for the end, so that small records do not wait for it. */
  async #later(place: Place): Promise<void> {
    if (this.#large.length < MAX_DEFERRED) this.#large.push(place);
    else await this.#records.fetch(this.#scope, place);
  }

  #tickets(ranges: readonly { readonly partition: number }[]): Map<number, PullTicket> {
    const { tombstones } = this.#deps.storage;
    return new Map(ranges.map(({ partition }) => [partition, tombstones.pullTicket(partition)]));
  }

  #noteDamage(ranges: readonly ScanRange[], pages: readonly { readonly damaged: boolean }[]): void {
    pages.forEach(({ damaged }, i) => damaged && this.#damaged.add(ranges[i]!.partition));
  }
}

function askFor(ranges: readonly ScanRange[]): Ask<"scan"> {
  return { ranges: ranges.map(({ partition, after }) => ({ partition, after })) };
}

/** What is left of ranges of which the peer answered those pages. */
function continued(
  ranges: readonly ScanRange[],
  pages: readonly { readonly next: string | undefined }[],
): { readonly answered: number; readonly more: ScanRange[] } {
  const more = pages.flatMap(({ next }, i) =>
    next === undefined ? [] : [{ partition: ranges[i]!.partition, after: next }]
  );
  return { answered: pages.length, more };
}

function damagedThere(peer: OwnerId, partition: number): DhtError {
  const node = addressOf(peer);
  return new DhtError(
    "corrupt_value",
    `Cannot pull partition ${partition} from ${node}: a record there is damaged`,
    {
      node,
    },
  );
}
