import { Fingerprint } from "../core/fingerprint.ts";
import { headOf, type RecordHead } from "../core/record.ts";
import type { StoreKey, StoreRange } from "../ports/store.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import { countOf, isDamage, textOf } from "./entries.ts";
import type { DamageList } from "./damage.ts";
import type { Held, TableEntry } from "./memory_table.ts";
import type { Overlay } from "./overlay.ts";
import { decodeRecordEntry } from "./record_entry.ts";
import type { RecordTables } from "./record_tables.ts";
import type { Yielding } from "./yielding.ts";

/** What a node holds of a partition, in a few bytes. */
export interface PartitionDigest {
  /** Keys, those deleted included. */
  readonly records: number;
  /** Keys with a value. */
  readonly values: number;
  /** Bytes of those values together. */
  readonly valueBytes: number;
  /** Records that are damaged, and therefore in none of the other figures. */
  readonly damaged: number;
  /** Equal where two nodes hold the same versions of the same keys. */
  readonly hash: string;
}

/** What digests are computed from. */
export interface DigestSource {
  readonly store: ClaimedStore;
  /** Records that count as missing, so that other owners notice, and send theirs. */
  readonly damage: DamageList;
  /** Puts all that was committed before in the records' own entries, of one partition or of all; gives what cannot be. */
  settle(partition?: number): Promise<Overlay>;
  /** Told of all that a scan finds in the store, so that nobody has to look there for it again. */
  readonly memory: Pick<RecordTables, "generation" | "remember" | "noteStored" | "notedAll">;
  /** Has requests go before a scan: of all that is held, as after a start, one takes many seconds. */
  readonly bulk: Pick<Yielding, "run">;
}

const HASH_WORDS = 4;
/** Entries that a scan looks at before it lets requests go on: a few milliseconds of work. */
const ENTRIES_PER_PIECE = 500;

/** What stands for a kind in a hash: two nodes must agree. */
const KIND_NUMBERS = { value: 0, tombstone: 1, expired: 2 } as const;

const fingerprint = new Fingerprint();

/**
 * Digests of the partitions of a store: scanned once, and kept up with every
 * commit from then on.
 *
 * The hash of a partition is the sum (exclusive or) of its records' hashes, so that it does not depend on
 * their order, and one record can be taken out of it.
 */
export class Digests {
  readonly #source: DigestSource;
  readonly #sums = new Map<number, DigestSum>();
  /** Partitions whose sums do not say what is held: they have to be scanned. */
  readonly #uncertain = new Set<number>();
  /** Which partition is being scanned; at first all are. */
  #scanning: number | "all" | "none" = "none";
  #isComplete = false;
  #computing: Promise<unknown> = Promise.resolve();

  constructor(source: DigestSource) {
    this.#source = source;
  }

