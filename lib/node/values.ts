import { createHash } from "node:crypto";
import { ByteReader } from "./byte_reader.ts";
import { DhtError } from "../core/errors.ts";
import type { Version } from "../core/hlc.ts";
import { addressOf, type LiveLayouts, type OwnerId, writeNeeds } from "../core/layout.ts";
import { allOwners, isReachable } from "../core/quorum.ts";
import {
  CHUNK_BYTES,
  chunkCount,
  compareHeads,
  headOf,
  INLINE_MAX_BYTES,
  type ValueRecord,
} from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Coordinator, Place, QuorumRead } from "./coordinator.ts";
import { CHUNKS_PER_MESSAGE } from "./blob_pulls.ts";
import { asDhtError, type AskOptions, CALL_TIMEOUT_MS, type Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { ByteRange, FoundValue, PutOptions, Written } from "./service.ts";

/** How long an owner may take for one message of chunks before it is given up for this value. */
const CHUNKS_TIMEOUT_MS = 30_000;
/** Large values being written through this node at the same time; more are refused as "overloaded". */
const MAX_UPLOADS = 64;

/** What reading and writing values needs of its node. */
export interface ValuesDeps {
  readonly coordinator: Coordinator;
  readonly keeper: RingKeeper;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly random: Random;
}

/** Reads and writes values of any length, with a few chunks of each in memory at a time. */
export class Values {
  readonly #deps: ValuesDeps;
  #uploads = 0;

  constructor(deps: ValuesDeps) {
    this.#deps = deps;
  }

  /**
   * Stores a value. Short ones travel inside their record; long ones go to all
   * owners chunk by chunk as they arrive, and become visible with the record, which is written last.
   */
  async put(
    place: Place,
    body: ReadableStream<Uint8Array> | undefined,
    options: PutOptions,
  ): Promise<Written> {
    const reader = new ByteReader(body);
    try {
      const start = await reader.read(INLINE_MAX_BYTES + 1);
      if (start.length > INLINE_MAX_BYTES) return await this.#putLarge(place, start, reader, options);
      const head = { kind: "value", valueBytes: start.length, sha256: sha256(start) } as const;
      return await this.#writeRecord(place, { ...head, body: { kind: "inline", bytes: start } }, options);
    } finally {
      await reader.release();
    }
  }

  /** Turns what a read found into something to be streamed; `undefined` for a deletion. */
  found(place: Place, read: QuorumRead | undefined): FoundValue | undefined {
    if (read === undefined || read.record.kind === "tombstone") return undefined;
    const { record } = read;
    const { version, valueBytes, contentType, sha256, body, expiresMs } = record;
    const head = {
      version,
      valueBytes,
      contentType,
      sha256,
      ...(expiresMs === undefined ? {} : { expiresMs }),
    };
    if (body.kind === "inline") {
      const stream = (range?: ByteRange) => streamOf(body.bytes.subarray(range?.start ?? 0, range?.end));
      return { ...head, bytes: body.bytes, stream };
    }
    return { ...head, stream: (range) => this.#streamChunks(place, record, read, range) };
  }

  async #putLarge(
    place: Place,
    start: Uint8Array,
    reader: ByteReader,
    options: PutOptions,
  ): Promise<Written> {
    if (this.#uploads >= MAX_UPLOADS) {
      throw new DhtError(
        "overloaded",
        `Cannot write key "${place.key}": ${MAX_UPLOADS} large values are being written`,
      );
    }
    this.#uploads++;
    const upload = new Upload(this.#deps, place, this.#deps.keeper.live, options.signal);
    try {
      const { valueBytes, sha256 } = await upload.sendAll(start, reader);
      const body = { kind: "blob", id: upload.id } as const;
      return await this.#writeRecord(place, { kind: "value", valueBytes, sha256, body }, options);
    } catch (error) {
      upload.abort();
      throw error;
    } finally {
      this.#uploads--;
    }
  }

  /** Writes the record of a value whose bytes are where they should be. Its time begins now, not with the upload. */
  async #writeRecord(
    place: Place,
    value: Omit<ValueRecord, "version" | "contentType" | "expiresMs">,
    { contentType, ttlSeconds, consistency, signal }: PutOptions,
  ): Promise<Written> {
    const { coordinator, clock } = this.#deps;
    const expiry = ttlSeconds === undefined ? {} : { expiresMs: clock.nowMs() + 1_000 * ttlSeconds };
    const make = (version: Version) => ({ ...value, contentType, version, ...expiry });
    return { ...await coordinator.write(place, make, { signal, consistency }), ...expiry };
  }

  #streamChunks(
    place: Place,
    record: ValueRecord,
    read: QuorumRead,
    range: ByteRange = { start: 0, end: record.valueBytes },
  ): ReadableStream<Uint8Array> {
    const chunks = new ChunkReader(this.#deps, place, record, read);
    let position = range.start;
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (position >= range.end) return controller.close();
        const first = Math.floor(position / CHUNK_BYTES);
        const last = chunkCount(range.end);
        let offset = first * CHUNK_BYTES;
        for (const chunk of await chunks.read(first, Math.min(CHUNKS_PER_MESSAGE, last - first))) {
          controller.enqueue(chunk.subarray(Math.max(0, position - offset), range.end - offset));
          offset += chunk.length;
        }
        position = Math.min(range.end, offset);
      },
    }, { highWaterMark: 1 });
  }
}

/** One large value on its way to all owners of its key at once. */
class Upload {
  readonly id: string;
  readonly #deps: ValuesDeps;
  readonly #place: Place;
  readonly #live: LiveLayouts;
  readonly #asked: readonly OwnerId[];
  readonly #owners: Set<OwnerId>;
  readonly #options: AskOptions;
  readonly #reasons: string[] = [];

