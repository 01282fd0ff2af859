import { createHash } from "node:crypto";
import { assertEquals, assertRejects } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { MemoryDisk, MemoryStore, type MemoryStoreHooks } from "../../lib/adapters/memory_store.ts";
import { DhtError, type DhtErrorCode } from "../../lib/core/errors.ts";
import type { Version } from "../../lib/core/hlc.ts";
import { CHUNK_BYTES, type StoredRecord, type Tombstone, type ValueRecord } from "../../lib/core/record.ts";
import { Storage, type StorageDeps } from "../../lib/node/storage.ts";
import type { Clock } from "../../lib/ports/clock.ts";
import type { Log } from "../../lib/ports/log.ts";
import type { Store, StoreKey } from "../../lib/ports/store.ts";
import { SeededRandom } from "../support/seeded_random.ts";

/** A clock that only moves when told. */
export class ManualClock implements Clock {
  #nowMs = 1_700_000_000_000;

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(): Promise<void> {
    return Promise.reject(new Error("Storage must not sleep"));
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }
}

const SILENT: Log = { event: () => {} };
let owners = 0;

/** A storage on a disk in memory, and what it is made of. */
export interface Opened {
  readonly storage: Storage;
  readonly store: MemoryStore;
  readonly disk: MemoryDisk;
  readonly clock: ManualClock;
  readonly claimLosses: () => number;
}

export interface OpenOptions extends Partial<Pick<StorageDeps, "cacheBytes">> {
  readonly disk?: MemoryDisk;
  readonly clock?: ManualClock;
  readonly hooks?: MemoryStoreHooks;
  /** Replaces some of the store's calls. */
  readonly tamper?: (store: Store) => Partial<Store>;
}

/** Opens a storage on a disk, by default a new one. */
export async function openStorage(options: OpenOptions = {}): Promise<Opened> {
  const { disk = new MemoryDisk(), clock = new ManualClock(), hooks = {}, tamper, ...rest } = options;
  const store = new MemoryStore(disk, hooks);
  let losses = 0;
  const used = tampered(store, tamper?.(store) ?? {});
  const deps = { ...storageDeps(used, clock), onClaimLost: () => losses++, ...rest };
  return { storage: await Storage.open(deps), store, disk, clock, claimLosses: () => losses };
}

function tampered(store: Store, changes: Partial<Store>): Store {
  return {
    getMany: (keys) => store.getMany(keys),
    list: (range, options) => store.list(range, options),
    commit: (mutations, checks) => store.commit(mutations, checks),
    close: () => store.close(),
    ...changes,
  };
}

export function storageDeps(store: Store, clock: Clock): StorageDeps {
  return { store, clock, random: new SeededRandom(++owners), log: SILENT, onClaimLost: () => {} };
}

export function version(wallMs: number, writer = "w.1"): Version {
  return { wallMs, counter: 0, writer };
}

/** A small value whose version is `wallMs`. */
export function value(wallMs: number, text = `value of ${wallMs}`, writer = "w.1"): ValueRecord {
  const bytes = new TextEncoder().encode(text);
  return {
    kind: "value",
    version: version(wallMs, writer),
    valueBytes: bytes.length,
    contentType: "text/plain",
    sha256: sha256(bytes),
    body: { kind: "inline", bytes },
  };
}

export function tombstone(wallMs: number, expired = false): Tombstone {
  return { kind: "tombstone", version: version(wallMs), expired };
}

/** A value in chunks, and those; what is in them depends on the blob's id. */
export function blob(
  wallMs: number,
  id: string,
  valueBytes: number,
): { record: ValueRecord; chunks: Uint8Array[] } {
  const bytes = new Uint8Array(valueBytes).fill(partitionOfTest(id));
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < valueBytes; at += CHUNK_BYTES) chunks.push(bytes.subarray(at, at + CHUNK_BYTES));
  const record: ValueRecord = {
    kind: "value",
    version: version(wallMs),
    valueBytes,
    contentType: "application/octet-stream",
    sha256: sha256(bytes),
    body: { kind: "blob", id },
  };
  return { record, chunks };
}

/** A page of a storage's key index. */
export function listKeys(
  storage: Storage,
  query: { readonly prefix: string; readonly after?: string; readonly limit: number },
): ReturnType<Storage["listKeys"]> {
  return storage.listKeys({ ...query, partitionOf: partitionOfTest });
}

/** Uploads the chunks of a blob, in calls of at most 12, without the record. */
export async function upload(storage: Storage, id: string, chunks: readonly Uint8Array[]): Promise<void> {
  await storage.blobs.openUpload(id);
  for (let first = 0; first < chunks.length; first += 12) {
    await storage.blobs.writeChunks(id, first, chunks.slice(first, first + 12));
  }
}

/** Stores a blob of that length under a key. */
export async function storeBlob(
  storage: Storage,
  key: string,
  wallMs: number,
  id: string,
  bytes: number,
): Promise<void> {
  const { record, chunks } = blob(wallMs, id, bytes);
  await upload(storage, id, chunks);
  await write(storage, key, record);
}

/** The partition of a key in these tests. */
export function partitionOfTest(key: string): number {
  let sum = 0;
  for (const letter of key) sum = (sum * 31 + letter.codePointAt(0)!) % 64;
  return sum;
}

export function place(key: string): { partition: number; key: string } {
  return { partition: partitionOfTest(key), key };
}

export function write(
  storage: Storage,
  key: string,
  record: StoredRecord,
  mode: "client" | "merge" = "client",
): ReturnType<Storage["write"]> {
  return storage.write({ ...place(key), record, mode });
}

export function read(storage: Storage, key: string): Promise<StoredRecord | undefined> {
  return storage.read(partitionOfTest(key), key);
}

export async function wallMsOf(storage: Storage, key: string): Promise<number | undefined> {
  return (await read(storage, key))?.version.wallMs;
}

/** Reads all chunks of a blob; they must make the value its record says. */
export async function assertReadable(storage: Storage, record: StoredRecord): Promise<void> {
  if (record.kind !== "value" || record.body.kind !== "blob") return;
  const hash = createHash("sha256");
  for (let at = 0, i = 0; at < record.valueBytes; at += CHUNK_BYTES, i++) {
    for (const chunk of await storage.blobs.readChunks(record.body.id, i, 1)) hash.update(chunk);
  }
  assertEquals(encodeHex(hash.digest()), encodeHex(record.sha256));
}

/** Keys of the disk below a prefix. */
export function keysOnDisk(disk: MemoryDisk, prefix: StoreKey): Promise<StoreKey[]> {
  return Array.fromAsync(new MemoryStore(disk).list({ prefix }), ({ key }) => key);
}

export async function assertFails(code: DhtErrorCode, call: () => Promise<unknown>): Promise<DhtError> {
  const error = await assertRejects(call, DhtError);
  assertEquals(error.code, code, error.message);
  return error;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}
