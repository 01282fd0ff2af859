import { DhtError, InvariantError } from "../core/errors.ts";
import { FailureDetector, type PeerHealth } from "../core/failure_detector.ts";
import { addressOf, type LiveLayouts, liveName, type OwnerId, storeIdOf } from "../core/layout.ts";
import type { Clock } from "../ports/clock.ts";
import type { Transport } from "../ports/transport.ts";
import {
  type Answer,
  type Ask,
  type Call,
  decodeReply,
  encodeRequest,
  type Operation,
  type Outcome,
} from "../wire.ts";
import { type CallMessage, Lanes, type Settle } from "./lanes.ts";
import { asDhtError, downError } from "./peer_errors.ts";
import type { RingKeeper } from "./ring_keeper.ts";

/** How long an ordinary operation may take. */
export const CALL_TIMEOUT_MS = 5_000;

/** Options of one operation. */
export interface AskOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /**
   * "shared" (default): gathered with others for the same peer while a message to it is under way.
   * "own": a message of its own at once, for what is large or slow.
   */
  readonly lane?: "shared" | "own";
}

/** Answers operations that this node asks of itself, without a message. */
export interface LocalReplica {
  handle(live: string | undefined, call: Call): Promise<unknown>;
}

/** Asks other nodes, and knows which of them answer. */
export class Peers {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #keeper: RingKeeper;
  readonly #lanes: Lanes;
  readonly #detector = new FailureDetector();
  readonly #recoveryListeners: ((address: string) => void)[] = [];
  #replica: LocalReplica | undefined;
  /** Messages sent, operations in them, and their bytes with those of the answers. */
  readonly sent = { messages: 0, operations: 0, bytes: 0 };

