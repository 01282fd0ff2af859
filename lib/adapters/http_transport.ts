import { DhtError } from "../core/errors.ts";
import type { CallOptions, Transport } from "../ports/transport.ts";
import { Deadlines } from "./deadlines.ts";
import { fetchFailureReason } from "./fetch_failure.ts";
import { AnswerTooLong, type HttpAnswer } from "./http_answer.ts";
import { exchangeOverHttps } from "./https_exchange.ts";
import { GivenUp, PeerCall } from "./peer_call.ts";
import { PeerConnections } from "./peer_connections.ts";

/** Bytes of the longest answer taken from a peer. */
const ANSWER_MAX_BYTES = 64 * 1024 * 1024;

/** Connections kept open to one peer over https while they are idle. */
const IDLE_CONNECTIONS_PER_PEER = 64;

/**
 * A `Transport` over HTTP: each call is one POST on a kept-alive connection, sent at most once.
 *
 * Port 443 is asked over https, by `fetch`; all others over http, by connections of our own, as `fetch` costs several
 * times as much. `localhost` is tried on both loopback addresses, whichever of them its name stands for on this machine.
 */
export class HttpTransport implements Transport {
  readonly #answerMaxBytes: number;
  readonly #deadlines = new Deadlines();
  readonly #connections = new Map<string, PeerConnections>();
  readonly #underWay = new Set<PeerCall>();
  #client: Deno.HttpClient | undefined;
  #closed = false;

  constructor(options: { answerMaxBytes?: number } = {}) {
    this.#answerMaxBytes = options.answerMaxBytes ?? ANSWER_MAX_BYTES;
  }

  async call(address: string, message: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const { timeoutMs, signal } = options;
    if (this.#closed) throw unreachable(address, "this node is stopping");
    if (signal?.aborted) throw unreachable(address, GAVE_UP, signal.reason);
    const call = new PeerCall(message, { timeoutMs, answerMaxBytes: this.#answerMaxBytes });
    const giveUp = signal && ((): void => call.fail(new GivenUp(GAVE_UP, { cause: signal.reason })));
    if (giveUp !== undefined) signal?.addEventListener("abort", giveUp, { once: true });
    this.#underWay.add(call);
    this.#deadlines.add(call);
    this.#send(address, call);
    let answer: HttpAnswer;
    try {
      answer = await call.answered;
    } catch (error) {
      throw unreachable(address, reasonOf(error), error);
    } finally {
      this.#underWay.delete(call);
      this.#deadlines.delete(call);
      if (giveUp !== undefined) signal?.removeEventListener("abort", giveUp);
    }
    if (answer.status === 200) return answer.body!;
    throw refusal(address, answer);
  }

  /** Ends the calls under way, which fail, and frees the connections. Calling it again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const call of this.#underWay) call.fail(new GivenUp("this node is stopping"));
    for (const connections of this.#connections.values()) connections.close();
    this.#connections.clear();
    this.#deadlines.close();
    this.#client?.close();
  }

  #send(address: string, call: PeerCall): void {
    if (isHttps(address)) return this.#sendOverHttps(address, call);
    let connections = this.#connections.get(address);
    if (connections === undefined) {
      connections = new PeerConnections(address, this.#deadlines, () => this.#connections.delete(address));
      this.#connections.set(address, connections);
    }
    connections.send(call);
  }

  #sendOverHttps(address: string, call: PeerCall): void {
    this.#client ??= Deno.createHttpClient({ poolMaxIdlePerHost: IDLE_CONNECTIONS_PER_PEER });
    const client = this.#client;
    const controller = new AbortController();
    call.carrier = { close: () => controller.abort() };
    const { message, answerMaxBytes } = call;
    exchangeOverHttps({ address, message, answerMaxBytes, client, signal: controller.signal })
      .then((answer) => call.succeed(answer), (error) => call.fail(error));
  }
}

const GAVE_UP = "the caller gave up";

/** Whether messages to an address are sent over https. */
export function isHttps(address: string): boolean {
  return address.endsWith(":443");
}

function reasonOf(error: unknown): string {
  const isPlain = error instanceof GivenUp || error instanceof AnswerTooLong;
  return isPlain ? error.message : fetchFailureReason(error);
}

function unreachable(address: string, reason: string, cause?: unknown): DhtError {
  return new DhtError("peer_unreachable", `Cannot reach ${address}: ${reason}`, { node: address, reason }, {
    cause,
  });
}

function refusal(address: string, answer: HttpAnswer): DhtError {
  const { status } = answer;
  if (status === 401) {
    return new DhtError("unauthorized", `Cannot call ${address}: answered 401: wrong or missing secret`, {
      node: address,
      status,
    });
  }
  const detail = problemDetail(answer);
  const reason = detail === undefined ? `answered ${status}` : `answered ${status}: ${detail}`;
  return new DhtError("peer_unreachable", `Cannot reach ${address}: ${reason}`, {
    node: address,
    reason,
    status,
  });
}

/** What a refusing node says of it. */
function problemDetail({ isProblem, body }: HttpAnswer): string | undefined {
  if (!isProblem || body === undefined) return undefined;
  try {
    const { detail }: { detail?: unknown } = JSON.parse(new TextDecoder().decode(body)) ?? {};
    return typeof detail === "string" ? detail : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
