import { hash128 } from "../core/hash.ts";
import { formatVersion } from "../core/hlc.ts";
import { headOf, type RecordHead } from "../core/record.ts";
import type { StoreRange } from "../ports/store.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import { countOf, decodeRecordEntry, isDamage, textOf } from "./entries.ts";

/** What a node holds of a partition, in a few bytes. */
export interface PartitionDigest {
  /** Keys, those deleted included. */
  readonly records: number;
  /** Keys with a value. */
  readonly values: number;
  /** Bytes of those values together. */
  readonly valueBytes: number;
  /** Equal where two nodes hold the same versions of the same keys. */
  readonly hash: string;
}

const HASH_BYTES = 16;

/**
 * Digests of the partitions of a store, computed anew only for those that were written since.
 *
 * The hash of a partition is the sum (exclusive or) of its records' hashes, so that it does not depend on
 * their order.
 */
export class Digests {
  readonly #store: ClaimedStore;
  #known: Map<number, PartitionDigest> | undefined;
  #dirty = new Set<number>();
  #computing: Promise<unknown> = Promise.resolve();

  constructor(store: ClaimedStore) {
    this.#store = store;
  }

  /** Notes that entries of a partition have changed. To be called after they have. */
  markDirty(partitions: Iterable<number>): void {
    for (const partition of partitions) this.#dirty.add(partition);
  }

  /** The digest of each partition that is not empty; exact for all that was in the store before the call. */
  current(): Promise<ReadonlyMap<number, PartitionDigest>> {
    const computed = this.#computing.then(() => this.#compute());
    this.#computing = computed.catch(() => {});
    return computed;
  }

  async #compute(): Promise<ReadonlyMap<number, PartitionDigest>> {
    // What is marked while this runs is for the next time.
    const dirty = this.#dirty;
    this.#dirty = new Set();
    try {
      if (this.#known === undefined) this.#known = await this.#scan({ prefix: ["record"] });
      else for (const partition of dirty) await this.#scanAgain(partition, this.#known);
    } catch (error) {
      this.markDirty(dirty);
      throw error;
    }
    return new Map(this.#known);
  }

  async #scanAgain(partition: number, known: Map<number, PartitionDigest>): Promise<void> {
    const digest = (await this.#scan({ prefix: ["record", partition] })).get(partition);
    if (digest === undefined) known.delete(partition);
    else known.set(partition, digest);
  }

  async #scan(range: StoreRange): Promise<Map<number, PartitionDigest>> {
    const sums = new Map<number, DigestSum>();
    for await (const { key, value } of this.#store.list(range)) {
      const partition = countOf(key[1]);
      let sum = sums.get(partition);
      if (sum === undefined) sums.set(partition, sum = new DigestSum());
      sum.add(textOf(key[2]), value);
    }
    return new Map([...sums].map(([partition, sum]) => [partition, sum.digest()]));
  }
}

class DigestSum {
  #records = 0;
  #values = 0;
  #valueBytes = 0;
  readonly #hash = new Uint8Array(HASH_BYTES);

  add(key: string, value: Uint8Array): void {
    const head = readableHead(value);
    // A damaged record counts as missing: so another owner notices, and sends its own.
    if (head === undefined) return;
    this.#records++;
    if (head.kind === "value") this.#values++;
    this.#valueBytes += head.valueBytes;
    const hash = hash128(`${key}\n${formatVersion(head.version)}\n${head.kind}`);
    for (let i = 0; i < HASH_BYTES; i++) this.#hash[i]! ^= hash[i]!;
  }

  digest(): PartitionDigest {
    const hash = Array.from(this.#hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return { records: this.#records, values: this.#values, valueBytes: this.#valueBytes, hash };
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
