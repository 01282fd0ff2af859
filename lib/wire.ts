/**
 * Messages between nodes: MessagePack arrays, with every field checked on the way in.
 *
 * One message carries many operations for one peer, and its reply their results
 * in the same order. Fields may be added at the end of a shape; anything else is a new `WIRE_VERSION`.
 */
import { DHT_ERROR_CODES, DhtError, type ErrorFacts } from "./core/errors.ts";
import type { RingState } from "./core/membership.ts";
import { oneOf, optional, text, TEXT_MAX_LENGTH } from "./core/shape.ts";
import { type Operation, OPERATIONS } from "./wire/operations.ts";
import { malformed, pack, unpack } from "./wire/packing.ts";
import { ring } from "./wire/ring_format.ts";

export type { Answer, Ask, Handlers, Operation } from "./wire/operations.ts";
export type { KeyedRecord } from "./wire/record_list.ts";
export { WIRE_VERSION } from "./wire/packing.ts";
export { decodeRing, encodeRing } from "./wire/ring_format.ts";

const errorCode = oneOf(...DHT_ERROR_CODES);

/** One operation of a message, still without its types. */
export interface Call {
  readonly op: Operation;
  readonly ask: unknown;
}

/** How one operation ended. */
export type Outcome = { readonly ok: true; readonly answer: unknown } | {
  readonly ok: false;
  readonly error: DhtError;
};

/** A message: who asks whom, relying on what, for what. */
export interface RequestMessage {
  /** Undefined only from a node that wants to join. */
  readonly ringId: string | undefined;
  readonly from: { readonly address: string; readonly storeId: string };
  /** The store that must answer; undefined where any store at the address may. */
  readonly toStoreId: string | undefined;
  /** `liveName` of the layouts relied on; undefined for operations that rely on none. */
  readonly live: string | undefined;
  readonly calls: readonly Call[];
}

/** The answer to a message: a result for each operation, or one refusal of them all, with the ring to catch up with. */
export type ReplyMessage =
  | { readonly kind: "results"; readonly outcomes: readonly Outcome[] }
  | { readonly kind: "refused"; readonly error: DhtError; readonly ring: RingState | undefined };

/** Encodes a message. */
export function encodeRequest(message: RequestMessage): Uint8Array {
  const { ringId, from, toStoreId, live, calls } = message;
  return pack([
    ringId ?? null,
    from.address,
    from.storeId,
    toStoreId ?? null,
    live ?? null,
    calls.map(({ op, ask }) => [op, OPERATIONS[op].ask.encode(ask as never)]),
  ]);
}

/** @throws {DhtError} "bad_message" */
export function decodeRequest(data: Uint8Array): RequestMessage {
  const [ringId, address, storeId, toStoreId, live, calls] = unpack(data);
  if (!Array.isArray(calls)) throw malformed();
  return {
    ringId: optional(text).decode(ringId),
    from: { address: text.decode(address), storeId: text.decode(storeId) },
    toStoreId: optional(text).decode(toStoreId),
    live: optional(text).decode(live),
    calls: calls.map((call) => {
      if (!Array.isArray(call)) throw malformed();
      const op = operation(call[0]);
      return { op, ask: OPERATIONS[op].ask.decode(call[1]) };
    }),
  };
}

/** Encodes the reply to a message with those calls. */
export function encodeReply(reply: ReplyMessage, calls: readonly Call[]): Uint8Array {
  if (reply.kind === "refused") {
    return pack([
      encodeError(reply.error),
      reply.ring ? ring.encode(reply.ring) : null,
    ]);
  }
  return pack([
    reply.outcomes.map((outcome, i) =>
      outcome.ok
        ? [OPERATIONS[calls[i]!.op].answer.encode(outcome.answer as never)]
        : [null, encodeError(outcome.error)]
    ),
  ]);
}

/** @throws {DhtError} "bad_message" */
export function decodeReply(data: Uint8Array, calls: readonly Call[]): ReplyMessage {
  const [first, second] = unpack(data);
  if (!Array.isArray(first)) throw malformed();
  if (typeof first[0] === "string") {
    return { kind: "refused", error: decodeError(first), ring: optional(ring).decode(second) };
  }
  if (first.length !== calls.length) throw malformed();
  const outcomes = first.map((result: unknown, i): Outcome => {
    if (!Array.isArray(result)) throw malformed();
    if (result.length > 1) return { ok: false, error: decodeError(result[1]) };
    return { ok: true, answer: OPERATIONS[calls[i]!.op].answer.decode(result[0]) };
  });
  return { kind: "results", outcomes };
}

function operation(name: unknown): Operation {
  if (typeof name === "string" && Object.hasOwn(OPERATIONS, name)) return name as Operation;
  throw new DhtError("bad_message", `Cannot read message: unknown operation`);
}

function encodeError(error: DhtError): unknown[] {
  // A message may quote a reason of any length; what is longer than a text would not be read at all.
  return [error.code, error.message.slice(0, TEXT_MAX_LENGTH), error.facts];
}

function decodeError(data: unknown): DhtError {
  if (!Array.isArray(data)) throw malformed();
  const [code, message, facts] = data;
  return new DhtError(errorCode.decode(code), text.decode(message), decodeFacts(facts));
}

function decodeFacts(data: unknown): ErrorFacts {
  if (typeof data !== "object" || data === null || Object.getPrototypeOf(data) !== Object.prototype) {
    throw malformed();
  }
  if (!Object.values(data).every(isFact)) throw malformed();
  return data as ErrorFacts;
}

function isFact(value: unknown): boolean {
  return ["string", "number", "boolean"].includes(typeof value) ||
    (Array.isArray(value) && value.every((item) => typeof item === "string"));
}
