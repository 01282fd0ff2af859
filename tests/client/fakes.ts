import { type ClientClock, type Fetch, MyDhtClient } from "../../lib/client.ts";

/** Turns of the event loop in which what does not wait for the clock goes on. */
const TURNS = 10;
/** How long files and the like are waited for in real milliseconds, where nothing waits for the clock. */
const REAL_PATIENCE_MS = 20_000;

/** A clock that stands still until everything that could happen has happened, and then goes to the next alarm. */
export class FakeClock implements ClientClock {
  #nowMs = 0;
  #alarms: { atMs: number; ring: () => void }[] = [];
  /** How long each sleep was to be, in the order they began. */
  readonly sleptMs: number[] = [];

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.sleptMs.push(ms);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const alarm = { atMs: this.#nowMs + ms, ring: resolve };
      this.#alarms.push(alarm);
      signal?.addEventListener("abort", () => {
        this.#alarms = this.#alarms.filter((other) => other !== alarm);
        reject(signal.reason);
      });
    });
  }

  /** Alarms that have not rung: a call that ended leaves none. */
  get pending(): number {
    return this.#alarms.length;
  }

  /** Goes to the next alarm. */
  advance(): void {
    const next = this.#alarms.toSorted((a, b) => a.atMs - b.atMs)[0];
    if (next === undefined) throw new Error("nothing is waited for: the promise never settles");
    this.#nowMs = next.atMs;
    this.#alarms = this.#alarms.filter((other) => other !== next);
    next.ring();
  }

  /** Lets time pass until the promise settles. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    promise.then(() => isSettled = true, () => isSettled = true);
    const realDeadlineMs = performance.now() + REAL_PATIENCE_MS;
    while (true) {
      for (let turn = 0; turn < TURNS; turn++) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        if (isSettled) return promise;
      }
      // Without an alarm it can only be a real file that is waited for, and a busy machine takes its time.
      if (this.pending > 0 || performance.now() > realDeadlineMs) this.advance();
    }
  }
}

/** A request as the network would see it. */
export interface SentRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** What a fake server does with a request. */
export type Reply = (request: SentRequest, signal: AbortSignal) => Response | Promise<Response>;

/** A network of one reply for each request in turn; the last one stays. */
export function fakeFetch(...replies: Reply[]): { readonly fetch: Fetch; readonly sent: SentRequest[] } {
  const sent: SentRequest[] = [];
  return {
    sent,
    async fetch(url, init) {
      const reply = replies[Math.min(sent.length, replies.length - 1)]!;
      const signal = init.signal ?? new AbortController().signal;
      const body = await bytesOf(init.body, signal);
      const request = { method: init.method ?? "GET", url, headers: new Headers(init.headers), body };
      sent.push(request);
      signal.throwIfAborted();
      return await reply(request, signal);
    },
  };
}

async function bytesOf(body: BodyInit | null | undefined, signal: AbortSignal): Promise<Uint8Array> {
  if (!(body instanceof ReadableStream)) return await new Response(body ?? null).bytes();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  try {
    for await (const chunk of body as ReadableStream<Uint8Array<ArrayBuffer>>) {
      signal.throwIfAborted();
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new TypeError("fetch failed", { cause });
  }
  return await new Blob(chunks).bytes();
}

/** A 200 with JSON. */
export function ok(json: unknown): Reply {
  return () => Response.json(json);
}

/** A problem document. */
export function problem(
  status: number,
  code: string,
  detail = code,
  headers: Record<string, string> = {},
): Reply {
  return () =>
    new Response(
      JSON.stringify({ type: "about:blank", title: code, status, detail, code, required: 2, asked: 3 }),
      {
        status,
        headers: { "content-type": "application/problem+json", ...headers },
      },
    );
}

/** What Deno's `fetch` fails with where nobody listens. */
export function refused(): never {
  throw new TypeError("fetch failed", {
    cause: new Error(
      "error sending request for url (http://localhost:50140/): client error (Connect): tcp connect error: " +
        "Connection refused (os error 111)",
    ),
  });
}

/** What Deno's `fetch` fails with where the other side goes in the middle. */
export function broken(): never {
  throw new TypeError("fetch failed", {
    cause: new Error("client error (SendRequest): connection closed before message completed"),
  });
}

/** A node that never answers. */
export function silent(_request: SentRequest, signal: AbortSignal): Promise<Response> {
  return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

/** A value as a node serves it, with its true size and checksum unless told otherwise. */
export function value(bytes: Uint8Array<ArrayBuffer> | string, headers: Record<string, string> = {}): Reply {
  return async () => {
    const data = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", data)).toBase64();
    return new Response(data, {
      headers: {
        "content-length": String(data.length),
        "content-type": "text/plain; charset=utf-8",
        etag: '"1-0-a.1"',
        "repr-digest": `sha-256=:${sha256}:`,
        ...headers,
      },
    });
  };
}

/** What a node answers to a put. */
export const PUT_ANSWER = {
  key: "k",
  timestamp: 1.5,
  version: "1500-0-a.1",
  size: 1,
  replicas: ["localhost:50140"],
  expires: null,
};

/** Answers a put as well as a task that is over. */
export const DONE = ok({ ...PUT_ANSWER, done: true, error: null });

/** A client in a world of its own. */
export function setup(
  replies: readonly Reply[],
  options: { server?: string | string[]; secret?: string } = {},
) {
  const clock = new FakeClock();
  const network = fakeFetch(...replies);
  const client = new MyDhtClient({ ...options, clock, fetch: network.fetch });
  return { clock, client, sent: network.sent, settle: <T>(promise: Promise<T>) => clock.settle(promise) };
}

/** Deno's fetch errors while it sends a stream only once it has read from it. */
export function streamOf(...chunks: string[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks.map((chunk) => new TextEncoder().encode(chunk)));
}

/** All of a stream, as text. */
export async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).text();
}
