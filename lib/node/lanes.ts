import { DhtError } from "../core/errors.ts";
import { addressOf, type OwnerId, storeIdOf } from "../core/layout.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ask, Call, Outcome } from "../wire.ts";
import { asDhtError, downError } from "./peer_errors.ts";

/** Operations that may wait for one peer; more are refused at once, as "overloaded". */
const MAX_WAITING = 20_000;
/** Operations in one message. */
const MAX_BATCH = 1_024;
/** Bytes of inline values in one message, roughly. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** Bytes of inline values that may wait for one peer. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024;

/** A message without an answer for so long is overtaken by the next: it may be lost, and its peer long back. */
const OVERTAKE_MS = 1_000;

/** Told how an operation ended. What it throws ends the program, as nobody waits for it, but not the telling. */
export type Settle = (outcome: Outcome) => void;

/** Operations for one address that rely on the same layouts. */
export interface CallMessage {
  /** The store that must answer; any store at the address where absent. */
  readonly toStoreId: string | undefined;
  readonly live: string | undefined;
  readonly calls: readonly Call[];
}

/** What lanes need of the node. */
export interface LanesDeps {
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Whether a peer is asked nothing at present. */
  isDown(address: string): boolean;
  /** Sends one message; resolves to the outcomes of its calls in their order. */
  send(address: string, message: CallMessage): Promise<readonly Outcome[]>;
}

interface Waiting {
  readonly live: string | undefined;
  readonly call: Call;
  readonly bytes: number;
  readonly settle: Settle;
}

interface Lane {
  readonly address: string;
  /** Counts the runs of `#drain`: only the last goes on to the next message. */
  turn: number;
  busy: boolean;
  /** When the last message was sent. */
  sentMs: number;
  /** Messages without an answer, with when they were sent: one, but where it was overtaken. */
  readonly underWay: Map<readonly Waiting[], number>;
  /** Operations that wait for the next message. */
  waiting: Waiting[];
  waitingBytes: number;
}

/**
 * Gathers operations for the same peer into messages: while one is under way, those that come make up the next. So
 * at rest nothing waits, and under load a message carries hundreds.
 *
 * One lane for each peer that is asked something, gone when all has been answered. What waits in it is bounded. A
 * message that is not answered holds up the others for a second; what waits when the peer is found to be down fails.
 */
export class Lanes {
  readonly #deps: LanesDeps;
  readonly #lanes = new Map<OwnerId, Lane>();

  constructor(deps: LanesDeps) {
    this.#deps = deps;
  }

