import { DhtError } from "../core/errors.ts";
import { addressOf, type LiveLayouts, type OwnerId, writeNeeds } from "../core/layout.ts";
import { allOwners, isReachable } from "../core/quorum.ts";
import { CHUNK_BYTES } from "../core/record.ts";
import type { Random } from "../ports/random.ts";
import { newSha256 } from "../sha256.ts";
import { BULK, CHUNKS_PER_MESSAGE } from "./blob_pulls.ts";
import type { ByteReader } from "./byte_reader.ts";
import type { Place } from "./damage.ts";
import { asDhtError } from "./peer_errors.ts";
import { type AskOptions, CALL_TIMEOUT_MS, type Peers } from "./peers.ts";

const MESSAGE_BYTES = CHUNKS_PER_MESSAGE * CHUNK_BYTES;

/** What an upload needs of its node. */
export interface ValueUploadDeps {
  readonly peers: Pick<Peers, "ask">;
  readonly random: Random;
}

/** Options of an upload. */
export interface ValueUploadOptions {
  /** The layouts it is for. */
  readonly live: LiveLayouts;
  /** Aborted when the client has gone: what is on its way to an owner is then given up. */
  readonly signal: AbortSignal | undefined;
  /** Messages that may be on their way to each owner at the moment, at least 1. */
  window(): number;
}

/** One large value on its way to all owners of its key at once. */
export class ValueUpload {
  readonly id: string;
  readonly #peers: Pick<Peers, "ask">;
  readonly #place: Place;
  readonly #live: LiveLayouts;
  readonly #asked: readonly OwnerId[];
  readonly #owners: Set<OwnerId>;
  readonly #window: () => number;
  readonly #options: AskOptions;
  readonly #reasons: string[] = [];

  constructor({ peers, random }: ValueUploadDeps, place: Place, options: ValueUploadOptions) {
    this.#peers = peers;
    this.#place = place;
    this.#live = options.live;
    this.#window = options.window;
    this.id = random.hex(16);
    this.#asked = allOwners(writeNeeds(options.live, place.partition));
    this.#owners = new Set(this.#asked);
    this.#options = options.signal === undefined ? BULK : { ...BULK, signal: options.signal };
  }

  /**
   * Sends the whole body; the slowest owner that still answers sets the pace. Several messages are under way at a
   * time, so that no disk waits for another one, or for the client.
   */
  async sendAll(
    start: Uint8Array,
    reader: ByteReader,
  ): Promise<{ readonly valueBytes: number; readonly sha256: Uint8Array }> {
    const hash = newSha256();
    reader.unread(start);
    let valueBytes = 0;
    const opening = this.#open();
    /** The oldest first: it is waited for first, and so its failure is what is told. */
    const underWay: Promise<void>[] = [];
    for (let first = 0;; first += CHUNKS_PER_MESSAGE) {
      const bytes = await reader.read(MESSAGE_BYTES);
      await opening;
      // The message before this was full and the last.
      if (bytes.length === 0) break;
      hash.update(bytes);
      valueBytes += bytes.length;
      while (underWay.length >= this.#window()) await underWay.shift();
      underWay.push(this.#sendChunks(first, bytes));
      if (bytes.length < MESSAGE_BYTES) break;
    }
    for (const sent of underWay) await sent;
    return { valueBytes, sha256: new Uint8Array(hash.digest()) };
  }

  /** Lets the owners forget it. What does not reach them they collect by themselves. */
  abort(): void {
    // Also those that were given up: they may have taken some of it.
    for (const owner of this.#asked) {
      this.#peers.ask(owner, undefined, "abortUpload", { id: this.id }).catch(() => {});
    }
  }

  /** Nothing large is sent yet: an owner that is silent here is given up before the client loses its patience. */
  #open(): Promise<void> {
    const options = { ...this.#options, timeoutMs: CALL_TIMEOUT_MS };
    return this.#inBackground((owner) =>
      this.#peers.ask(owner, undefined, "openUpload", { id: this.id }, options)
    );
  }

  #sendChunks(first: number, bytes: Uint8Array): Promise<void> {
    const ask = { id: this.id, first, chunks: cut(bytes) };
    return this.#inBackground((owner) =>
      this.#peers.ask(owner, undefined, "writeChunks", ask, this.#options)
    );
  }

  /** A step that is awaited later; a failure of what is done meanwhile must not leave it unhandled. */
  #inBackground(step: (owner: OwnerId) => Promise<unknown>): Promise<void> {
    const done = this.#toAll(step);
    done.catch(() => {});
    return done;
  }

  /** Does one step at every owner; those that fail are given up, until too few are left for a quorum. */
  async #toAll(step: (owner: OwnerId) => Promise<unknown>): Promise<void> {
    const failures: DhtError[] = [];
    await Promise.all([...this.#owners].map(async (owner) => {
      await step(owner).catch((error) => {
        const failure = asDhtError(error);
        failures.push(failure);
        // Once for each owner, though all that is on its way to it fails.
        if (this.#owners.delete(owner)) this.#reasons.push(failure.message);
      });
    }));
    const needs = writeNeeds(this.#live, this.#place.partition);
    if (isReachable(needs, (owner) => !this.#owners.has(owner))) return;
    const full = failures.length > 0 && failures.every((failure) => failure.code === "disk_full");
    // Nothing is visible before the record is written, so unlike a failed record this is surely not written.
    throw new DhtError(
      full ? "disk_full" : "upload_incomplete",
      `Cannot write key "${this.#place.key}": too few of its owners could take its bytes; nothing was written`,
      {
        asked: allOwners(needs).map(addressOf),
        remaining: [...this.#owners].map(addressOf),
        reasons: this.#reasons,
      },
    );
  }
}

function cut(bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
    chunks.push(bytes.subarray(start, start + CHUNK_BYTES));
  }
  return chunks;
}
