import { DhtError } from "../core/errors.ts";
import type { Version } from "../core/hlc.ts";
import { INLINE_MAX_BYTES, type ValueRecord } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import { sha256 } from "../sha256.ts";
import { ByteReader } from "./byte_reader.ts";
import { ChunkReader } from "./chunk_reader.ts";
import type { Coordinator, Place, QuorumRead } from "./coordinator.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { ByteRange, FoundValue, PutBody, PutOptions, Written } from "./service.ts";
import { ValueUpload } from "./value_upload.ts";

/** Large values being written through this node at the same time; more are refused as "overloaded". */
const MAX_UPLOADS = 64;
/** Messages of one large value that may be on their way to an owner: its disk is then never without work. */
const MESSAGES_PER_UPLOAD = 4;
/** Messages of all large values that may, where these are more than one each: it bounds what they take of memory. */
const MESSAGES_UNDER_WAY = 16;

const NO_BYTES = new Uint8Array();

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
  put(place: Place, body: PutBody, options: PutOptions): Promise<Written> {
    if (body === undefined) return this.#putSmall(place, NO_BYTES, options);
    if (!(body instanceof Uint8Array)) return this.#putStream(place, body, options);
    if (body.length <= INLINE_MAX_BYTES) return this.#putSmall(place, body, options);
    return this.#putStream(place, streamOf(body), options);
  }

  async #putStream(
    place: Place,
    body: ReadableStream<Uint8Array>,
    options: PutOptions,
  ): Promise<Written> {
    const reader = new ByteReader(body);
    try {
      const start = await reader.read(INLINE_MAX_BYTES + 1);
      if (start.length > INLINE_MAX_BYTES) return await this.#putLarge(place, start, reader, options);
      return await this.#putSmall(place, start, options);
    } finally {
      await reader.release();
    }
  }

  #putSmall(place: Place, bytes: Uint8Array, options: PutOptions): Promise<Written> {
    const body = { kind: "inline", bytes } as const;
    const value = { kind: "value", valueBytes: bytes.length, sha256: sha256(bytes), body } as const;
    return this.#writeRecord(place, value, options);
  }

  /** Turns what a read found into something to be streamed; `undefined` for a deletion. */
  found(place: Place, read: QuorumRead | undefined): FoundValue | undefined {
    if (read === undefined || read.record.kind === "tombstone") return undefined;
    const { record } = read;
    const { version, valueBytes, contentType, sha256, body, expiresMs } = record;
    if (body.kind === "inline") {
      const { bytes } = body;
      const stream = (range?: ByteRange) => streamOf(bytes.subarray(range?.start ?? 0, range?.end));
      return { version, valueBytes, contentType, sha256, expiresMs, bytes, stream };
    }
    const stream = (range?: ByteRange) => new ChunkReader(this.#deps, place, record, read).stream(range);
    return { version, valueBytes, contentType, sha256, expiresMs, stream };
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
    const upload = new ValueUpload(this.#deps, place, {
      live: this.#deps.keeper.live,
      signal: options.client?.signal,
      window: () => windowOf(this.#uploads),
    });
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
  #writeRecord(
    place: Place,
    value: Omit<ValueRecord, "version" | "contentType" | "expiresMs">,
    { contentType, ttlSeconds, consistency, client }: PutOptions,
  ): Promise<Written> {
    const { coordinator, clock } = this.#deps;
    const options = { client, consistency };
    if (ttlSeconds === undefined) {
      return coordinator.write(place, (version) => ({ ...value, contentType, version }), options);
    }
    const expiresMs = clock.nowMs() + 1_000 * ttlSeconds;
    const make = (version: Version) => ({ ...value, contentType, version, expiresMs });
    return coordinator.write(place, make, options).then((written) => ({ ...written, expiresMs }));
  }
}

/** Messages of each of so many uploads that may be on their way to an owner. */
function windowOf(uploads: number): number {
  return Math.max(1, Math.min(MESSAGES_PER_UPLOAD, Math.floor(MESSAGES_UNDER_WAY / uploads)));
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
    },
  });
}
