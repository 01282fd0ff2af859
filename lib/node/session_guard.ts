import { decodeHex } from "@std/encoding/hex";
import { DhtError } from "../core/errors.ts";
import { ReplayWindow } from "../core/replay_window.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import { decodeFrame, type Frame, FRAME_HEAD_BYTES, frameHead, isFramed } from "../wire/frames.ts";
import {
  decodeIntroduction,
  encodeIntroduction,
  encodeText,
  NONCE_BYTES,
  type RingKeys,
  ringKeys,
  type SessionKeys,
  sessionKeys,
} from "./session_keys.ts";

/** Sessions that have carried a message; past that the one that was used least recently is forgotten. */
const MAX_SESSIONS = 4_096;
/** Of those, with one peer: its runs, and what its handshakes left that crossed one another. */
const MAX_SESSIONS_PER_PEER = 4;
/** Sessions that have carried none yet: whoever repeats a recorded greeting gets no further than this. */
const MAX_GREETED = 256;
/** A session that was not used for so long is forgotten; a little longer than its sender would use it. */
const IDLE_MS = 11 * 60_000;
/** Handshakes that may come at once, and a second. */
const GREETINGS_BURST = 400;
const GREETINGS_PER_SECOND = 100;

/** Bytes of the longest greeting: two names and a nonce. */
const HELLO_MAX_BYTES = 1_024;

/** Answers one message: what a node does with those of its peers. Throws where it cannot be read. */
export type Receive = (message: Uint8Array) => Promise<Uint8Array>;

/** Where messages of peers come in. */
export interface Gate {
  readonly receive: Receive;
  /**
   * How much of a message need be kept for `receive` to answer it: what a stranger sends must not fill the memory.
   *
   * @param head Its first `FRAME_HEAD_BYTES` bytes or more.
   */
  bytesToKeep(head: Uint8Array): number;
}

/** A session that a peer opened with this node. */
interface GuestSession {
  readonly peer: string;
  readonly keys: SessionKeys;
  readonly window: ReplayWindow;
  usedMs: number;
}

/** What the receiving side needs. */
export interface GuardDeps {
  readonly secret: string;
  /** This node's own name, `host:port`. */
  readonly self: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Answers the messages that are genuine. */
  readonly receive: Receive;
}

/**
 * The receiving side of `Sessions`: lets through each genuine message once.
 *
 * Everything it keeps is bounded, and lost with the process: peers then greet it anew.
 */
export class SessionGuard implements Gate {
  readonly #deps: GuardDeps;
  readonly #keys: RingKeys;
  readonly #greeted = new Map<bigint, GuestSession>();
  readonly #sessions = new Map<bigint, GuestSession>();
  readonly #greetings: Allowance;

  constructor(deps: GuardDeps) {
    this.#deps = deps;
    this.#keys = ringKeys(deps.secret);
    this.#greetings = new Allowance(GREETINGS_BURST, GREETINGS_PER_SECOND, deps.clock.monotonicMs());
  }

  /** Sessions it knows. */
  get size(): number {
    return this.#sessions.size + this.#greeted.size;
  }

  /**
   * Answers one frame.
   *
   * @throws {DhtError} "unauthorized" for what was not made with the secret, "bad_message" for a frame that came
   * before or far too late; what the node itself throws.
   */
  async receive(data: Uint8Array): Promise<Uint8Array> {
    const frame = decodeFrame(data);
    if (frame?.kind === "hello" && this.#keys.hello.opens(frame)) return this.#welcome(frame, data);
    if (frame?.kind !== "message") throw stranger();
    const session = this.#sessionOf(frame);
    if (session === undefined) return this.#gone(frame);
    if (!session.keys.there.opens(frame)) throw stranger();
    if (!this.isNew(session.window, frame.counter)) throw repeated();
    this.#use(frame.session, session);
    const reply = await this.#deps.receive(frame.body);
    return session.keys.back.seal(frameHead("reply", frame.session, frame.counter), reply);
  }

  /** All of it only where it names a session, which strangers do not know; of others the head says what to answer. */
  bytesToKeep(head: Uint8Array): number {
    const frame = decodeFrame(head);
    if (frame?.kind === "hello") return HELLO_MAX_BYTES;
    const isKnown = frame?.kind === "message" && this.#sessionOf(frame) !== undefined;
    return isKnown ? Infinity : FRAME_HEAD_BYTES;
  }

  /** Whether a genuine frame is to be acted upon: it comes for the first time. */
  isNew(window: ReplayWindow, counter: number): boolean {
    return window.accept(counter);
  }

  #sessionOf({ session }: Frame): GuestSession | undefined {
    return this.#sessions.get(session) ?? this.#greeted.get(session);
  }

