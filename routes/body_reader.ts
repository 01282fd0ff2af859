import { DhtError } from "../lib/core/errors.ts";
import type { Clock } from "../lib/ports/clock.ts";
import { HttpProblem } from "./problem.ts";

/** Reads one request body part by part, and knows since when it has waited for the next. */
export class BodyReader {
  /** When it began to wait for a part; `undefined` while it waits for none. */
  waitingSinceMs: number | undefined;
  /** Why the body ended badly, if it did. */
  failure: Error | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #maxBytes: number;
  readonly #clock: Clock;
  readonly #bodies: Set<BodyReader>;
  #receivedBytes = 0;

  /** @param options.bodies Where it is as long as it is read. */
  constructor(
    source: ReadableStream<Uint8Array>,
    options: { readonly maxBytes: number; readonly clock: Clock; readonly bodies: Set<BodyReader> },
  ) {
    this.#reader = source.getReader();
    this.#maxBytes = options.maxBytes;
    this.#clock = options.clock;
    this.#bodies = options.bodies;
    this.#bodies.add(this);
  }

  /**
   * The next part; `undefined` at the end.
   *
   * @throws {HttpProblem} `body_too_large`
   * @throws {DhtError} `body_stalled`
   */
  async next(): Promise<Uint8Array | undefined> {
    this.waitingSinceMs = this.#clock.monotonicMs();
    let part: ReadableStreamReadResult<Uint8Array> | undefined;
    try {
      part = await this.#reader.read();
    } catch (cause) {
      this.#broken(cause);
    }
    this.waitingSinceMs = undefined;
    // One that is given up ends as if it were whole.
    if (this.failure !== undefined) throw this.failure;
    if (part === undefined || part.done) {
      this.release();
      return undefined;
    }
    this.#receivedBytes += part.value.length;
    if (this.#receivedBytes > this.#maxBytes) throw this.#fail(tooLarge(this.#maxBytes));
    return part.value;
  }

  /** Gives the body up if it has waited since then, or longer. */
  failIfWaitingSince(limitMs: number): void {
    if (this.waitingSinceMs === undefined || this.waitingSinceMs > limitMs) return;
    this.#fail(
      new DhtError("body_stalled", "Cannot read the request body: no byte arrived for 30 seconds", {
        receivedBytes: this.#receivedBytes,
      }),
    );
  }

  /** Reads no more of it. */
  async cancel(reason: unknown): Promise<void> {
    this.release();
    await this.#reader.cancel(reason);
  }

  /** Nobody waits for it any more. */
  release(): void {
    this.waitingSinceMs = undefined;
    this.#bodies.delete(this);
  }

  #broken(cause: unknown): void {
    const message = "Cannot read the request body: the client ended it early";
    this.#fail(new DhtError("body_stalled", message, { receivedBytes: this.#receivedBytes }, { cause }));
  }

  #fail(failure: Error): Error {
    if (this.failure !== undefined) return this.failure;
    this.failure = failure;
    this.release();
    // Ends a read that waits. The source may be broken already; what matters was said above.
    this.#reader.cancel(failure).catch(() => {});
    return failure;
  }
}

/** The problem of a body that has more bytes than are taken. */
export function tooLarge(maxBytes: number): HttpProblem {
  return new HttpProblem("body_too_large", `Cannot take the body: it has more than ${maxBytes} bytes`, {
    facts: { maxBytes },
  });
}
