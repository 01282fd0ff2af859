import { DhtError } from "../core/errors.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import type { CommitBatch, CommitCost } from "./commit_batch.ts";
import { bytesOf, countOf, decodeEntry, encodeEntry, stateKey, textOf } from "./entries.ts";

/** Bytes of a blob in one entry. */
const PART_BYTES = 60 * 1024;

/** Bytes a blob may have: what fits into one commit. */
export const MAX_STATE_BYTES = 12 * PART_BYTES;

/** The node's own small states by name, kept in memory, too. */
export class StateBlobs {
  readonly #blobs = new Map<string, Uint8Array>();
  /** Entries that a name has had at most: what a shorter blob has to delete. */
  readonly #parts = new Map<string, number>();

  static async load(store: ClaimedStore): Promise<StateBlobs> {
    const loaded = new StateBlobs();
    const parts = new Map<string, Uint8Array[]>();
    for await (const { key, value } of store.list({ prefix: ["state"] })) {
      const [count, bytes] = decodeEntry(value);
      const name = textOf(key[1]);
      parts.set(name, [...parts.get(name) ?? [], bytesOf(bytes)]);
      loaded.#parts.set(name, countOf(count));
    }
    for (const [name, found] of parts) loaded.#blobs.set(name, joined(name, found, loaded.#parts.get(name)));
    return loaded;
  }

  get(name: string): Uint8Array | undefined {
    return this.#blobs.get(name)?.slice();
  }

  /** Replaces a blob. The bytes must not be changed afterwards. */
  save(batch: CommitBatch, name: string, bytes: Uint8Array): void {
    const parts = partsOf(bytes);
    parts.forEach((part, i) => batch.set(stateKey(name, i), encodeEntry([parts.length, part])));
    const most = Math.max(this.#parts.get(name) ?? 0, parts.length);
    for (let i = parts.length; i < most; i++) batch.delete(stateKey(name, i));
    this.#parts.set(name, most);
    batch.onCommitted(() => this.#blobs.set(name, bytes));
  }
}

/** What saving a blob costs. */
export function stateCost(name: string, bytes: Uint8Array): CommitCost {
  if (bytes.length > MAX_STATE_BYTES) {
    throw new RangeError(`Cannot save state "${name}": ${bytes.length} bytes, at most ${MAX_STATE_BYTES}`);
  }
  const parts = MAX_STATE_BYTES / PART_BYTES;
  const keyBytes = parts * (30 + 3 * name.length);
  return { bytes: bytes.length + keyBytes + 16 * parts, keyBytes, mutations: parts };
}

function partsOf(bytes: Uint8Array): Uint8Array[] {
  const parts = [];
  for (let at = 0; at < bytes.length; at += PART_BYTES) parts.push(bytes.subarray(at, at + PART_BYTES));
  return parts.length > 0 ? parts : [bytes];
}

function joined(name: string, parts: readonly Uint8Array[], count: number | undefined): Uint8Array {
  if (parts.length !== count) {
    throw new DhtError(
      "corrupt_value",
      `Cannot read state "${name}": it has ${parts.length} of ${count} parts`,
    );
  }
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
