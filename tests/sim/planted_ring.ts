/** Bugs of how a node keeps to its ring, for `mutants.ts`. */
import { MemoryDisk, MemoryStore } from "../../lib/adapters/memory_store.ts";
import { liveLayouts, reportSynced, type RingState } from "../../lib/core/membership.ts";
import { RingKeeper, type StateStore } from "../../lib/node/ring_keeper.ts";
import type { Storage } from "../../lib/node/storage.ts";

/** A state store that says "done" at once and writes later: a crash forgets the layout that was adopted. */
export function forgetful(store: Storage, sleep: (ms: number) => Promise<void>): StateStore {
  let saved: Promise<unknown> = Promise.resolve();
  return {
    loadState: (name) => store.loadState(name),
    saveState: (name, bytes) => {
      saved = saved.then(() => sleep(3_000)).then(() => store.saveState(name, bytes)).catch(() => {});
      return Promise.resolve();
    },
  };
}

/** Drops what the newest layout no longer gives to this node, at once, as if others held it already. */
export class TidyKeeper extends RingKeeper {
  readonly #storage: Storage;

  constructor(storage: Storage, self: ConstructorParameters<typeof RingKeeper>[1]) {
    super(storage, self);
    this.#storage = storage;
  }

  override async update(change: (state: RingState) => RingState): Promise<void> {
    await super.update(change);
    void this.#tidy().catch(() => {});
  }

  async #tidy(): Promise<void> {
    for (const partition of (await this.#storage.digests()).keys()) {
      if (this.live.newest.owners(partition).includes(this.selfId)) continue;
      const page = await this.#storage.scan(partition, { limit: 500 });
      for (const { key, head } of page.entries) await this.#storage.drop(partition, key, head.version);
    }
  }
}

/** A disk with the data of a store that the ring has retired, for the new store to go on with, as if it were its own. */
export async function withoutIdentity(disk: MemoryDisk): Promise<MemoryDisk> {
  const kept = new MemoryDisk();
  const entries = await Array.fromAsync(new MemoryStore(disk).list({ prefix: [] }));
  const target = new MemoryStore(kept);
  for (const { key, value } of entries) {
    if (key[0] !== "state" && key[0] !== "claim") await target.commit([{ kind: "set", key, value }]);
  }
  return kept;
}

/** Gives all layouts the same name. */
export class NamelessKeeper extends RingKeeper {
  override get liveName(): string {
    return this.inRing ? "any" : super.liveName;
  }
}

/** Reports to be synced as soon as it hears of a change. */
export class HastyKeeper extends RingKeeper {
  readonly #address: string;

  constructor(store: StateStore, self: ConstructorParameters<typeof RingKeeper>[1]) {
    super(store, self);
    this.#address = self.address;
  }

  override update(change: (state: RingState) => RingState): Promise<void> {
    return super.update((before) => {
      const state = change(before);
      if (!state.members.has(this.#address)) return state;
      const { base, newest } = liveLayouts(state);
      return reportSynced(state, this.#address, { base: base.name, newest: newest.name });
    });
  }
}
