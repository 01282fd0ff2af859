import {
  type Check,
  type Mutation,
  type Store,
  type StoreEntry,
  StoreFullError,
  type StoreKey,
  type StoreRange,
} from "../ports/store.ts";
import { CallGate } from "./call_gate.ts";
import { afterAllBelow, orderedText } from "./key_order.ts";
import { SortedTexts } from "./sorted_texts.ts";
import { assertRange, assertWithinBounds } from "./store_bounds.ts";

/** Entries read at once by a listing; commits between two such pages show in the later one. */
const LIST_PAGE_ENTRIES = 500;

/**
 * What survives a crash: the committed entries, shared by the `MemoryStore`s
 * that are opened on it one after another.
 */
export class MemoryDisk {
  /** While true every commit throws `StoreFullError` and changes nothing; reads go on. */
  full = false;
  readonly #entries = new Map<string, StoreEntry>();
  readonly #order = new SortedTexts();
  #commits = 0;

  /** Commits that took effect, whether or not anybody learned of it. */
  get commits(): number {
    return this.#commits;
  }

  /** Number of entries. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Damages an entry as a failing disk does, silently: its versionstamp stays.
   * Returns whether there was such an entry.
   *
   * @param change What becomes of the bytes; by default the middle one is inverted.
   */
  corrupt(key: StoreKey, change: (bytes: Uint8Array) => Uint8Array = invertMiddle): boolean {
    const text = orderedText(key);
    const entry = this.#entries.get(text);
    if (entry !== undefined) this.#entries.set(text, { ...entry, value: change(entry.value.slice()) });
    return entry !== undefined;
  }

  /** A disk with the same entries: a backup of this one. */
  copy(): MemoryDisk {
    const copy = new MemoryDisk();
    for (const [text, entry] of this.#entries) {
      copy.#entries.set(text, entry);
      copy.#order.add(text);
    }
    copy.#commits = this.#commits;
    return copy;
  }

  /** The entry of a key; its value is the disk's own and must not be changed. */
  read(key: StoreKey): StoreEntry | undefined {
    return this.#entries.get(orderedText(key));
  }