  /** Notes a committed change of a key, and what was held before it. */
  note(entry: TableEntry, before: Held | undefined): void {
    const { partition, key } = entry;
    // Whether a scan under way sees it nobody can tell.
    if (this.#scanning === "all" || this.#scanning === partition) this.#uncertain.add(partition);
    if (!this.#isComplete || this.#uncertain.has(partition)) return;
    const sum = sumOf(this.#sums, partition);
    if (this.#source.damage.has(key)) sum.countDamaged(-1);
    else if (before !== undefined) sum.add(key, before.head, -1);
    if (entry.held !== undefined) sum.add(key, entry.held.head, 1);
  }

  /** Has a partition scanned again. */
  doubt(partition: number): void {
    this.#uncertain.add(partition);
  }

  /** Has everything scanned again. */
  doubtAll(): void {
    this.#isComplete = false;
  }

  /**
   * The digest of each partition that is not empty, or of those of some; exact for all that was committed before the
   * call. Of some thousands it takes milliseconds in which nothing else is done.
   */
  current(partitions?: Iterable<number>): Promise<ReadonlyMap<number, PartitionDigest>> {
    const computed = this.#computing.then(() => this.#compute(partitions));
    this.#computing = computed.catch(() => {});
    return computed;
  }

  async #compute(partitions?: Iterable<number>): Promise<ReadonlyMap<number, PartitionDigest>> {
    try {
      do {
        if (!this.#isComplete) await this.#scanAll();
        for (const partition of [...this.#uncertain]) await this.#scanAgain(partition);
      } while (!this.#isComplete);
    } finally {
      this.#scanning = "none";
    }
    const digests = new Map<number, PartitionDigest>();
    for (const partition of partitions ?? this.#sums.keys()) {
      const sum = this.#sums.get(partition);
      if (sum !== undefined && (sum.records > 0 || sum.damaged > 0)) digests.set(partition, sum.digest());
    }
    return digests;
  }

  async #scanAll(): Promise<void> {
    this.#scanning = "all";
    this.#uncertain.clear();
    this.#isComplete = true;
    try {
      const overlay = await this.#source.settle();
      const sums = await this.#scan({ prefix: ["record"] }, overlay);
      this.#source.memory.notedAll();
      this.#sums.clear();
      for (const [partition, sum] of sums) this.#sums.set(partition, sum);
    } catch (error) {
      this.#isComplete = false;
      throw error;
    }
  }

  async #scanAgain(partition: number): Promise<void> {
    this.#scanning = partition;
    this.#uncertain.delete(partition);
    try {
      const overlay = await this.#source.settle(partition);
      const sum = (await this.#scan({ prefix: ["record", partition] }, overlay)).get(partition);
      this.#sums.set(partition, sum ?? new DigestSum());
    } catch (error) {
      this.#uncertain.add(partition);
      throw error;
    }
  }

  async #scan(range: StoreRange, overlay: Overlay): Promise<Map<number, DigestSum>> {
    const sums = new Map<number, DigestSum>();
    for (const { key, partition, held } of overlay.values()) {
      if (held === undefined) continue;
      if (this.#source.damage.has(key)) sumOf(sums, partition).countDamaged(1);
      else sumOf(sums, partition).add(key, held.head, 1);
    }
    let rest: StoreRange | undefined = range;
    while (rest !== undefined) {
      const piece: StoreRange = rest;
      rest = await this.#source.bulk.run(() => this.#scanPiece(piece, overlay, sums));
    }
    return sums;
  }

  /** Adds the first entries of a range to the sums. Resolves to what is left of it. */
  async #scanPiece(
    range: StoreRange,
    overlay: Overlay,
    sums: Map<number, DigestSum>,
  ): Promise<StoreRange | undefined> {
    const { store, damage, memory } = this.#source;
    const { generation } = memory;
    let last: StoreKey | undefined;
    let seen = 0;
    for await (const { key, value } of store.list(range, { limit: ENTRIES_PER_PIECE })) {
      seen++;
      last = key;
      const partition = countOf(key[1]);
      const name = textOf(key[2]);
      memory.noteStored(name);
      if (overlay.has(name)) continue;
      const head = readableHead(value);
      if (head === undefined) damage.add({ partition, key: name });
      else memory.remember(name, head, { generation });
      const sum = sumOf(sums, partition);
      if (head === undefined || damage.has(name)) sum.countDamaged(1);
      else sum.add(name, head, 1);
    }
    return last === undefined || seen < ENTRIES_PER_PIECE ? undefined : { ...range, after: last };
  }
}

function sumOf(sums: Map<number, DigestSum>, partition: number): DigestSum {
  let sum = sums.get(partition);
  if (sum === undefined) sums.set(partition, sum = new DigestSum());
  return sum;
}

class DigestSum {
  records = 0;
  damaged = 0;
  #values = 0;
  #valueBytes = 0;
  readonly #hash = new Int32Array(HASH_WORDS);
  #digest: PartitionDigest | undefined;

  countDamaged(count: 1 | -1): void {
    this.damaged += count;
    this.#digest = undefined;
  }

  /** @param sign 1 to put a record in, -1 to take it out. */
  add(key: string, head: RecordHead, sign: 1 | -1): void {
    this.records += sign;
    if (head.kind === "value") this.#values += sign;
    this.#valueBytes += sign * head.valueBytes;
    const { wallMs, counter, writer } = head.version;
    fingerprint.start().text(key).count(wallMs).count(counter).text(writer).word(KIND_NUMBERS[head.kind])
      .addTo(this.#hash);
    this.#digest = undefined;
  }

  digest(): PartitionDigest {
    return this.#digest ??= {
      records: this.records,
      values: this.#values,
      valueBytes: this.#valueBytes,
      damaged: this.damaged,
      hash: Array.from(this.#hash, (word) => (word >>> 0).toString(16).padStart(8, "0")).join(""),
    };
  }
}

/** The head of a record's entry; `undefined` where it is damaged. */
export function readableHead(value: Uint8Array): RecordHead | undefined {
  try {
    return headOf(decodeRecordEntry(value));
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}
