import { uploadFetch } from "./client/upload_fetch.ts";
import { DEFAULT_PORT, formatAddress, parseAddress } from "./address.ts";
import type {
  DeleteAnswer,
  HasKeyAnswer,
  KeysAnswer,
  PlanAnswer,
  PutAnswer,
  ReadConsistency,
  RingAnswer,
  StatusAnswer,
  TaskAnswer,
  WhereIsAnswer,
  WriteConsistency,
} from "./api.ts";
import {
  type Answer,
  type Body,
  call,
  callJson,
  type CallRequest,
  type Fetch,
  type Via,
} from "./client/call.ts";
import { ProblemError } from "./client/errors.ts";
import { cancelLeave, runTask, type TaskOptions } from "./client/tasks.ts";
import { sha256OfReprDigest, verifiedStream } from "./client/value_stream.ts";
import { type ClientClock, PROCESS_CLOCK } from "./client/watchdog.ts";

export type { Fetch } from "./client/call.ts";
export * from "./client/errors.ts";
export { TaskFailedError, type TaskOptions } from "./client/tasks.ts";
export type { ClientClock } from "./client/watchdog.ts";

/** How a client reaches its ring. */
export interface MyDhtClientOptions {
  /** One node of the ring, or several that take turns when one cannot be reached; `host:port`. */
  readonly server?: string | readonly string[];
  /** The ring's secret, for requests that change the ring. */
  readonly secret?: string;
  /** How long a node may do nothing before a request ends, in milliseconds; 30,000 if not given. */
  readonly idleMs?: number;
  /** `fetch`, or a test in its place. */
  readonly fetch?: Fetch;
  /** The clock of the process, or a test in its place. */
  readonly clock?: ClientClock;
}

/** Options that every call takes. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** Options of `get()` and `head()`. */
export interface ReadOptions extends CallOptions {
  /** Which of the key's owners are asked: `quorum` if not given. */
  readonly consistency?: ReadConsistency;
}

/** Options of `put()` and `delete()`. */
export interface WriteOptions extends CallOptions {
  /** What the write waits for: `quorum` if not given. */
  readonly consistency?: WriteConsistency;
}

/** What may be stored: a stream is read once, a function that opens one may be called for each try. */
export type PutValue =
  | string
  | Uint8Array<ArrayBuffer>
  | ReadableStream<Uint8Array>
  | (() => ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>>);

/** Options of `put()`. */
export interface PutOptions extends WriteOptions {
  /** Text for a string, `application/octet-stream` for anything else, if not given. */
  readonly contentType?: string;
  /** Bytes that a stream will have; the put fails if it has another number of them. */
  readonly size?: number;
  /** Seconds after which the value is to be no more, a whole number from 1 up; it stays if not given. */
  readonly ttlSeconds?: number;
}

/** What is known of a value without its bytes. */
export interface ValueHead {
  /** The node that answered. */
  readonly server: string;
  /** Bytes, where the node said so. */
  readonly size: number | undefined;
  readonly contentType: string;
  /** The version of the value, as in its `ETag`. */
  readonly version: string | undefined;
  /** When it was put, to the second. */
  readonly lastModified: string | undefined;
}

/** A value and its bytes. */
export interface Value extends ValueHead {
  /**
   * The bytes. The stream errors in the end if they do not match the checksum; until then they are unverified.
   * To be read to its end or cancelled.
   */
  readonly body: ReadableStream<Uint8Array>;
}

/** One key of a listing. */
export type KeyEntry = KeysAnswer["keys"][number];

/**
 * A client of a MyDHT ring.
 *
 * Every request is tried up to three times, where repeating it cannot do harm, and ends when the node does nothing
 * for `idleMs`. What goes wrong is one of the errors of `lib/client/errors.ts`; a missing key is `undefined`.
 *
 * @example Store a value and read it back
 * ```ts ignore
 * const ring = new MyDhtClient({ server: ["localhost:50140", "localhost:50141"] });
 * await ring.put("greeting", "hello");
 * const value = await ring.get("greeting");
 * console.log(value && await new Response(value.body).text()); // hello
 * for await (const { key, size } of ring.list({ prefix: "gree" })) console.log(key, size);
 * ```
 */
export class MyDhtClient {
  /** The nodes that are asked, in turn; `host:port`. */
  readonly servers: readonly string[];
  readonly #via: Via;
  readonly #secret: string | undefined;

