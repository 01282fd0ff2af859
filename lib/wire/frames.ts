/**
 * Frames: what nodes that share a secret put around their messages.
 *
 * All have one form: a byte that MessagePack never uses, the kind, the session (8 bytes), the counter (8 bytes,
 * big-endian), the MAC (16 bytes), the body. What the MAC covers is said in `lib/node/session_keys.ts`.
 */

/** What a frame is. */
export const FRAME_KINDS = ["message", "reply", "hello", "welcome", "gone", "busy"] as const;
/** One of them. */
export type FrameKind = (typeof FRAME_KINDS)[number];

const MAGIC = 0xc1;
const SESSION_AT = 2;
const COUNTER_AT = SESSION_AT + 8;
const MAC_AT = COUNTER_AT + 8;
/** Bytes of a MAC in a frame. */
export const MAC_BYTES = 16;
const BODY_AT = MAC_AT + MAC_BYTES;
/** Bytes of a frame before its body. */
export const FRAME_HEAD_BYTES = BODY_AT;
const UINT32 = 2 ** 32;

/** A frame as it came; its parts are views into it. */
export interface Frame {
  readonly kind: FrameKind;
  readonly session: bigint;
  readonly counter: number;
  /** Kind, session and counter as they stand in the frame. */
  readonly head: Uint8Array;
  readonly mac: Uint8Array;
  readonly body: Uint8Array;
}

/** The head of a frame: its kind, session and counter. */
export function frameHead(kind: FrameKind, session: bigint, counter: number): Uint8Array {
  const head = new Uint8Array(MAC_AT);
  const view = new DataView(head.buffer);
  head[0] = MAGIC;
  head[1] = FRAME_KINDS.indexOf(kind) + 1;
  view.setBigUint64(SESSION_AT, session);
  view.setUint32(COUNTER_AT, Math.floor(counter / UINT32));
  view.setUint32(COUNTER_AT + 4, counter % UINT32);
  return head;
}

/** A frame of its parts; of the MAC the first 16 bytes are taken. */
export function encodeFrame(head: Uint8Array, mac: Uint8Array, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(BODY_AT + body.length);
  frame.set(head);
  frame.set(mac.subarray(0, MAC_BYTES), MAC_AT);
  frame.set(body, BODY_AT);
  return frame;
}

/** Takes a frame apart; `undefined` where the bytes are none. */
export function decodeFrame(data: Uint8Array): Frame | undefined {
  if (!isFramed(data) || data.length < BODY_AT) return undefined;
  const kind = FRAME_KINDS[data[1]! - 1];
  if (kind === undefined) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, MAC_AT);
  const counter = view.getUint32(COUNTER_AT) * UINT32 + view.getUint32(COUNTER_AT + 4);
  if (!Number.isSafeInteger(counter)) return undefined;
  return {
    kind,
    session: view.getBigUint64(SESSION_AT),
    counter,
    head: data.subarray(0, MAC_AT),
    mac: data.subarray(MAC_AT, BODY_AT),
    body: data.subarray(BODY_AT),
  };
}

/** Whether bytes begin as a frame does, and as no message does. */
export function isFramed(data: Uint8Array): boolean {
  return data[0] === MAGIC;
}