  /** At most `limit` entries whose `orderedText` is between the two given ones, as `read` returns them. */
  readBetween(after: string, before: string, limit: number, reverse: boolean): StoreEntry[] {
    const texts = reverse
      ? this.#order.descending(after, before, limit)
      : this.#order.ascending(after, before, limit);
    return texts.flatMap((text) => this.#entries.get(text) ?? []);
  }

  /** Applies a commit at once, or returns false where a check fails. The bounds are the caller's to check. */
  apply(mutations: readonly Mutation[], checks: readonly Check[]): boolean {
    if (this.full) throw new StoreFullError("Cannot commit: the disk is full");
    for (const check of checks) {
      if (this.read(check.key)?.versionstamp !== check.versionstamp) return false;
    }
    const versionstamp = (++this.#commits).toString(16).padStart(20, "0");
    for (const mutation of mutations) this.#applyOne(mutation, versionstamp);
    return true;
  }

  #applyOne(mutation: Mutation, versionstamp: string): void {
    const text = orderedText(mutation.key);
    if (mutation.kind === "delete") {
      if (this.#entries.delete(text)) this.#order.delete(text);
      return;
    }
    if (!this.#entries.has(text)) this.#order.add(text);
    this.#entries.set(text, { key: wellFormed(mutation.key), value: mutation.value, versionstamp });
  }
}

/** Where a simulation takes a hand. A hook that never resolves is a process that never hears. */
export interface MemoryStoreHooks {
  /** Latency of every read and commit; of a listing, once for each page of it. */
  readonly delay?: () => Promise<void>;
  /** Called when a read has arrived; for a listing, once for each page of it. */
  readonly beforeRead?: () => void;
  /** Called when a commit has arrived but not taken effect; where it throws, nothing was changed. */
  readonly beforeCommit?: (mutations: readonly Mutation[]) => void | Promise<void>;
  /** Called when a commit is on the disk but not acknowledged; where it throws, the commit rejects and yet happened. */
  readonly afterCommit?: (mutations: readonly Mutation[]) => void | Promise<void>;
}

/**
 * A `Store` in memory, for simulations and tests: the same order, bounds and
 * atomicity as Deno KV, and nothing of its own that is not deterministic.
 *
 * Without hooks every call settles within microtasks. Commits with a `delay`
 * take effect in the order their delays end.
 */
export class MemoryStore implements Store {
  readonly #disk: MemoryDisk;
  readonly #hooks: MemoryStoreHooks;
  readonly #gate = new CallGate("the store");
  #crashed = false;
  #commits = 0;

  constructor(disk: MemoryDisk, hooks: MemoryStoreHooks = {}) {
    this.#disk = disk;
    this.#hooks = hooks;
  }

  /** Commits of this store that took effect. */
  get commits(): number {
    return this.#commits;
  }

  /**
   * The process dies: whatever is under way or begins later never settles,
   * and no commit of it reaches the disk any more.
   */
  crash(): void {
    this.#crashed = true;
  }

  getMany(keys: readonly StoreKey[]): Promise<(StoreEntry | undefined)[]> {
    return this.#run(async () => {
      await this.#hooks.delay?.();
      this.#hooks.beforeRead?.();
      return keys.map((key) => handedOut(this.#disk.read(key)));
    });
  }

  async *list(
    range: StoreRange,
    options: { limit?: number; reverse?: boolean } = {},
  ): AsyncGenerator<StoreEntry, void, void> {
    assertRange(range);
    const { limit = Infinity, reverse = false } = options;
    const prefix = orderedText(range.prefix);
    let after = range.after === undefined ? prefix : orderedText(range.after);
    let before = range.before === undefined ? afterAllBelow(prefix) : orderedText(range.before);
    for (let left = limit; left > 0;) {
      const wanted = Math.min(left, LIST_PAGE_ENTRIES);
      const page = await this.#run(async () => {
        await this.#hooks.delay?.();
        this.#hooks.beforeRead?.();
        return this.#disk.readBetween(after, before, wanted, reverse);
      });
      for (const entry of page) yield { ...entry, value: entry.value.slice() };
      const last = page.at(-1);
      if (last === undefined || page.length < wanted) return;
      left -= page.length;
      if (reverse) before = orderedText(last.key);
      else after = orderedText(last.key);
    }
  }

  commit(mutations: readonly Mutation[], checks: readonly Check[] = []): Promise<boolean> {
    return this.#run(async () => {
      assertWithinBounds(mutations, checks);
      await this.#hooks.delay?.();
      await this.#hooks.beforeCommit?.(mutations);
      await this.#endIfCrashed();
      if (!this.#disk.apply(mutations, checks)) return false;
      this.#commits++;
      await this.#hooks.afterCommit?.(mutations);
      return true;
    });
  }

  async close(): Promise<void> {
    if (!this.#crashed) await this.#gate.close();
  }

  /** Runs a call of an open store; a crashed one's never settle. */
  #run<T>(call: () => Promise<T>): Promise<T> {
    return this.#gate.run(async () => {
      await this.#endIfCrashed();
      try {
        return await call();
      } finally {
        await this.#endIfCrashed();
      }
    });
  }

  /** Never resolves once the process is dead. */
  #endIfCrashed(): Promise<void> | void {
    if (this.#crashed) return new Promise<void>(() => {});
  }
}

/** Values handed out belong to the caller, so they must not be the disk's own. */
function handedOut(entry: StoreEntry | undefined): StoreEntry | undefined {
  return entry && { ...entry, value: entry.value.slice() };
}

function wellFormed(key: StoreKey): StoreKey {
  return key.every((part) => typeof part === "number" || part.isWellFormed())
    ? key
    : key.map((part) => typeof part === "number" ? part : part.toWellFormed());
}

function invertMiddle(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return Uint8Array.of(0xff);
  const middle = bytes.length >>> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
  return bytes;
}