  constructor(deps: { transport: Transport; clock: Clock; keeper: RingKeeper }) {
    this.#transport = deps.transport;
    this.#clock = deps.clock;
    this.#keeper = deps.keeper;
    this.#lanes = new Lanes({
      clock: deps.clock,
      isDown: (address) => this.isDown(address),
      send: (address, message) => this.#send(address, message, {}),
    });
  }

  /** Says who answers for this node itself; to be called once, before anything is asked. */
  connect(replica: LocalReplica): void {
    this.#replica = replica;
  }

  /** Whether the peer failed to answer several times in a row and has not answered since. */
  isDown(address: string): boolean {
    return this.#detector.isDown(address);
  }

  /** What people are told of a peer. */
  health(address: string): PeerHealth {
    return this.#detector.health(address, this.#clock.monotonicMs());
  }

  /** What this node knows of who answers: for who probes. */
  get detector(): FailureDetector {
    return this.#detector;
  }

  /** Peers that have left a message of this node without an answer for that long. */
  silentFor(ms: number): string[] {
    return this.#lanes.silentFor(ms);
  }

  /** A peer did not answer a probe either, while a message to it is without an answer: that is twice. */
  noteSilence(address: string, ms: number): void {
    if (this.silentFor(ms).includes(address)) this.#missed(address);
  }

  /** Has what waits behind a message without an answer go past it; to be called every second. */
  overtakeSilent(): void {
    this.#lanes.overtakeSilent();
  }

  /** Tells of the peers that have come back: at once, or later where they come and go; to be called every second. */
  tellRecoveries(): void {
    for (const address of this.#detector.recoveries(this.#clock.monotonicMs())) {
      for (const listener of this.#recoveryListeners) listener(address);
    }
  }

  /** Whether a node of this ring answers at an address. */
  async reaches(address: string, options: AskOptions): Promise<boolean> {
    return await this.control(address, "exchange", { hash: this.#keeper.hash, whole: false }, options).then(
      () => true,
      () => false,
    );
  }

  /** Calls `listener` when a peer that was down answers again; seldom for one that comes and goes. */
  onRecovery(listener: (address: string) => void): void {
    this.#recoveryListeners.push(listener);
  }

  /**
   * Asks one owner something that relies on the layouts `live`; on none where
   * that is undefined.
   *
   * @throws {DhtError} "layout_mismatch" after both sides have been told what the other knew; otherwise what the owner answered, or "peer_unreachable".
   */
  ask<Op extends Operation>(
    owner: OwnerId,
    live: LiveLayouts | undefined,
    op: Op,
    ask: Ask<Op>,
    options: AskOptions = {},
  ): Promise<Answer<Op>> {
    const call = { op, ask };
    if (owner === this.#keeper.selfId) return this.#askSelf(this.#nameOf(live), call) as Promise<Answer<Op>>;
    if (options.lane === "own") return this.#askAlone(owner, live, call, options) as Promise<Answer<Op>>;
    return new Promise<unknown>((resolve, reject) => {
      this.#lanes.add(owner, this.#nameOf(live), call, (outcome) => {
        if (outcome.ok) resolve(outcome.answer);
        else reject(outcome.error);
      });
    }) as Promise<Answer<Op>>;
  }

  /**
   * Asks as `ask` does, and has the outcome told instead of promised: for what is asked of several owners for each
   * request. Never told before this returns.
   */
  tell<Op extends Operation>(
    owner: OwnerId,
    live: LiveLayouts | undefined,
    op: Op,
    ask: Ask<Op>,
    settle: Settle,
  ): void {
    const call = { op, ask };
    if (owner !== this.#keeper.selfId) return this.#lanes.add(owner, this.#nameOf(live), call, settle);
    this.#askSelf(this.#nameOf(live), call).then(
      (answer) => settle({ ok: true, answer }),
      (error) => settle({ ok: false, error: asDhtError(error) }),
    );
  }

  #nameOf(live: LiveLayouts | undefined): string | undefined {
    return live && (live === this.#keeper.live ? this.#keeper.liveName : liveName(live));
  }

  /** Asks whatever store is at an address something that relies on no layout. Tried also where it is down. */
  async control<Op extends Operation>(
    address: string,
    op: Op,
    ask: Ask<Op>,
    options: AskOptions = {},
  ): Promise<Answer<Op>> {
    const call = { op, ask };
    if (address === this.#keeper.self.address) return await this.#askSelf(undefined, call) as Answer<Op>;
    const [outcome] = await this.#send(
      address,
      { toStoreId: undefined, live: undefined, calls: [call] },
      options,
    );
    return unwrap(outcome) as Answer<Op>;
  }

  /**
   * Makes sure that a store answers at an address, whether it is in this ring or in none.
   *
   * @throws {DhtError} "peer_unreachable"; "wrong_store" if another one does; "wrong_ring" if it is in another ring.
   */
  async greet(address: string, storeId: string, options: AskOptions): Promise<void> {
    const calls = [{ op: "task", ask: { id: "" } } as const];
    try {
      await this.#send(address, { toStoreId: storeId, live: undefined, calls }, options);
    } catch (error) {
      if (!(error instanceof DhtError && error.code === "not_in_ring")) throw error;
    }
  }

  #askSelf(live: string | undefined, call: Call): Promise<unknown> {
    if (this.#replica === undefined) throw new InvariantError("Peers asked before a replica was connected");
    return this.#replica.handle(live, call);
  }

  async #askAlone(
    owner: OwnerId,
    live: LiveLayouts | undefined,
    call: Call,
    options: AskOptions,
  ): Promise<unknown> {
    const address = addressOf(owner);
    if (this.isDown(address)) throw downError(address);
    const message = { toStoreId: storeIdOf(owner), live: this.#nameOf(live), calls: [call] };
    const [outcome] = await this.#send(address, message, options);
    return unwrap(outcome);
  }

  async #send(
    address: string,
    message: CallMessage,
    options: AskOptions,
  ): Promise<readonly Outcome[]> {
    const ringId = this.#keeper.inRing ? this.#keeper.state.ringId : undefined;
    const request = encodeRequest({ ...message, ringId, from: this.#keeper.self });
    this.sent.messages++;
    this.sent.operations += message.calls.length;
    this.sent.bytes += request.length;
    const timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS;
    let answer: Uint8Array;
    try {
      answer = await this.#transport.call(address, request, {
        timeoutMs,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
    } catch (error) {
      if (options.signal?.aborted !== true) this.#missed(address);
      throw error;
    }
    this.sent.bytes += answer.length;
    const reply = decodeReply(answer, message.calls);
    this.#heard(address);
    if (reply.kind === "results") return reply.outcomes;
    if (reply.ring !== undefined) await this.#catchUp(address, reply.ring);
    throw reply.error;
  }

  /** Learns what the peer knows, and tells it what it does not: one of the two was behind. */
  async #catchUp(address: string, theirs: Parameters<RingKeeper["merge"]>[0]): Promise<void> {
    await this.#keeper.merge(theirs);
    // Not awaited to the end by those whose call was refused: they ask again, and may be refused again.
    await this.control(address, "merge", { ring: this.#keeper.state }).catch(() => {});
  }

  #heard(address: string): void {
    const wasDown = this.isDown(address);
    this.#detector.heard(address);
    if (wasDown) this.tellRecoveries();
  }

  #missed(address: string): void {
    // Of a store that was at this node's own address before: nobody would ever find that it answers again.
    if (address === this.#keeper.self.address) return;
    if (this.#detector.missed(address, this.#clock.monotonicMs())) this.#lanes.fail(address);
  }

  /** Sleeps as the peers' clock does: for retries between calls. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#clock.sleep(ms, signal);
  }
}

function unwrap(outcome: Outcome | undefined): unknown {
  if (outcome === undefined) throw new InvariantError("A reply had fewer results than its message had calls");
  if (outcome.ok) return outcome.answer;
  throw outcome.error;
}
