import { PEER_PATH } from "../api.ts";
import { DhtError } from "../core/errors.ts";
import type { CallOptions, Transport } from "../ports/transport.ts";
import { fetchFailureReason, isConnectionRefused } from "./fetch_failure.ts";

/** Bytes of the longest answer taken from a peer. */
const ANSWER_MAX_BYTES = 64 * 1024 * 1024;

/** Bytes of the longest problem document that is read. */
const PROBLEM_MAX_BYTES = 16 * 1024;

/** Connections kept open to one peer while they are idle. */
const IDLE_CONNECTIONS_PER_PEER = 64;

/** Bytes of a message that are handed to `fetch` at a time: it cuts a longer piece into one of this size and a tiny one. */
const PIECE_BYTES = 65_520;

/**
 * A `Transport` over HTTP: each call is one POST on a kept-alive connection.
 *
 * Port 443 is asked over https, all others over http. `localhost` is tried on
 * both loopback addresses, whichever of them its name stands for on this machine.
 */
export class HttpTransport implements Transport {
  readonly #client: Deno.HttpClient;
  readonly #headers: Headers;
  readonly #answerMaxBytes: number;
  readonly #underWay = new Set<AbortController>();
  /** The host that last answered for a `localhost` address, where it was not that name. */
  readonly #loopbackHosts = new Map<string, string>();
  #closed = false;

  constructor(options: { answerMaxBytes?: number } = {}) {
    this.#client = Deno.createHttpClient({ poolMaxIdlePerHost: IDLE_CONNECTIONS_PER_PEER });
    this.#headers = new Headers({ "content-type": "application/octet-stream" });
    this.#answerMaxBytes = options.answerMaxBytes ?? ANSWER_MAX_BYTES;
  }

  async call(address: string, message: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    if (this.#closed) throw unreachable(address, "this node is stopping");
    const controller = new AbortController();
    const giveUp = (): void => controller.abort(new GivenUp("the caller gave up", options.signal?.reason));
    const timer = setTimeout(() => {
      controller.abort(new GivenUp(`timed out after ${options.timeoutMs} ms`));
    }, options.timeoutMs);
    options.signal?.addEventListener("abort", giveUp, { once: true });
    if (options.signal?.aborted) giveUp();
    this.#underWay.add(controller);
    try {
      return await this.#exchange(address, message, controller.signal);
    } catch (error) {
      if (error instanceof DhtError) throw error;
      const { reason } = controller.signal;
      throw unreachable(
        address,
        reason instanceof GivenUp ? reason.message : fetchFailureReason(error),
        error,
      );
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", giveUp);
      this.#underWay.delete(controller);
    }
  }

  /** Ends the calls under way, which fail, and frees the connections. Calling it again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const controller of this.#underWay) controller.abort(new GivenUp("this node is stopping"));
    this.#client.close();
  }

  async #exchange(address: string, message: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const response = await this.#post(address, message, signal);
    if (response.status !== 200) throw await refusal(address, response);
    return await this.#answerOf(response, address);
  }

  /** Posts to the first host of an address that takes the connection. */
  async #post(address: string, message: Uint8Array, signal: AbortSignal): Promise<Response> {
    const hosts = this.#hostsOf(address);
    for (const [i, host] of hosts.entries()) {
      try {
        const response = await this.#postTo(host, message, signal);
        if (host !== address) this.#loopbackHosts.set(address, host);
        return response;
      } catch (error) {
        this.#loopbackHosts.delete(address);
        if (i === hosts.length - 1 || !isConnectionRefused(error)) throw error;
      }
    }
    throw new TypeError("An address has at least one host");
  }

  #postTo(host: string, message: Uint8Array, signal: AbortSignal): Promise<Response> {
    return fetch(peerUrl(host), {
      method: "POST",
      headers: this.#headers,
      body: sentOnce(message),
      redirect: "manual",
      signal,
      client: this.#client,
    });
  }

  #hostsOf(address: string): string[] {
    if (!address.startsWith("localhost:")) return [address];
    const port = address.slice("localhost".length);
    const hosts = [address, `127.0.0.1${port}`, `[::1]${port}`];
    const last = this.#loopbackHosts.get(address);
    return last === undefined ? hosts : [last, ...hosts.filter((host) => host !== last)];
  }

  async #answerOf(response: Response, address: string): Promise<Uint8Array> {
    const announced = Number(response.headers.get("content-length") ?? NaN);
    if (announced <= this.#answerMaxBytes) return new Uint8Array(await response.arrayBuffer());
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of response.body ?? []) {
      bytes += part.length;
      if (announced > this.#answerMaxBytes || bytes > this.#answerMaxBytes) {
        throw unreachable(address, `its answer is longer than ${this.#answerMaxBytes} bytes`);
      }
      parts.push(part);
    }
    return joined(parts, bytes);
  }
}

/** Where a node takes messages. */
export function peerUrl(address: string): string {
  return `${address.endsWith(":443") ? "https" : "http"}://${address}${PEER_PATH}`;
}

/**
 * A message as a body that is sent at most once.
 *
 * Bytes `fetch` would send again by itself where a kept-alive connection ends before the answer, though the peer may
 * have acted on them; and say that the connection was refused where the peer is gone by then. A stream it cannot repeat.
 */
function sentOnce(message: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at < message.length) controller.enqueue(message.subarray(at, at + PIECE_BYTES));
      at += PIECE_BYTES;
      if (at >= message.length) controller.close();
    },
  }, { highWaterMark: 0 });
}

/** Why a call was ended from this side. */
class GivenUp extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
  }
}

function unreachable(address: string, reason: string, cause?: unknown): DhtError {
  return new DhtError("peer_unreachable", `Cannot reach ${address}: ${reason}`, { node: address, reason }, {
    cause,
  });
}

async function refusal(address: string, response: Response): Promise<DhtError> {
  const { status } = response;
  const detail = await problemDetail(response);
  if (status === 401) {
    return new DhtError("unauthorized", `Cannot call ${address}: answered 401: wrong or missing secret`, {
      node: address,
      status,
    });
  }
  const reason = detail === undefined ? `answered ${status}` : `answered ${status}: ${detail}`;
  return new DhtError("peer_unreachable", `Cannot reach ${address}: ${reason}`, {
    node: address,
    reason,
    status,
  });
}

/** What a refusing node says of it; the body is done with afterwards. */
async function problemDetail(response: Response): Promise<string | undefined> {
  const bytes = Number(response.headers.get("content-length") ?? NaN);
  if (!response.headers.get("content-type")?.includes("problem+json") || !(bytes <= PROBLEM_MAX_BYTES)) {
    await response.body?.cancel();
    return undefined;
  }
  try {
    const { detail }: { detail?: unknown } = JSON.parse(await response.text()) ?? {};
    return typeof detail === "string" ? detail : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
