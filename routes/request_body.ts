import { toBytes } from "@std/streams/to-bytes";
import { DhtError } from "../lib/core/errors.ts";
import type { Clock } from "../lib/ports/clock.ts";
import { HttpProblem } from "./problem.ts";

/** Milliseconds without a byte after which a body that is waited for is given up. */
export const STALL_MS = 30_000;

/** Why a watch ends: one value for all, as an error of its own for each request would be costly. */
const NOTHING_LEFT = new Error("No body is watched any more");

/** A request body under watch. */
export interface WatchedBody {
  readonly stream: ReadableStream<Uint8Array>;
  /** Why the body ended badly, if it did: what its reader throws may hide it. */
  failure(): Error | undefined;
  /** Ends the watch; for readers that stop before the end of the body. */
  release(): void;
}

/**
 * Watches the bodies of requests, so that a client that stops sending does not hold a request for ever.
 *
 * Only the time in which a byte is waited for counts: a node that is slow to take what has arrived does
 * not turn that against the client. One timer serves all bodies, and none runs while there is no body.
 */
export class BodyWatch {
  readonly #clock: Clock;
  readonly #bodies = new Set<Watched>();
  #stop: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Puts a body under watch. More than `maxBytes` of it are an error of code `body_too_large`. */
  watch(source: ReadableStream<Uint8Array>, options: { readonly maxBytes?: number } = {}): WatchedBody {
    const body = new Watched(source, options.maxBytes ?? Infinity, this.#clock, (done) => this.#remove(done));
    this.#bodies.add(body);
    if (this.#stop === undefined) {
      this.#stop = new AbortController();
      this.#run(this.#stop.signal);
    }
    return body;
  }

  async #run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        await this.#clock.sleep(this.#nextCheckMs(), signal);
        const limitMs = this.#clock.monotonicMs() - STALL_MS;
        for (const body of this.#bodies) body.failIfWaitingSince(limitMs);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Until the first body can have stalled. One that begins to wait later stalls later. */
  #nextCheckMs(): number {
    const nowMs = this.#clock.monotonicMs();
    let firstMs = nowMs;
    for (const body of this.#bodies) firstMs = Math.min(firstMs, body.waitingSinceMs ?? nowMs);
    return firstMs + STALL_MS - nowMs;
  }

  #remove(body: Watched): void {
    this.#bodies.delete(body);
    if (this.#bodies.size > 0) return;
    this.#stop?.abort(NOTHING_LEFT);
    this.#stop = undefined;
  }
}

class Watched implements WatchedBody {
  readonly stream: ReadableStream<Uint8Array>;
  waitingSinceMs: number | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #failure: Error | undefined;
  #receivedBytes = 0;

  constructor(
    source: ReadableStream<Uint8Array>,
    readonly maxBytes: number,
    readonly clock: Clock,
    readonly onDone: (body: Watched) => void,
  ) {
    this.#reader = source.getReader();
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: (controller) => this.#pull(controller),
      cancel: (reason) => {
        this.release();
        return this.#reader.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }

  failure(): Error | undefined {
    return this.#failure;
  }

  release(): void {
    this.waitingSinceMs = undefined;
    this.onDone(this);
  }

  failIfWaitingSince(limitMs: number): void {
    if (this.waitingSinceMs === undefined || this.waitingSinceMs > limitMs) return;
    this.#fail(
      new DhtError("body_stalled", "Cannot read the request body: no byte arrived for 30 seconds", {
        receivedBytes: this.#receivedBytes,
      }),
    );
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.waitingSinceMs = this.clock.monotonicMs();
    const part = await this.#read();
    this.waitingSinceMs = undefined;
    if (part === undefined || this.#failure !== undefined) return;
    if (part.done) {
      this.release();
      return controller.close();
    }
    this.#receivedBytes += part.value.length;
    if (this.#receivedBytes > this.maxBytes) return this.#fail(tooLarge(this.maxBytes));
    controller.enqueue(part.value);
  }

  async #read(): Promise<ReadableStreamReadResult<Uint8Array> | undefined> {
    try {
      return await this.#reader.read();
    } catch (cause) {
      const message = "Cannot read the request body: the client ended it early";
      this.#fail(new DhtError("body_stalled", message, { receivedBytes: this.#receivedBytes }, { cause }));
      return undefined;
    }
  }

  #fail(failure: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.release();
    this.#controller?.error(failure);
    // The source may be broken already; what matters was said above.
    this.#reader.cancel(failure).catch(() => {});
  }
}

/** How much of a body is worth its memory. */
export interface Keep {
  /** Bytes by which that can be told. */
  readonly headBytes: number;
  /** Bytes to be kept of a body that begins so. */
  most(head: Uint8Array): number;
}

/**
 * Reads a whole body of at most `maxBytes` bytes.
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
  if (request.body === null) return new Uint8Array();
  const body = bodies.watch(request.body, { maxBytes });
  try {
    return keep === undefined ? await toBytes(body.stream) : await readKept(body.stream, keep);
  } catch (error) {
    throw body.failure() ?? error;
  } finally {
    body.release();
  }
}

/** Reads all of it, and keeps as much as its head says. */
async function readKept(stream: ReadableStream<Uint8Array>, { headBytes, most }: Keep): Promise<Uint8Array> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let mostBytes: number | undefined;
  for await (const part of stream) {
    if (bytes >= (mostBytes ?? Infinity)) continue;
    parts.push(part);
    bytes += part.length;
    if (mostBytes !== undefined || bytes < headBytes) continue;
    const head = joined(parts, bytes);
    mostBytes = most(head);
    // A copy, as a view would hold all that arrived with it.
    parts = [bytes > mostBytes ? head.slice(0, mostBytes) : head];
  }
  return joined(parts, parts.reduce((sum, part) => sum + part.length, 0));
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function tooLarge(maxBytes: number): HttpProblem {
  return new HttpProblem("body_too_large", `Cannot take the body: it has more than ${maxBytes} bytes`, {
    facts: { maxBytes },
  });
}
