import type { Expiring } from "./deadlines.ts";
import type { HttpAnswer } from "./http_answer.ts";

/** Why a call was ended from this side; the message says it to people. */
export class GivenUp extends Error {
  override readonly name = "GivenUp";
}

/** A call under way: ends once, with its answer or the first that goes wrong. */
export class PeerCall implements Expiring {
  readonly message: Uint8Array;
  readonly answerMaxBytes: number;
  readonly deadlineMs: number;
  readonly answered: Promise<HttpAnswer>;
  /** What carries it, and is of no use to others once it has failed there. */
  carrier: { close(): void } | undefined;
  readonly #timeoutMs: number;
  readonly #resolve: (answer: HttpAnswer) => void;
  readonly #reject: (error: unknown) => void;
  #isOver = false;

  constructor(message: Uint8Array, options: { readonly timeoutMs: number; readonly answerMaxBytes: number }) {
    this.message = message;
    this.answerMaxBytes = options.answerMaxBytes;
    this.#timeoutMs = options.timeoutMs;
    this.deadlineMs = performance.now() + options.timeoutMs;
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    this.answered = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Whether it has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  succeed(answer: HttpAnswer): void {
    this.#isOver = true;
    this.#resolve(answer);
  }

  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.carrier?.close();
    this.#reject(error);
  }

  expire(): void {
    this.fail(new GivenUp(`timed out after ${this.#timeoutMs} ms`));
  }
}