  /**
   * Adds an operation, and has its outcome told once, never before this returns: what the peer answered, or
   * "peer_unreachable" or "overloaded".
   */
  add(owner: OwnerId, live: string | undefined, call: Call, settle: Settle): void {
    const known = this.#lanes.get(owner);
    const address = known?.address ?? addressOf(owner);
    if (this.#deps.isDown(address)) return refuse(settle, downError(address));
    const lane = known ?? this.#newLane(owner, address);
    if (lane.waiting.length >= MAX_WAITING || lane.waitingBytes > MAX_WAITING_BYTES) {
      return refuse(settle, overloaded(address, lane.waiting.length));
    }
    const bytes = inlineBytes(call);
    lane.waiting.push({ live, call, bytes, settle });
    lane.waitingBytes += bytes;
    if (!lane.busy || this.#mayOvertake(lane)) void this.#drain(owner, lane);
  }

  /** Peers that have left a message without an answer for that long. */
  silentFor(ms: number): string[] {
    const sentBeforeMs = this.#deps.clock.monotonicMs() - ms;
    const isSilent = ({ underWay }: Lane) => [...underWay.values()].some((sentMs) => sentMs <= sentBeforeMs);
    return [...this.#lanes.values()].filter(isSilent).map(({ address }) => address);
  }

  /** Has what waits behind a message without an answer go past it; to be called every second. */
  overtakeSilent(): void {
    for (const [owner, lane] of this.#lanes) {
      if (lane.waiting.length > 0 && this.#mayOvertake(lane)) void this.#drain(owner, lane);
    }
  }

  /**
   * Fails all that waits for a peer, also what is under way: a peer that hangs takes connections and answers none.
   * The lane is given up with it, so that what is asked once the peer is back does not wait for the last message.
   */
  fail(address: string): void {
    for (const [owner, lane] of this.#lanes) {
      if (lane.address !== address) continue;
      this.#lanes.delete(owner);
      lane.waitingBytes = 0;
      const error = downError(address);
      const givenUp = [...[...lane.underWay.keys()].flat(), ...lane.waiting.splice(0)];
      lane.underWay.clear();
      for (const waiting of givenUp) tell(waiting, { ok: false, error });
    }
  }

  /** Whether the last message to a peer has been without an answer for long: they all end in the end, so few are. */
  #mayOvertake({ underWay, sentMs }: Lane): boolean {
    return underWay.size > 0 && this.#deps.clock.monotonicMs() - sentMs >= OVERTAKE_MS;
  }

  /** Sends one message after the other while operations wait. */
  async #drain(owner: OwnerId, lane: Lane): Promise<void> {
    const turn = ++lane.turn;
    lane.busy = true;
    while (lane.turn === turn && lane.waiting.length > 0) {
      const batch = takeBatch(lane);
      lane.sentMs = this.#deps.clock.monotonicMs();
      lane.underWay.set(batch, lane.sentMs);
      const message = {
        toStoreId: storeIdOf(owner),
        live: batch[0]!.live,
        calls: batch.map((waiting) => waiting.call),
      };
      let outcomes: readonly Outcome[] | undefined;
      let failure: DhtError | undefined;
      try {
        outcomes = await this.#deps.send(lane.address, message);
      } catch (error) {
        failure = asDhtError(error);
      }
      // Unless all that waited for this peer has been given up meanwhile: nobody is told twice.
      if (!lane.underWay.delete(batch)) continue;
      for (let i = 0; i < batch.length; i++) {
        tell(batch[i]!, outcomes?.[i] ?? { ok: false, error: failure! });
      }
    }
    if (lane.turn === turn) lane.busy = false;
    const isDone = !lane.busy && lane.underWay.size === 0;
    if (isDone && this.#lanes.get(owner) === lane) this.#lanes.delete(owner);
  }

  #newLane(owner: OwnerId, address: string): Lane {
    const lane: Lane = {
      address,
      turn: 0,
      busy: false,
      sentMs: -Infinity,
      underWay: new Map(),
      waiting: [],
      waitingBytes: 0,
    };
    this.#lanes.set(owner, lane);
    return lane;
  }
}

/** The first operations that wait, as far as they rely on the same layouts and fit one message. */
function takeBatch(lane: Lane): Waiting[] {
  const { live } = lane.waiting[0]!;
  let bytes = 0;
  let count = 0;
  for (const waiting of lane.waiting) {
    bytes += waiting.bytes;
    if (waiting.live !== live || count >= MAX_BATCH || (count > 0 && bytes > MAX_BATCH_BYTES)) break;
    count++;
  }
  const batch = lane.waiting.splice(0, count);
  for (const waiting of batch) lane.waitingBytes -= waiting.bytes;
  return batch;
}

/** All others of the batch are told, whatever comes of it, and the lane goes on. */
function tell({ settle }: Waiting, outcome: Outcome): void {
  try {
    settle(outcome);
  } catch (error) {
    // Of this program's own making: not hidden, so that nothing goes on by guessing.
    void Promise.reject(error);
  }
}

function refuse(settle: Settle, error: DhtError): void {
  void Promise.resolve().then(() => settle({ ok: false, error }));
}

function inlineBytes(call: Call): number {
  if (call.op !== "write") return 0;
  return (call.ask as Ask<"write">).entry.length;
}

function overloaded(address: string, waiting: number): DhtError {
  return new DhtError("overloaded", `Cannot ask ${address}: ${waiting} operations wait for it already`, {
    node: address,
  });
}
