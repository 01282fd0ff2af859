import { DhtError, sentence } from "../core/errors.ts";
import {
  type Mutation,
  type Store,
  type StoreEntry,
  StoreFullError,
  type StoreKey,
  type StoreRange,
  StoreUnknownError,
} from "../ports/store.ts";
import { CLAIM_KEY, countOf, decodeEntry, encodeEntry, textOf } from "./entries.ts";

/** What the claim on a database says. */
interface Claim {
  /** Rises with every claim. */
  readonly epoch: number;
  readonly owner: string;
  readonly versionstamp: string;
}

/**
 * A `Store` with one owner: every commit checks that nobody else has claimed the database since.
 *
 * Failures come out as `DhtError`: "disk_full", "store_failed" (nothing was changed, unless the store's answer
 * was unknown: `outcomeUnknown`), and "stopping" for good once the claim is lost.
 */
export class ClaimedStore {
  readonly #store: Store;
  readonly #owner: string;
  readonly #onLost: () => void;
  #claim: Claim | undefined;
  #lost = false;
  #full = false;
  #mustReclaim = false;
  #reclaiming: Promise<void> | undefined;

  /**
   * Claims the database: whoever had it before can commit no more.
   *
   * @param owner An id that no other claim has.
   * @param onLost Called once, when a commit finds that somebody else has claimed the database.
   */
  static async open(store: Store, owner: string, onLost: () => void): Promise<ClaimedStore> {
    const claimed = new ClaimedStore(store, owner, onLost);
    await claimed.#claimAgain();
    return claimed;
  }

  private constructor(store: Store, owner: string, onLost: () => void) {
    this.#store = store;
    this.#owner = owner;
    this.#onLost = onLost;
  }

  get epoch(): number {
    return this.#claim?.epoch ?? 0;
  }

  /** Whether somebody else has claimed the database. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Whether the disk had no room for what was last to be written. */
  get full(): boolean {
    return this.#full;
  }

  async getMany(keys: readonly StoreKey[]): Promise<(StoreEntry | undefined)[]> {
    this.#assertOwned();
    try {
      return await this.#store.getMany(keys);
    } catch (cause) {
      throw failed("read the database", cause);
    }
  }

  async *list(
    range: StoreRange,
    options?: { limit?: number; reverse?: boolean },
  ): AsyncGenerator<StoreEntry, void, void> {
    this.#assertOwned();
    try {
      yield* this.#store.list(range, options);
    } catch (cause) {
      throw failed("read the database", cause);
    }
  }

  /** Applies all mutations or none. */
  async commit(mutations: readonly Mutation[]): Promise<void> {
    this.#assertOwned();
    if (this.#mustReclaim) await this.reclaim();
    const check = { key: CLAIM_KEY, versionstamp: this.#claim?.versionstamp };
    let applied: boolean;
    try {
      applied = await this.#store.commit(mutations, [check]);
    } catch (cause) {
      // It may still land. Whatever follows is made to depend on a new claim, which keeps it from landing late.
      if (cause instanceof StoreUnknownError) this.#mustReclaim = true;
      if (cause instanceof StoreFullError) this.#full = true;
      throw failed("write the database", cause);
    }
    this.#full = false;
    if (applied) return;
    await this.#learnWhoOwns();
    throw new DhtError("store_failed", "Cannot write the database: the claim was renewed meanwhile");
  }

  /** Claims anew, so that no commit begun before can land any more. One at a time. */
  reclaim(): Promise<void> {
    return this.#reclaiming ??= this.#claimAgain().finally(() => this.#reclaiming = undefined);
  }

  /** Whether the database still is this owner's, by asking it. */
  async confirm(): Promise<boolean> {
    if (this.#lost) return false;
    return (await this.#read())?.owner === this.#owner;
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #claimAgain(): Promise<void> {
    const before = await this.#read();
    if (this.#claim !== undefined && before?.owner !== this.#owner) this.#lose();
    const value = encodeEntry([(before?.epoch ?? 0) + 1, this.#owner]);
    const check = { key: CLAIM_KEY, versionstamp: before?.versionstamp };
    try {
      await this.#store.commit([{ kind: "set", key: CLAIM_KEY, value }], [check]);
    } catch (cause) {
      throw failed("claim the database", cause);
    }
    const after = await this.#read();
    if (after?.owner !== this.#owner) {
      if (this.#claim !== undefined) this.#lose();
      throw new DhtError(
        "store_failed",
        "Cannot claim the database: another process claims it at this moment",
      );
    }
    this.#claim = after;
    this.#mustReclaim = false;
  }

  /** After a refused check: lost to another owner, or renewed by this one in the meantime. */
  async #learnWhoOwns(): Promise<void> {
    const claim = await this.#read();
    if (claim?.owner !== this.#owner) this.#lose();
    this.#claim = claim;
  }

  async #read(): Promise<Claim | undefined> {
    let entry: StoreEntry | undefined;
    try {
      [entry] = await this.#store.getMany([CLAIM_KEY]);
    } catch (cause) {
      throw failed("read the database", cause);
    }
    if (entry === undefined) return undefined;
    const [epoch, owner] = decodeEntry(entry.value);
    return { epoch: countOf(epoch), owner: textOf(owner), versionstamp: entry.versionstamp };
  }

  #lose(): never {
    if (!this.#lost) {
      this.#lost = true;
      this.#onLost();
    }
    throw this.#claimLost();
  }

  #assertOwned(): void {
    if (this.#lost) throw this.#claimLost();
  }

  #claimLost(): DhtError {
    return new DhtError("stopping", "Cannot use the database: another process has claimed it");
  }
}

/** Whether a failed commit may yet have happened. */
export function outcomeUnknown(error: unknown): boolean {
  return error instanceof DhtError && error.cause instanceof StoreUnknownError;
}

function failed(action: string, cause: unknown): DhtError {
  if (cause instanceof DhtError) return cause;
  if (cause instanceof StoreFullError) {
    return new DhtError("disk_full", `Cannot ${action}: the disk is full`, {}, { cause });
  }
  const reason = sentence(cause);
  return new DhtError("store_failed", `Cannot ${action}: ${reason}`, {}, { cause });
}
