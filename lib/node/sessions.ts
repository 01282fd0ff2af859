import { decodeHex } from "@std/encoding/hex";
import { DhtError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { CallOptions, Transport } from "../ports/transport.ts";
import { decodeFrame, type Frame, frameHead } from "../wire/frames.ts";
import {
  decodeIntroduction,
  decodeText,
  encodeIntroduction,
  NONCE_BYTES,
  type RingKeys,
  ringKeys,
  type SessionKeys,
  sessionKeys,
} from "./session_keys.ts";

const HANDSHAKE_TIMEOUT_MS = 2_000;
/** A session that was not used for so long is not used again: the peer forgets it a little later. */
const IDLE_MS = 10 * 60_000;
/** Sessions with peers; past that the one that was used least recently is forgotten. */
const MAX_SESSIONS = 2_048;

/** A session with one run of a peer. */
interface Session {
  readonly id: bigint;
  /** The peer's own name for itself. */
  readonly peer: string;
  readonly keys: SessionKeys;
  counter: number;
  usedMs: number;
}

/** What the sending side needs. */
export interface SessionsDeps {
  /** Carries the frames. */
  readonly transport: Transport;
  readonly secret: string;
  /** This node's own name, `host:port`. */
  readonly self: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether a node that answers at an address must be known by that very name; of the first one to join, only an alias may be known. */
  mustBe(address: string): boolean;
}

/**
 * A `Transport` for nodes that share a secret, which itself is never sent: each message travels in a frame whose
 * MAC covers a session and a counter, and so does its reply.
 *
 * A session begins with a handshake before the first call to a peer, and ends with either process. A peer that does
 * not know the session (it was restarted) says so under the secret; the call is then made once more, in a new one.
 */
export class Sessions implements Transport {
  readonly #deps: SessionsDeps;
  readonly #keys: RingKeys;
  readonly #sessions = new Map<string, Session>();
  readonly #handshakes = new Map<string, Promise<Session>>();

  constructor(deps: SessionsDeps) {
    this.#deps = deps;
    this.#keys = ringKeys(deps.secret);
  }

  /** @throws {DhtError} "unauthorized" where the peer has another secret, or none; otherwise as the port says. */
  async call(address: string, message: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const { clock } = this.#deps;
    const startMs = clock.monotonicMs();
    const known = this.#known(address);
    const session = known ?? await this.#opened(address, options);
    const timeLeft = () => ({ ...options, timeoutMs: options.timeoutMs - (clock.monotonicMs() - startMs) });
    const reply = await this.#exchange(address, session, message, known === undefined ? timeLeft() : options);
    if (reply !== "gone") return reply;
    // Refused under the secret, and so not acted upon by this run: the only failure after which a call is repeated here.
    if (this.#sessions.get(address) === session) this.#sessions.delete(address);
    const renewed = this.#known(address) ?? await this.#opened(address, timeLeft());
    const again = await this.#exchange(address, renewed, message, timeLeft());
    if (again === "gone") throw unreachable(address, "it forgets its sessions at once");
    return again;
  }

  #known(address: string): Session | undefined {
    const session = this.#sessions.get(address);
    if (session === undefined) return undefined;
    const nowMs = this.#deps.clock.monotonicMs();
    this.#sessions.delete(address);
    if (nowMs - session.usedMs > IDLE_MS) return undefined;
    session.usedMs = nowMs;
    // Behind the others, as the one that was used last.
    this.#sessions.set(address, session);
    return session;
  }

  async #exchange(
    address: string,
    session: Session,
    message: Uint8Array,
    options: CallOptions,
  ): Promise<Uint8Array | "gone"> {
    const counter = ++session.counter;
    const frame = session.keys.there.seal(frameHead("message", session.id, counter), message);
    const answer = decodeFrame(await this.#deps.transport.call(address, frame, options));
    if (answer?.session === session.id && answer.counter === counter) {
      if (answer.kind === "reply" && session.keys.back.opens(answer)) return answer.body;
      if (answer.kind === "gone" && this.#refuses(answer, frame, session.peer)) return "gone";
    }
    // The next call greets whoever is there now, and so finds out whether it has another secret.
    if (this.#sessions.get(address) === session) this.#sessions.delete(address);
    throw unreachable(address, "its answer is not a genuine one to this message");
  }

  /** Whether that very peer refuses that very frame. */
  #refuses(answer: Frame, asked: Uint8Array, peer: string): boolean {
    return this.#keys.refusal.opens(answer, decodeFrame(asked)!.mac) && decodeText(answer.body) === peer;
  }

  /** The session that a handshake opens: one at a time with each peer, whoever waits for it. */
  #opened(address: string, options: CallOptions): Promise<Session> {
    let handshake = this.#handshakes.get(address);
    if (handshake === undefined) {
      handshake = this.#handshake(address).finally(() => this.#handshakes.delete(address));
      // Those who wait hear of a failure; perhaps nobody does any more.
      handshake.catch(() => {});
      this.#handshakes.set(address, handshake);
    }
    return this.#within(options, address, handshake);
  }

  async #handshake(address: string): Promise<Session> {
    const { transport, self, random, clock } = this.#deps;
    const nonce = decodeHex(random.hex(NONCE_BYTES));
    const introduction = encodeIntroduction({ nonce, names: [self, address] });
    const hello = this.#keys.hello.seal(frameHead("hello", 0n, 0), introduction);
    const data = await transport.call(address, hello, { timeoutMs: HANDSHAKE_TIMEOUT_MS });
    const welcome = decodeFrame(data);
    if (welcome?.kind === "busy" && this.#refuses(welcome, hello, decodeText(welcome.body))) {
      throw busy(address);
    }
    if (welcome?.kind !== "welcome" || !this.#keys.welcome.opens(welcome, hello)) throw stranger(address);
    const peer = decodeIntroduction(welcome.body).names[0] ?? "";
    if (peer !== address && this.#deps.mustBe(address)) {
      throw unreachable(address, `${peer} answers there`);
    }
    const keys = sessionKeys(this.#keys, hello, data);
    const session = { id: welcome.session, peer, keys, counter: 0, usedMs: clock.monotonicMs() };
    this.#sessions.set(address, session);
    if (this.#sessions.size > MAX_SESSIONS) this.#forgetOldest();
    return session;
  }

  #forgetOldest(): void {
    for (const address of this.#sessions.keys()) return void this.#sessions.delete(address);
  }

  /** Waits for a handshake as long as the caller would. */
  async #within(options: CallOptions, address: string, handshake: Promise<Session>): Promise<Session> {
    const done = new AbortController();
    const { signal } = options;
    const giveUp = (): void => done.abort();
    if (signal?.aborted) throw unreachable(address, "the caller gave up");
    signal?.addEventListener("abort", giveUp, { once: true });
    const expired = this.#deps.clock.sleep(options.timeoutMs, done.signal).then(
      () => `timed out after ${options.timeoutMs} ms`,
      () => "the caller gave up",
    );
    try {
      const first = await Promise.race([handshake, expired]);
      if (typeof first === "string") throw unreachable(address, first);
      return first;
    } finally {
      signal?.removeEventListener("abort", giveUp);
      done.abort();
    }
  }
}

function unreachable(address: string, reason: string): DhtError {
  return new DhtError("peer_unreachable", `Cannot reach ${address}: ${reason}`, { node: address, reason });
}

function busy(address: string): DhtError {
  return new DhtError("overloaded", `Cannot call ${address}: it greets too many nodes at once`, {
    node: address,
  });
}

function stranger(address: string): DhtError {
  return new DhtError("unauthorized", `Cannot call ${address}: it does not have this ring's secret`, {
    node: address,
  });
}
