import { toBytes } from "@std/streams/to-bytes";
import type { ProblemAnswer } from "../api.ts";
import {
  AnswerLostError,
  MyDhtError,
  ProblemError,
  ServerUnreachableError,
  UnexpectedAnswerError,
  ValueCutShortError,
} from "./errors.ts";
import { guardedStream } from "./value_stream.ts";
import { type ClientClock, StalledError, Watchdog } from "./watchdog.ts";

/** How often a request is tried before it is given up. */
const TRIES = 3;

/** Pauses between the tries in milliseconds. */
const BACKOFF_MS = [200, 800];

/** A node that asks for a longer pause than this is not waited for. */
const LONGEST_PAUSE_MS = 5000;

/** `fetch`, or a test in its place. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** How requests travel. */
export interface Via {
  /** Nodes that take turns in the tries, `host:port`; at least one. */
  readonly servers: readonly string[];
  readonly fetch: Fetch;
  readonly clock: ClientClock;
  /** How long a node may do nothing before the request ends, in milliseconds. */
  readonly idleMs: number;
}

/** The body of a request. */
export interface Body {
  /** Bytes, or a stream that `open` gives anew each time it is called. */
  open(): Promise<BodyInit>;
  /** Whether it can be opened more than once. */
  readonly repeatable: boolean;
}

/** One request. */
export interface CallRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body;
  readonly signal?: AbortSignal | undefined;
}

/** A good answer (2xx), its body unread, and who gave it. */
export interface Answer {
  readonly server: string;
  readonly response: Response;
}

/** A connection was never made: the request was surely not sent. */
class NotSent extends Error {}

/** It was sent, or may have been, and no answer came. */
class Lost extends Error {}

/**
 * Sends a request, up to three times.
 *
 * Reading is repeated whatever went wrong. What changes something is repeated only if it was surely not sent, or
 * the node says that it did nothing. A body that cannot be read again is never sent twice.
 *
 * @throws {MyDhtError} One of its kinds.
 */
export function call(via: Via, request: CallRequest): Promise<Answer> {
  return callAndRead(via, request, (answer) => Promise.resolve(answer));
}

/** Like `call()`, and reads the JSON of the answer as a part of each try. */
export function callJson<T>(via: Via, request: CallRequest): Promise<{ server: string; json: T }> {
  return callAndRead(via, request, async (answer) => ({
    server: answer.server,
    json: await readJson<T>(answer, via, request.signal),
  }));
}

async function callAndRead<T>(
  via: Via,
  request: CallRequest,
  read: (answer: Answer) => Promise<T>,
): Promise<T> {
  for (let tried = 1;; tried++) {
    const server = via.servers[(tried - 1) % via.servers.length]!;
    try {
      return await read({ server, response: await tryOnce(via, server, request) });
    } catch (error) {
      const pauseMs = pauseBeforeNext(error, request, tried);
      if (pauseMs === undefined) throw asClientError(error, via, request, server, tried);
      await via.clock.sleep(pauseMs, request.signal);
    }
  }
}

async function tryOnce(via: Via, server: string, request: CallRequest): Promise<Response> {
  request.signal?.throwIfAborted();
  const watchdog = new Watchdog(via.clock, via.idleMs);
  const ends = [watchdog.signal, ...(request.signal ? [request.signal] : [])];
  let upload: Upload | undefined;
  try {
    upload = await openUpload(request.body, watchdog);
    const response = await via.fetch(`http://${server}${request.path}`, {
      method: request.method,
      redirect: "manual",
      signal: AbortSignal.any(ends),
      ...(request.headers && { headers: request.headers }),
      ...(upload && { body: upload.body }),
    });
    if (!response.ok) throw await readFailure(response, server);
    return response;
  } catch (error) {
    request.signal?.throwIfAborted();
    if (upload?.sourceError !== undefined) throw upload.sourceError;
    throw classify(error, watchdog);
  } finally {
    watchdog.stop();
    // A file stays open otherwise where the node did not want all of it.
    await upload?.close();
  }
}

/** What a failed `fetch` means: it only says so in the words of its causes. */
function classify(error: unknown, watchdog: Watchdog): unknown {
  if (error instanceof MyDhtError) return error;
  if (watchdog.signal.aborted) {
    return new Lost((watchdog.signal.reason as StalledError).message, { cause: error });
  }
  if (!(error instanceof TypeError)) return error;
  const words = causesOf(error);
  const wasBlocked = /Requests to port \d+ are blocked/.test(words);
  if (words.includes("(Connect)") || wasBlocked) return new NotSent(plainReason(words), { cause: error });
  return new Lost("the connection broke", { cause: error });
}

function causesOf(error: unknown): string {
  return error instanceof Error ? `${error.message}; ${causesOf(error.cause)}` : "";
}

