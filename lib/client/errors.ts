import type { ProblemAnswer } from "../api.ts";

/** A request that was not answered as it should be. Every error of the client library is one of these. */
export abstract class MyDhtError extends Error {
  /** @param server The node that was asked, `host:port`. */
  constructor(readonly server: string, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** No node took the request: nothing was done. */
export class ServerUnreachableError extends MyDhtError {
  override readonly name = "ServerUnreachableError";

  /**
   * @param tries How often it was tried.
   * @param reason The last thing that went wrong, in a few words.
   */
  constructor(server: string, readonly tries: number, readonly reason: string, options?: ErrorOptions) {
    super(
      server,
      `Cannot reach ${server} in ${tries} ${tries === 1 ? "try" : "tries"}: ${reason}`,
      options,
    );
  }
}

/** A write was sent, and the answer never came: whether it was done is unknown. */
export class AnswerLostError extends MyDhtError {
  override readonly name = "AnswerLostError";

  constructor(server: string, readonly reason: string, options?: ErrorOptions) {
    super(
      server,
      `Lost the answer of ${server}: ${reason}; whether the change was made is unknown`,
      options,
    );
  }
}

/** A value ended early while it was read. */
export class ValueCutShortError extends MyDhtError {
  override readonly name = "ValueCutShortError";

  constructor(
    server: string,
    readonly receivedBytes: number,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(server, `The value from ${server} ended after ${receivedBytes} bytes: ${reason}`, options);
  }
}

/** A value does not match its checksum. */
export class CorruptValueError extends MyDhtError {
  override readonly name = "CorruptValueError";

  constructor(server: string) {
    super(server, `The value from ${server} does not match its checksum: it was damaged on the way`);
  }
}

/** What answers there is no MyDHT node, or one of a later kind. */
export class UnexpectedAnswerError extends MyDhtError {
  override readonly name = "UnexpectedAnswerError";

  constructor(server: string, what: string) {
    super(server, `${server} does not answer as a MyDHT node does (${what}): is it another program?`);
  }
}

/** A node answered with a problem: it says what happened and what to do. */
export class ProblemError extends MyDhtError {
  override readonly name = "ProblemError";
  /** HTTP status. */
  readonly status: number;
  /** Stable name of the problem: programs branch on it. */
  readonly code: string;
  /** Whether the same request may succeed later without anybody's doing. */
  readonly retryable: boolean;
  /** Numbers, names and lists that explain the problem. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** How long the node asks to wait before the next try, in seconds. */
  readonly retryAfterSeconds: number | undefined;

  constructor(server: string, problem: ProblemAnswer, retryAfterSeconds?: number) {
    const { type: _type, title, status, detail, code, retryable, ...facts } = problem;
    super(server, detail ?? title);
    this.status = status;
    this.code = code;
    this.retryable = retryable ?? false;
    this.facts = facts;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
