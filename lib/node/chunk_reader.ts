import { DhtError } from "../core/errors.ts";
import { addressOf, type OwnerId, writeNeeds } from "../core/layout.ts";
import { allOwners } from "../core/quorum.ts";
import { CHUNK_BYTES, chunkCount, compareHeads, headOf, type ValueRecord } from "../core/record.ts";
import { BULK, CHUNKS_PER_MESSAGE } from "./blob_pulls.ts";
import type { Coordinator, Place, QuorumRead } from "./coordinator.ts";
import { asDhtError } from "./peer_errors.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { ByteRange } from "./service.ts";

/** Messages of chunks that are asked for before the client has taken what came with those before. */
const MESSAGES_AHEAD = 2;

/** What reading chunks needs of its node. */
export interface ChunkReaderDeps {
  readonly coordinator: Coordinator;
  readonly keeper: RingKeeper;
  readonly peers: Peers;
}

/** An owner to read from, and the blob's id there, once it is known. */
interface Source {
  readonly owner: OwnerId;
  blobId?: string;
}

/** Reads the chunks of one version of a value from whichever owner has them. */
export class ChunkReader {
  readonly #deps: ChunkReaderDeps;
  readonly #place: Place;
  readonly #record: ValueRecord;
  /** Blob ids by owner: each holds the chunks under an id of its own. The one read from comes first. */
  #sources: Source[];
  readonly #given = new Set<OwnerId>();

  constructor(deps: ChunkReaderDeps, place: Place, record: ValueRecord, read: QuorumRead) {
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

  /** The bytes of a range, all where none is given. What comes next is read while the client takes what is there. */
  stream(range: ByteRange = { start: 0, end: this.#record.valueBytes }): ReadableStream<Uint8Array> {
    const end = chunkCount(range.end);
    const coming: Promise<readonly Uint8Array[]>[] = [];
    let asked = Math.floor(range.start / CHUNK_BYTES);
    let offset = asked * CHUNK_BYTES;
    const ask = (): void => {
      const count = Math.min(CHUNKS_PER_MESSAGE, end - asked);
      const chunks = this.#read(asked, count);
      // Nobody waits for it any more where the one before fails, or the client has gone.
      chunks.catch(() => {});
      coming.push(chunks);
      asked += count;
    };
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        while (coming.length < MESSAGES_AHEAD && asked < end) ask();
        for (const chunk of await coming.shift() ?? []) {
          controller.enqueue(chunk.subarray(Math.max(0, range.start - offset), range.end - offset));
          offset += chunk.length;
        }
        if (offset >= range.end) controller.close();
      },
      cancel() {
        asked = end;
      },
    }, { highWaterMark: 1 });
  }

  /** @throws {DhtError} "read_quorum_unreachable" or "corrupt_value" once no owner is left that has them. */
  async #read(first: number, count: number): Promise<readonly Uint8Array[]> {
    let failure: DhtError | undefined;
    while (this.#sources.length > 0 || this.#findFurther()) {
      const source = this.#sources[0]!;
      try {
        const blobId = source.blobId ??= await this.#blobIdAt(source.owner);
        const ask = { blobId, first, count, place: this.#place };
        const { chunks } = await this.#deps.peers.ask(source.owner, undefined, "readChunks", ask, BULK);
        this.#assertAll(source.owner, first, count, chunks);
        return chunks;
      } catch (error) {
        failure = asDhtError(error);
        // Another read that was under way may have given it up already.
        if (this.#sources[0] === source) this.#sources.shift();
      }
    }
    const code = failure?.code === "corrupt_value" ? "corrupt_value" : "read_quorum_unreachable";
    throw new DhtError(
      code,
      `Cannot read key "${this.#place.key}": no owner has its bytes; last: ${failure?.message}`,
    );
  }

  /** Each has its length by its place: a byte too few would shift all that follow. */
  #assertAll(owner: OwnerId, first: number, count: number, chunks: readonly Uint8Array[]): void {
    const { valueBytes } = this.#record;
    const isWhole = (chunk: Uint8Array, i: number): boolean =>
      chunk.length === Math.min(CHUNK_BYTES, valueBytes - (first + i) * CHUNK_BYTES);
    if (chunks.length === count && chunks.every(isWhole)) return;
    throw new DhtError(
      "corrupt_value",
      `Cannot read from ${addressOf(owner)}: its chunks are of another length`,
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