  /** @throws {SyntaxError} If a server is not `host:port`. */
  constructor(options: MyDhtClientOptions = {}) {
    const servers = [options.server ?? `localhost:${DEFAULT_PORT}`].flat();
    this.servers = servers.map(normalAddress);
    this.#via = {
      servers: this.servers,
      fetch: options.fetch ?? uploadFetch,
      clock: options.clock ?? PROCESS_CLOCK,
      idleMs: options.idleMs ?? 30_000,
    };
    this.#secret = options.secret;
  }

  /**
   * Stores a value under a key, whether there was one before or not.
   *
   * @throws {SyntaxError} If the key is none (see `checkKey`).
   */
  async put(key: string, value: PutValue, options: PutOptions = {}): Promise<PutAnswer> {
    const contentType = options.contentType ??
      (typeof value === "string" ? "text/plain; charset=utf-8" : "application/octet-stream");
    const headers: Record<string, string> = { "content-type": contentType };
    if (options.size !== undefined) headers["content-length"] = String(options.size);
    const body = putBody(value, options.size);
    const query = queryOf({ ttl: options.ttlSeconds, consistency: options.consistency });
    return await this.#json<PutAnswer>({
      method: "PUT",
      path: keyPath("/keys/", key) + query,
      headers,
      body,
      signal: options.signal,
    });
  }

  /** The value of a key, or `undefined` where there is none. */
  async get(key: string, options: ReadOptions = {}): Promise<Value | undefined> {
    const request = { ...keyRequest("GET", key, options), headers: WANT_DIGEST };
    const answer = await orMissing(call(this.#via, request));
    if (answer === undefined) return undefined;
    const { response, server } = answer;
    const head = headOfAnswer(answer);
    const expected = { size: head.size, sha256: sha256OfReprDigest(response.headers.get("repr-digest")) };
    const source = { ...this.#via, server, signal: options.signal };
    return { ...head, body: await verifiedStream(response.body ?? emptyStream(), expected, source) };
  }

  /** What is known of a value without its bytes, or `undefined` where there is none. */
  async head(key: string, options: ReadOptions = {}): Promise<ValueHead | undefined> {
    const answer = await orMissing(call(this.#via, keyRequest("HEAD", key, options)));
    await answer?.response.body?.cancel();
    return answer && headOfAnswer(answer);
  }

  /** Deletes a key; `undefined` where there was none. */
  async delete(key: string, options: WriteOptions = {}): Promise<DeleteAnswer | undefined> {
    return await orMissing(this.#json<DeleteAnswer>(keyRequest("DELETE", key, options)));
  }

  /** When the asked node's own copy of a key was put, in seconds since 1970; 0 where it has none. */
  async hasKey(key: string, options: CallOptions = {}): Promise<HasKeyAnswer> {
    return await this.#json<HasKeyAnswer>({ method: "GET", path: keyPath("/haskey/", key), ...options });
  }

  /** The nodes where a key belongs, in order. */
  async whereIs(key: string, options: CallOptions = {}): Promise<WhereIsAnswer> {
    return await this.#json<WhereIsAnswer>({ method: "GET", path: keyPath("/whereis/", key), ...options });
  }

  /**
   * The keys of the whole ring in byte order, asked for in pages as they are needed.
   *
   * Keys that are put or deleted meanwhile may or may not be among them; all others are, once.
   */
  async *list(
    options: CallOptions & { readonly prefix?: string; readonly pageSize?: number } = {},
  ): AsyncGenerator<KeyEntry, void, void> {
    const { prefix = "", pageSize = 1000, signal } = options;
    let after: string | null = null;
    do {
      const query = new URLSearchParams({ prefix, limit: String(pageSize) });
      if (after !== null) query.set("after", after);
      const page: KeysAnswer = await this.#json({ method: "GET", path: `/keys?${query}`, signal });
      yield* page.keys;
      after = page.next;
    } while (after !== null);
  }

  /** The ring as the asked node sees it. */
  async nodes(options: CallOptions = {}): Promise<RingAnswer> {
    return await this.#json<RingAnswer>({ method: "GET", path: "/nodes", ...options });
  }

  /** The asked node and its ring at one look. */
  async status(options: CallOptions = {}): Promise<StatusAnswer> {
    const headers = { accept: "application/json" };
    return await this.#json<StatusAnswer>({ method: "GET", path: "/", headers, ...options });
  }

  /** Compares all nodes and brings every key to where it belongs; waits until that is done. */
  balance(options: TaskOptions = {}): Promise<TaskAnswer> {
    return this.#task("balance", undefined, options);
  }

  /** Lets a node drop what is not its own and is safe elsewhere; the asked one, if none is named. */
  purge(address?: string, options: TaskOptions = {}): Promise<TaskAnswer> {
    return this.#task("purge", address, options);
  }

  /** Lets a node hand over what it holds and leave its ring; waits until it may go. */
  leave(address: string, options: TaskOptions = {}): Promise<TaskAnswer> {
    return this.#task("leave", address, options);
  }

  /** Removes a node that is gone for good. `force` where writes that only it had may be lost. */
  async remove(
    address: string,
    options: CallOptions & { readonly force?: boolean } = {},
  ): Promise<RingAnswer> {
    const name = encodeURIComponent(normalAddress(address)).replaceAll("%3A", ":");
    const path = `/nodes/${name}${options.force ? "?force=true" : ""}`;
    return await this.#json<RingAnswer>({
      method: "DELETE",
      path,
      headers: this.#authorization(),
      signal: options.signal,
    });
  }

  /** Has a node that is leaving stay in the ring. */
  cancelLeave(address: string, options: CallOptions = {}): Promise<TaskAnswer> {
    const via = { ...this.#via, servers: [normalAddress(address)] };
    return cancelLeave(via, this.#authorization(), options.signal);
  }

  /** What a change of the ring would move; nothing moves. `query` is that of `GET /plan`. */
  async plan(query: Readonly<Record<string, string>>, options: CallOptions = {}): Promise<PlanAnswer> {
    const path = `/plan?${new URLSearchParams(query)}`;
    return await this.#json<PlanAnswer>({ method: "GET", path, signal: options.signal });
  }

  #task(kind: TaskAnswer["kind"], address: string | undefined, options: TaskOptions): Promise<TaskAnswer> {
    const via = address === undefined ? this.#via : { ...this.#via, servers: [normalAddress(address)] };
    return runTask(via, kind, this.#authorization(), options);
  }

  /** Only requests that change the ring carry the secret: it goes no further than it must. */
  #authorization(): Record<string, string> {
    return this.#secret === undefined ? {} : { authorization: `Bearer ${this.#secret}` };
  }

  async #json<T>(request: CallRequest): Promise<T> {
    return (await callJson<T>(this.#via, request)).json;
  }
}

/**
 * Checks that a text can be a key: 1 to 1,024 bytes of UTF-8 without NUL, and without `.` or `..` between slashes.
 *
 * @throws {SyntaxError} With a message fit for the person who wrote it.
 */
export function checkKey(key: string): void {
  const bytes = new TextEncoder().encode(key).length;
  if (bytes === 0) throw new SyntaxError("a key cannot be empty");
  if (bytes > 1024) throw new SyntaxError(`a key has at most 1024 bytes, this one has ${bytes}`);
  if (!key.isWellFormed()) {
    throw new SyntaxError("a key is Unicode text: this one has half of a surrogate pair");
  }
  if (key.includes("\0")) throw new SyntaxError("a key cannot contain NUL");
  if (key.split("/").some((segment) => segment === "." || segment === "..")) {
    throw new SyntaxError(`a key cannot have "." or ".." between its slashes: "${key}"`);
  }
}

async function orMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ProblemError && error.code === "key_not_found") return undefined;
    throw error;
  }
}

/** Small values come without their digest, unless it is asked for (RFC 9530). */
const WANT_DIGEST = { "want-repr-digest": "sha-256=1" };

function keyRequest(
  method: "GET" | "HEAD" | "DELETE",
  key: string,
  { signal, consistency }: ReadOptions,
): CallRequest {
  return { method, path: keyPath("/keys/", key) + queryOf({ consistency }), signal };
}

function queryOf(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`]
  );
  return given.length === 0 ? "" : `?${given.join("&")}`;
}

function keyPath(prefix: string, key: string): string {
  checkKey(key);
  return prefix + key.split("/").map(encodeURIComponent).join("/");
}

function normalAddress(text: string): string {
  return formatAddress(parseAddress(text, { defaultPort: DEFAULT_PORT }));
}

function headOfAnswer({ server, response: { headers } }: Answer): ValueHead {
  const length = headers.get("content-length");
  return {
    server,
    size: length === null ? undefined : Number(length),
    contentType: headers.get("content-type") ?? "application/octet-stream",
    version: headers.get("etag")?.replace(/^(W\/)?"|"$/g, ""),
    lastModified: headers.get("last-modified") ?? undefined,
  };
}

function putBody(value: PutValue, size: number | undefined): Body {
  if (typeof value === "string" || value instanceof Uint8Array) {
    return { repeatable: true, open: () => Promise.resolve(value) };
  }
  const open = typeof value === "function" ? value : () => value;
  return { repeatable: typeof value === "function", open: async () => sized(await open(), size) };
}

/** Without this a file that is cut short while it is read would be stored as it is. */
function sized(stream: ReadableStream<Uint8Array>, size: number | undefined): ReadableStream<Uint8Array> {
  if (size === undefined) return stream;
  let bytes = 0;
  const wrong = () =>
    new RangeError(`the value was to have ${size} bytes, and has ${bytes > size ? "more" : bytes}`);
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.length;
        if (bytes > size) throw wrong();
        controller.enqueue(chunk);
      },
      flush() {
        if (bytes < size) throw wrong();
      },
    }),
  );
}

function emptyStream(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.close() });
}