  /** @param signal Aborted when the client has gone: what is on its way to an owner is then given up. */
  constructor(deps: ValuesDeps, place: Place, live: LiveLayouts, signal: AbortSignal | undefined) {
    this.#deps = deps;
    this.#place = place;
    this.#live = live;
    this.id = deps.random.hex(16);
    this.#asked = allOwners(writeNeeds(live, place.partition));
    this.#owners = new Set(this.#asked);
    this.#options = signal === undefined ? OWN_LANE : { ...OWN_LANE, signal };
  }

  /** Sends the whole body; the slowest owner that still answers sets the pace. */
  async sendAll(
    start: Uint8Array,
    reader: ByteReader,
  ): Promise<{ readonly valueBytes: number; readonly sha256: Uint8Array }> {
    const hash = createHash("sha256");
    reader.unread(start);
    let valueBytes = 0;
    // Nothing large is sent yet: an owner that is silent here is given up before the client loses its patience.
    const opening = { ...this.#options, timeoutMs: CALL_TIMEOUT_MS };
    let sending = this.#inBackground((owner) =>
      this.#deps.peers.ask(owner, undefined, "openUpload", { id: this.id }, opening)
    );
    for (let first = 0;; first += CHUNKS_PER_MESSAGE) {
      const bytes = await reader.read(CHUNKS_PER_MESSAGE * CHUNK_BYTES);
      hash.update(bytes);
      valueBytes += bytes.length;
      // One message is on its way while the next is read from the client.
      await sending;
      // The message before this was full and the last.
      if (bytes.length === 0) break;
      const chunks = cut(bytes);
      sending = this.#inBackground((owner) =>
        this.#deps.peers.ask(owner, undefined, "writeChunks", { id: this.id, first, chunks }, this.#options)
      );
      if (bytes.length < CHUNKS_PER_MESSAGE * CHUNK_BYTES) break;
    }
    await sending;
    return { valueBytes, sha256: new Uint8Array(hash.digest()) };
  }

  /** Lets the owners forget it. What does not reach them they collect by themselves. */
  abort(): void {
    // Also those that were given up: they may have taken some of it.
    for (const owner of this.#asked) {
      this.#deps.peers.ask(owner, undefined, "abortUpload", { id: this.id }).catch(() => {});
    }
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
        failures.push(asDhtError(error));
        this.#owners.delete(owner);
      });
    }));
    this.#reasons.push(...failures.map((failure) => failure.message));
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

/** Reads the chunks of one version of a value from whichever owner has them. */
class ChunkReader {
  readonly #deps: ValuesDeps;
  readonly #place: Place;
  readonly #record: ValueRecord;
  /** Blob ids by owner: each holds the chunks under an id of its own. The one read from comes first. */
  #sources: { readonly owner: OwnerId; readonly blobId?: string }[];
  readonly #given = new Set<OwnerId>();

  constructor(deps: ValuesDeps, place: Place, record: ValueRecord, read: QuorumRead) {
    this.#deps = deps;
    this.#place = place;
    this.#record = record;
    const blobId = record.body.kind === "blob" ? record.body.id : "";
    this.#sources = [{ owner: read.source, blobId }];
    for (const owner of read.holders) {
      if (owner !== read.source) this.#sources.push({ owner });
    }
    this.#sources.forEach(({ owner }) => this.#given.add(owner));
  }

  /** @throws {DhtError} "read_quorum_unreachable" or "corrupt_value" once no owner is left that has them. */
  async read(first: number, count: number): Promise<readonly Uint8Array[]> {
    let failure: DhtError | undefined;
    while (this.#sources.length > 0 || this.#findFurther()) {
      const source = this.#sources[0]!;
      try {
        const blobId = source.blobId ?? await this.#blobIdAt(source.owner);
        this.#sources[0] = { owner: source.owner, blobId };
        const ask = { blobId, first, count, place: this.#place };
        const { chunks } = await this.#deps.peers.ask(source.owner, undefined, "readChunks", ask, OWN_LANE);
        return chunks;
      } catch (error) {
        failure = asDhtError(error);
        this.#sources.shift();
      }
    }
    const code = failure?.code === "corrupt_value" ? "corrupt_value" : "read_quorum_unreachable";
    throw new DhtError(
      code,
      `Cannot read key "${this.#place.key}": no owner has its bytes; last: ${failure?.message}`,
    );
  }

  /** Owners that were not tried yet; others than when the reading began, where the layouts have changed since. */
  #findFurther(): boolean {
    const owners = allOwners(writeNeeds(this.#deps.keeper.live, this.#place.partition));
    this.#sources = owners.filter((owner) => !this.#given.has(owner)).map((owner) => ({ owner }));
    this.#sources.forEach(({ owner }) => this.#given.add(owner));
    return this.#sources.length > 0;
  }

  /** Under the layouts of now: a long reading outlives those it began under. */
  async #blobIdAt(owner: OwnerId): Promise<string> {
    const { coordinator, keeper, peers } = this.#deps;
    const { record } = await coordinator.underLiveLayouts(() =>
      peers.ask(owner, keeper.live, "read", this.#place)
    );
    const same = record?.kind === "value" && record.body.kind === "blob" &&
      compareHeads(headOf(record), headOf(this.#record)) === 0;
    if (same && record.body.kind === "blob") return record.body.id;
    throw new DhtError("corrupt_value", `Cannot read from ${addressOf(owner)}: it holds another version`);
  }
}

const OWN_LANE = { lane: "own", timeoutMs: CHUNKS_TIMEOUT_MS } as const;

/** SHA-256 of bytes. Synchronous, so that a simulation replays. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

function cut(bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
    chunks.push(bytes.subarray(start, start + CHUNK_BYTES));
  }
  return chunks;
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
    },
  });
}