function plainReason(words: string): string {
  const known: readonly [RegExp, string][] = [
    [/connection refused|os error (111|61|10061)\b/i, "connection refused"],
    [/dns error/i, "its name cannot be resolved"],
    [/no route to host|network is unreachable/i, "there is no route to it"],
    [/timed out/i, "the connection timed out"],
    [/are blocked/i, "browsers and fetch refuse to connect to that port"],
  ];
  return known.find(([pattern]) => pattern.test(words))?.[1] ?? "it cannot be connected to";
}

/** Milliseconds to wait before the next try, or `undefined` where there must not be one. */
function pauseBeforeNext(error: unknown, request: CallRequest, tried: number): number | undefined {
  const repeatable = request.body === undefined || request.body.repeatable;
  if (tried >= TRIES || !repeatable || !mayRepeat(error, request.method)) return undefined;
  const askedMs = error instanceof ProblemError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
  return askedMs > LONGEST_PAUSE_MS ? undefined : Math.max(BACKOFF_MS[tried - 1]!, askedMs);
}

/** Problems in which a node refuses a request before it does anything. */
const NOTHING_DONE: ReadonlySet<string> = new Set(["overloaded", "not_in_ring", "stopping"]);

function mayRepeat(error: unknown, method: CallRequest["method"]): boolean {
  const changesNothing = method === "GET" || method === "HEAD";
  if (error instanceof NotSent) return true;
  if (error instanceof Lost) return changesNothing;
  if (!(error instanceof ProblemError) || error.status !== 503) return false;
  return changesNothing || NOTHING_DONE.has(error.code);
}

function asClientError(
  error: unknown,
  via: Via,
  request: CallRequest,
  server: string,
  tried: number,
): unknown {
  const asked = [...new Set(via.servers.slice(0, tried))].join(", ");
  const changesNothing = request.method === "GET" || request.method === "HEAD";
  if (error instanceof NotSent || (error instanceof Lost && changesNothing)) {
    return new ServerUnreachableError(asked, tried, error.message, { cause: error.cause });
  }
  if (error instanceof Lost) return new AnswerLostError(server, error.message, { cause: error.cause });
  return error;
}

async function readJson<T>(
  { server, response }: Answer,
  via: Via,
  signal: AbortSignal | undefined,
): Promise<T> {
  const type = response.headers.get("content-type") ?? "no content type";
  if (!type.startsWith("application/json") || response.body === null) {
    await response.body?.cancel();
    throw new UnexpectedAnswerError(server, type);
  }
  try {
    const bytes = await toBytes(guardedStream(response.body, { ...via, server, signal }));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof ValueCutShortError) throw new Lost(error.reason, { cause: error });
    if (error instanceof SyntaxError) throw new UnexpectedAnswerError(server, "it is not JSON");
    throw error;
  }
}

async function readFailure(response: Response, server: string): Promise<MyDhtError> {
  const { status } = response;
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json") ?? false;
  if (!isProblem) {
    await response.body?.cancel();
    return new UnexpectedAnswerError(server, `status ${status}`);
  }
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  const problem = await response.json().catch(() => undefined) as ProblemAnswer | null | undefined;
  if (typeof problem !== "object" || problem === null) {
    // The answer to HEAD has no body.
    return new ProblemError(server, {
      type: "about:blank",
      title: `status ${status}`,
      status,
      detail: `${server} answered with status ${status}`,
      code: status === 404 ? "key_not_found" : "unknown",
    });
  }
  return new ProblemError(server, { ...problem, status }, Number.isFinite(seconds) ? seconds : undefined);
}

/** The body of one try. */
interface Upload {
  readonly body: BodyInit;
  /** What reading its source failed with. */
  readonly sourceError: unknown;
  close(): Promise<void>;
}

/** Opens a body for one try; a streamed one keeps the watchdog quiet while its source is waited for. */
async function openUpload(body: Body | undefined, watchdog: Watchdog): Promise<Upload | undefined> {
  if (body === undefined) return undefined;
  // Opening a pipe waits for its other end.
  watchdog.pause();
  const opened = await body.open();
  watchdog.resume();
  if (!(opened instanceof ReadableStream)) {
    return { body: opened, sourceError: undefined, close: () => Promise.resolve() };
  }
  const reader = (opened as ReadableStream<Uint8Array>).getReader();
  let sourceError: unknown;
  let isWanted = true;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      watchdog.pause();
      const read = await reader.read().catch((error) => {
        sourceError = error;
        throw error;
      }).finally(() => watchdog.resume());
      // `fetch` may have given up while the source was waited for.
      if (!isWanted) return;
      if (read.done) controller.close();
      else controller.enqueue(read.value);
    },
    cancel(reason) {
      isWanted = false;
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
  return {
    body: stream,
    get sourceError() {
      return sourceError;
    },
    close: () => reader.cancel().catch(() => {}),
  };
}
