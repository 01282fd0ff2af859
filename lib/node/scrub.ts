import { decode, encode } from "@msgpack/msgpack";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Random } from "../ports/random.ts";
import type { Background } from "./background.ts";
import { CHUNK_BYTES } from "../core/record.ts";
import type { Place } from "./damage.ts";
import { isDamage } from "./entries.ts";
import { aboutMs, type Pauses } from "./pauses.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { ScrubBlob } from "./scrub_reader.ts";
import type { Storage } from "./storage.ts";
import { MAX_CHUNKS_PER_CALL } from "./uploads.ts";

/** Records read at once. */
const PAGE_RECORDS = 64;
/** Time between two times that the position is saved: what a restart may have to verify once more. */
const SAVE_INTERVAL_MS = 5 * 60_000;
/** Wait after the disk could not be read. */
const RETRY_MS = 60_000;
const POSITION = "scrub";

/** What verifying needs of its node. */
export interface ScrubDeps {
  readonly storage: Storage;
  readonly keeper: RingKeeper;
  readonly clock: Clock;
  readonly random: Random;
  readonly background: Pick<Background, "scrub">;
  readonly log: Log;
  readonly pauses: Pick<Pauses, "scrubMs">;
}

/**
 * Reads all that this node holds from its disk, round after round and slowly, and verifies it: records and values
 * in chunks, in the order of partitions and keys. What is damaged is noted, and mended by others.
 *
 * A round goes on after a restart about where it was. What a failing disk has changed in an upload or in a value that
 * is to be freed is not looked at.
 */
export class Scrub {
  readonly #deps: ScrubDeps;
  readonly #signal: AbortSignal;
  #savedMs: number;
  /** How many records had been found damaged when all chunks were last known to be named. */
  #strayFreeAt = -1;

  /** @param signal Ends all of it. */
  constructor(deps: ScrubDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
    this.#savedMs = deps.clock.monotonicMs();
  }

  /** Runs rounds until it is ended; one that a stop has cut off comes first. */
  async run(): Promise<void> {
    const { storage, clock, random, background, pauses: { scrubMs } } = this.#deps;
    let after = placeOf(await storage.loadState(POSITION));
    // The node has more to do when it starts; and nodes that start at once are not to read at once.
    await this.#sleep((after === undefined ? scrubMs : RETRY_MS) * random.next());
    while (!this.#signal.aborted) {
      try {
        await this.#round(after);
        await this.#sleep(aboutMs(scrubMs, random));
        after = undefined;
      } catch (error) {
        if (this.#signal.aborted) return;
        background.scrub.fail(error);
        background.scrub.end();
        after = placeOf(await storage.loadState(POSITION));
        await this.#sleep(Math.min(RETRY_MS, scrubMs));
      }
      this.#savedMs = clock.monotonicMs();
    }
  }

  async #round(from: Place | undefined): Promise<void> {
    const { storage, keeper, background } = this.#deps;
    const partitions = keeper.inRing ? keeper.state.partitions : 0;
    let partition = from?.partition ?? 0;
    background.scrub.begin(Math.max(0, partitions - partition));
    const { foundDamaged } = storage.stats();
    const seeksStrays = from === undefined && foundDamaged !== this.#strayFreeAt;
    const strays = seeksStrays ? await this.#blobsToFind() : undefined;
    let after = from;
    do {
      const page = await storage.scrubber.page(after, PAGE_RECORDS);
      await background.scrub.pace(page.bytes, this.#signal);
      for (const blobId of page.named) strays?.delete(blobId);
      for (const blob of page.blobs) await this.#verifyChunks(blob);
      after = page.next;
      const reached = after?.partition ?? partitions;
      background.scrub.advance(Math.max(0, reached - partition));
      partition = Math.max(partition, reached);
      if (after !== undefined) await this.#saveSeldom(after);
    } while (after !== undefined);
    if (strays !== undefined && await this.#freeStrays(strays)) this.#strayFreeAt = foundDamaged;
    await storage.saveState(POSITION, encode(null));
    background.scrub.end();
  }

  /**
   * Blobs that the records of this round must name. Those that it does not meet are strays, unless what has superseded
   * their record meanwhile has made them garbage. There are some where the head of a record was damaged, which named
   * its blob; so they are looked for after a start, and after damage.
   */
  async #blobsToFind(): Promise<Set<string> | undefined> {
    const { storage, background } = this.#deps;
    const pace = () => background.scrub.pace(CHUNK_BYTES, this.#signal);
    const blobs = await storage.scrubber.namedBlobs(pace);
    // In this order: the records of all those blobs are where the round looks for them. Not so on a full disk.
    return await storage.flush().then(() => blobs, () => undefined);
  }

  /** Whether no stray is left. */
  async #freeStrays(strays: ReadonlySet<string>): Promise<boolean> {
    const { storage, log } = this.#deps;
    // One of them may be that of a record that cannot be read.
    if (storage.damagedRecords().length > 0) return false;
    let freed = 0;
    for (const blobId of strays) {
      if (await storage.blobs.freeStray(blobId)) freed++;
    }
    if (freed > 0) {
      log.event("info", "strays_freed", "Freed large values that no record names any more", { freed });
    }
    return true;
  }

  /** Reading a chunk verifies it, and notes what is damaged. */
  async #verifyChunks({ place, blobId, chunks }: ScrubBlob): Promise<void> {
    const { storage, background } = this.#deps;
    for (let first = 0; first < chunks; first += MAX_CHUNKS_PER_CALL) {
      const count = Math.min(MAX_CHUNKS_PER_CALL, chunks - first);
      await background.scrub.pace(count * CHUNK_BYTES, this.#signal);
      try {
        await storage.blobs.readChunks(blobId, first, count, place);
      } catch (error) {
        if (isDamage(error)) return;
        throw error;
      }
    }
  }

  async #saveSeldom(position: Place): Promise<void> {
    const { clock, storage } = this.#deps;
    if (clock.monotonicMs() - this.#savedMs < SAVE_INTERVAL_MS) return;
    this.#savedMs = clock.monotonicMs();
    await storage.saveState(POSITION, encode([position.partition, position.key]));
  }

  async #sleep(ms: number): Promise<void> {
    await this.#deps.clock.sleep(ms, this.#signal).catch(() => {});
  }
}

/** The position that was saved; `undefined` where no round was cut off, or it cannot be read. */
function placeOf(saved: Uint8Array | undefined): Place | undefined {
  if (saved === undefined) return undefined;
  const fields: unknown = decode(saved);
  if (!Array.isArray(fields)) return undefined;
  const [partition, key]: unknown[] = fields;
  return typeof partition === "number" && typeof key === "string" ? { partition, key } : undefined;
}
