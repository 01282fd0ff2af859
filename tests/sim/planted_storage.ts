/** Bugs of a node's storage and disk, for `mutants.ts`. */
import { compareVersions, type Version } from "../../lib/core/hlc.ts";
import { headOf, type StoredRecord } from "../../lib/core/record.ts";
import type { Storage } from "../../lib/node/storage.ts";
import type { Host } from "./host.ts";
import type { Mutation, Store } from "../../lib/ports/store.ts";

/** Age at which a careless node takes a deletion for known to all. */
const AGE_MS = 2_000;

type Sleep = (ms: number) => Promise<void>;

/** A store that says "done" at once and writes a little later, as a disk without fsync. */
export function lazy(store: Store, sleep: (ms: number) => Promise<void>): Store {
  let written: Promise<unknown> = Promise.resolve();
  const after = async <T>(call: () => Promise<T>): Promise<T> => {
    await written;
    return await call();
  };
  return {
    getMany: (keys) => after(() => store.getMany(keys)),
    async *list(range, options) {
      await written;
      yield* store.list(range, options);
    },
    close: () => after(() => store.close()),
    commit(mutations, checks) {
      if (mutations.some(isClaim)) return after(() => store.commit(mutations, checks));
      written = written.then(() => sleep(300)).then(() => store.commit(mutations, checks)).catch(() => {});
      return Promise.resolve(true);
    },
  };
}

function isClaim(mutation: Mutation): boolean {
  return mutation.key[0] === "claim";
}

/** A store that brings chunks to the disk a second after it said so: records come before the bytes they name. */
export function lateChunks(store: Store, sleep: Sleep): Store {
  const later = async (chunks: readonly Mutation[]): Promise<void> => {
    await sleep(1_000);
    await store.commit(chunks);
  };
  return withCommit(store, (mutations, checks) => {
    const chunks = mutations.filter(({ key, kind }) => kind === "set" && key[0] === "chunk");
    if (chunks.length === 0) return store.commit(mutations, checks);
    void later(chunks).catch(() => {});
    return store.commit(mutations.filter((mutation) => !chunks.includes(mutation)), checks);
  });
}

/** A store whose commits take effect by halves, with a moment between them. */
export function halfCommits(store: Store, sleep: Sleep): Store {
  return withCommit(store, async (mutations, checks) => {
    if (mutations.length < 2) return await store.commit(mutations, checks);
    const middle = mutations.length >>> 1;
    if (!await store.commit(mutations.slice(middle), checks)) return false;
    await sleep(100);
    return await store.commit(mutations.slice(0, middle));
  });
}

function withCommit(store: Store, commit: Store["commit"]): Store {
  return {
    getMany: (keys) => store.getMany(keys),
    list: (range, options) => store.list(range, options),
    close: () => store.close(),
    commit,
  };
}

/** Repairs are compared with what is held when they come, and written a little later without another look. */
export function writeBlindly(storage: Storage, sleep: Sleep): void {
  const write = storage.write.bind(storage);
  storage.write = async (request) => {
    if (request.mode !== "merge") return await write(request);
    const [held] = await storage.heads([request]);
    const wins = held === undefined || compareVersions(request.record.version, held.version) > 0;
    await sleep(20);
    const outcome = await write(request);
    if (!wins || outcome.kind !== "stale") return outcome;
    await storage.drop(request.partition, request.key, outcome.held);
    return await write(request);
  };
}

/** Reads show a record as soon as it is queued, a while before it is on the disk. */
export function showEarly(storage: Storage, sleep: Sleep): void {
  const early = new Map<string, StoredRecord>();
  const newer = <T extends { readonly version: Version }>(held: T | undefined, queued: T | undefined) =>
    queued !== undefined && (held === undefined || compareVersions(queued.version, held.version) > 0)
      ? queued
      : held;
  const { write, read, heads } = storage;
  storage.write = async (request) => {
    if (request.record.kind === "value" && request.record.body.kind === "blob") {
      return await write.call(storage, request);
    }
    early.set(request.key, newer(early.get(request.key), request.record)!);
    await sleep(100);
    return await write.call(storage, request).finally(() => {
      if (early.get(request.key) === request.record) early.delete(request.key);
    });
  };
  storage.read = async (partition, key) => newer(await read.call(storage, partition, key), early.get(key));
  storage.heads = async (items, options) => {
    const held = await heads.call(storage, items, options);
    return held.map((head, i) => {
      const queued = early.get(items[i]!.key);
      return newer(head, queued && headOf(queued));
    });
  };
}

/** Deletions are dropped when they are some seconds old, whoever has missed them. */
export function dropOldDeletions(storage: Storage, nowMs: () => number): void {
  const collect = storage.collectGarbage.bind(storage);
  storage.collectGarbage = async () => {
    const freed = await collect();
    for (const partition of (await storage.digests()).keys()) {
      const { entries } = await storage.scan(partition, { limit: 100 });
      for (const { key, head } of entries) {
        if (head.kind === "value" || head.version.wallMs > nowMs() - AGE_MS) continue;
        await storage.drop(partition, key, head.version);
      }
    }
    return freed;
  };
}

/** What a node held before it owned a partition again stays, though it was deleted meanwhile. */
export function keepLeftovers(storage: Storage, host: Host): void {
  const drop = storage.drop.bind(storage);
  storage.drop = (partition, key, version) => {
    const keeper = host.running?.keeper;
    const isOwn = keeper?.inRing === true && keeper.live.newest.owners(partition).includes(keeper.selfId);
    return isOwn ? Promise.resolve(true) : drop(partition, key, version);
  };
}

/** Scans leave out what was deleted, as if absence said enough. */
export function hideDeletions(storage: Storage): void {
  const scan = storage.scan.bind(storage);
  storage.scan = async (partition, options) => {
    const page = await scan(partition, options);
    return { ...page, entries: page.entries.filter(({ head }) => head.kind === "value") };
  };
  const scanRecords = storage.scanRecords.bind(storage);
  storage.scanRecords = async (ranges, bounds) => {
    const pages = await scanRecords(ranges, bounds);
    return pages.map((page) => ({
      ...page,
      entries: page.entries.filter(({ record }) => record.kind === "value"),
    }));
  };
}

/** Deletions that every owner has confirmed are dropped, and leave no floor behind. */
export function dropWithoutFloor(storage: Storage): void {
  storage.tombstones.collect = async (partition, tombstones) => {
    const dropped = await Promise.all(
      tombstones.map(({ key, version }) => storage.drop(partition, key, version)),
    );
    return dropped.filter(Boolean).length;
  };
}