  #welcome(hello: Frame, data: Uint8Array): Uint8Array {
    const { self, random, clock } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (!this.#greetings.take(nowMs)) return this.#refuse("busy", hello);
    this.#forgetIdle(nowMs);
    const id = new DataView(decodeHex(random.hex(8)).buffer).getBigUint64(0);
    const nonce = decodeHex(random.hex(NONCE_BYTES));
    const introduction = encodeIntroduction({ nonce, names: [self] });
    const welcome = this.#keys.welcome.seal(frameHead("welcome", id, 0), introduction, data);
    const keys = sessionKeys(this.#keys, data, welcome);
    const peer = decodeIntroduction(hello.body).names[0] ?? "";
    this.#greeted.set(id, { peer, keys, window: new ReplayWindow(), usedMs: nowMs });
    forgetBeyond(MAX_GREETED, this.#greeted);
    return welcome;
  }

  /** Says under the secret that this session is not known: the frame was not acted upon by this run of the node. */
  #gone(frame: Frame): Uint8Array {
    return this.#refuse("gone", frame);
  }

  #refuse(kind: "gone" | "busy", { session, counter, mac }: Frame): Uint8Array {
    // With its name: another node, which was never asked, could say as much of this frame.
    const name = encodeText(this.#deps.self);
    return this.#keys.refusal.seal(frameHead(kind, session, counter), name, mac);
  }

  /** The session moves behind the others, as the one that was used last. */
  #use(id: bigint, session: GuestSession): void {
    session.usedMs = this.#deps.clock.monotonicMs();
    const isFirst = this.#greeted.delete(id);
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    if (!isFirst) return;
    const [oldest, ...others] = [...this.#sessions].filter(([, other]) => other.peer === session.peer);
    if (others.length >= MAX_SESSIONS_PER_PEER) this.#sessions.delete(oldest![0]);
    forgetBeyond(MAX_SESSIONS, this.#sessions);
  }

  #forgetIdle(nowMs: number): void {
    for (const sessions of [this.#greeted, this.#sessions]) {
      for (const [id, { usedMs }] of sessions) {
        if (nowMs - usedMs <= IDLE_MS) break;
        sessions.delete(id);
      }
    }
  }
}

/** What a node without a secret does: it answers plain messages, and tells those that have one. */
export function plainOnly(receive: Receive): Gate {
  return {
    async receive(message) {
      if (isFramed(message)) throw new DhtError("unauthorized", "Cannot answer: this node has no secret");
      return await receive(message);
    },
    bytesToKeep: () => Infinity,
  };
}

/** Something that may be done so many times at once, and so many times a second. */
class Allowance {
  #left: number;
  #atMs: number;

  constructor(readonly most: number, readonly perSecond: number, nowMs: number) {
    this.#left = most;
    this.#atMs = nowMs;
  }

  take(nowMs: number): boolean {
    this.#left = Math.min(this.most, this.#left + (nowMs - this.#atMs) / 1_000 * this.perSecond);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}

function forgetBeyond(most: number, sessions: Map<bigint, GuestSession>): void {
  for (const id of sessions.keys()) {
    if (sessions.size <= most) return;
    sessions.delete(id);
  }
}

function stranger(): DhtError {
  return new DhtError("unauthorized", "Cannot answer: wrong or missing secret");
}

function repeated(): DhtError {
  return new DhtError("bad_message", "Cannot answer: this message came before, or comes far too late");
}
