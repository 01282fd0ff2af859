import type { Clock } from "../lib/ports/clock.ts";
import { concatChunks } from "../lib/node/byte_reader.ts";
import { BodyReader, tooLarge } from "./body_reader.ts";

/** Milliseconds without a byte after which a body that is waited for is given up. */
export const STALL_MS = 30_000;
/** Milliseconds between two looks at the bodies: of those that come and go in between nobody takes notice. */
export const SWEEP_MS = 1_000;

/** A request body under watch, as a stream. */
export interface WatchedBody {
  readonly stream: ReadableStream<Uint8Array>;
  /** Why the body ended badly, if it did: what its reader throws may hide it. */
  failure(): Error | undefined;
  /** Ends the watch; for readers that stop before the end of the body. */
  release(): void;
}

/** How much of a body is worth its memory. */
export interface Keep {
  /** Bytes by which that can be told. */
  readonly headBytes: number;
  /** Bytes to be kept of a body that begins so. */
  most(head: Uint8Array): number;
}

/**
 * Reads the bodies of requests, so that a client that stops sending does not hold a request for ever.
 *
 * Only the time in which a byte is waited for counts: a node that is slow to take what has arrived does
 * not turn that against the client. One timer serves all bodies, and none runs for long while there is no body.
 */
export class BodyWatch {
  readonly #clock: Clock;
  readonly #bodies = new Set<BodyReader>();
  #sweeping = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Puts a body under watch. */
  watch(source: ReadableStream<Uint8Array>): WatchedBody {
    const body = this.#begin(source, Infinity);
    const stream = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const part = await body.next();
        if (part === undefined) controller.close();
        else controller.enqueue(part);
      },
      cancel: (reason) => body.cancel(reason),
    }, { highWaterMark: 0 });
    return { stream, failure: () => body.failure, release: () => body.release() };
  }

  /**
   * Reads a whole body.
   *
   * @param options.keep Where given, what is beyond the bytes to be kept is read, and dropped at once.
   * @throws {HttpProblem} `body_too_large` after more than `maxBytes`
   * @throws {DhtError} `body_stalled`
   */
  readAll(
    source: ReadableStream<Uint8Array>,
    { maxBytes, keep }: { readonly maxBytes: number; readonly keep?: Keep | undefined },
  ): Promise<Uint8Array> {
    const body = this.#begin(source, maxBytes);
    return keep === undefined ? readWhole(body) : readKept(body, keep);
  }

  #begin(source: ReadableStream<Uint8Array>, maxBytes: number): BodyReader {
    const body = new BodyReader(source, { maxBytes, clock: this.#clock, bodies: this.#bodies });
    if (!this.#sweeping) {
      this.#sweeping = true;
      void this.#sweep();
    }
    return body;
  }

  /** Looks at all bodies from time to time, as long as there are any. */
  async #sweep(): Promise<void> {
    while (this.#bodies.size > 0) {
      await this.#clock.sleep(this.#nextLookMs());
      const limitMs = this.#clock.monotonicMs() - STALL_MS;
      for (const body of this.#bodies) body.failIfWaitingSince(limitMs);
    }
    this.#sweeping = false;
  }

  /** Until the first body can have stalled, if that is soon. One that begins to wait later stalls later. */
  #nextLookMs(): number {
    const nowMs = this.#clock.monotonicMs();
    let firstMs = nowMs;
    for (const body of this.#bodies) firstMs = Math.min(firstMs, body.waitingSinceMs ?? nowMs);
    return Math.min(SWEEP_MS, firstMs + STALL_MS - nowMs);
  }
}

/**
 * Reads the whole body of a request, of at most `maxBytes` bytes.
 *
 * @param keep Where given, what is beyond the bytes to be kept is read, and dropped at once.
 * @throws {HttpProblem} `body_too_large`
 * @throws {DhtError} `body_stalled`
 */
export async function readBody(
  bodies: BodyWatch,
  request: Request,
  maxBytes: number,
  keep?: Keep,
): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const { body } = request;
  return body === null ? new Uint8Array() : await bodies.readAll(body, { maxBytes, keep });
}

/** Most bodies come in one part. */
async function readWhole(body: BodyReader): Promise<Uint8Array> {
  const first = await body.next();
  if (first === undefined) return new Uint8Array();
  const second = await body.next();
  return second === undefined ? first : await readOn(body, [first, second]);
}

async function readOn(body: BodyReader, parts: Uint8Array[]): Promise<Uint8Array> {
  for (let part = await body.next(); part !== undefined; part = await body.next()) parts.push(part);
  return concatChunks(parts);
}

async function readKept(body: BodyReader, keep: Keep): Promise<Uint8Array> {
  const kept = new Kept(keep);
  try {
    for (let part = await body.next(); part !== undefined; part = await body.next()) kept.add(part);
    return kept.bytes();
  } finally {
    body.release();
  }
}

/** What is kept of the parts of a body. */
class Kept {
  readonly #keep: Keep;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #mostBytes: number | undefined;

  constructor(keep: Keep) {
    this.#keep = keep;
  }

  add(part: Uint8Array): void {
    if (this.#bytes >= (this.#mostBytes ?? Infinity)) return;
    this.#parts.push(part);
    this.#bytes += part.length;
    if (this.#mostBytes !== undefined || this.#bytes < this.#keep.headBytes) return;
    const head = this.bytes();
    const most = this.#mostBytes = this.#keep.most(head);
    // A copy, as a view would hold all that arrived with it.
    this.#parts = [this.#bytes > most ? head.slice(0, most) : head];
  }

  bytes(): Uint8Array {
    return concatChunks(this.#parts);
  }
}
