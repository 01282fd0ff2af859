import { newSha256, type Sha256, sha256 } from "../sha256.ts";
import { encodeFrame, type Frame, MAC_BYTES } from "../wire/frames.ts";

const BLOCK_BYTES = 64;
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/**
 * HMAC-SHA256 under one key.
 *
 * The two hashes are kept with the key already in them and copied for each text: half the time of `createHmac`.
 */
export class Mac {
  readonly #inner: Sha256;
  readonly #outer: Sha256;

  constructor(key: Uint8Array) {
    const short = key.length > BLOCK_BYTES ? sha256(key) : key;
    const block = new Uint8Array(BLOCK_BYTES);
    block.set(short);
    this.#inner = newSha256().update(block.map((byte) => byte ^ 0x36));
    this.#outer = newSha256().update(block.map((byte) => byte ^ 0x5c));
  }

  /** The MAC of these parts, one after the other: 32 bytes. */
  of(...parts: readonly Uint8Array[]): Uint8Array {
    const inner = this.#inner.copy();
    for (const part of parts) inner.update(part);
    return this.#outer.copy().update(inner.digest()).digest();
  }

  /** A key for one purpose. */
  derive(label: string, ...context: readonly Uint8Array[]): Mac {
    return new Mac(this.of(ENCODER.encode(`mydht ${label}\0`), ...context));
  }

  /** A whole frame: its MAC covers `context`, the head and the body. */
  seal(head: Uint8Array, body: Uint8Array, ...context: readonly Uint8Array[]): Uint8Array {
    return encodeFrame(head, this.of(...context, head, body), body);
  }

  /** Whether a frame was sealed under this key with that context. */
  opens(frame: Frame, ...context: readonly Uint8Array[]): boolean {
    return isEqual(this.of(...context, frame.head, frame.body), frame.mac);
  }
}

/** The keys that follow from a ring's secret alone, one for each kind of frame outside of sessions. */
export interface RingKeys {
  readonly hello: Mac;
  /** Covers the hello it answers. */
  readonly welcome: Mac;
  /** Of "gone" and "busy": covers the MAC of the frame it answers. */
  readonly refusal: Mac;
  /** The keys of sessions follow from this one. */
  readonly session: Mac;
}

/** The keys of one session, one each way, so that no frame can be sent back to where it came from. */
export interface SessionKeys {
  readonly there: Mac;
  readonly back: Mac;
}

/** The keys of a ring. */
export function ringKeys(secret: string): RingKeys {
  const root = new Mac(ENCODER.encode(secret));
  return {
    hello: root.derive("hello"),
    welcome: root.derive("welcome"),
    refusal: root.derive("refusal"),
    session: root.derive("session"),
  };
}

/**
 * The keys of a session: they follow from the secret and from all that both sides said in the handshake, their
 * nonces and addresses.
 */
export function sessionKeys(ring: RingKeys, hello: Uint8Array, welcome: Uint8Array): SessionKeys {
  const root = ring.session.derive("keys", lengthOf(hello), hello, welcome);
  return { there: root.derive("there"), back: root.derive("back") };
}

/** A text as a frame has it. */
export function encodeText(text: string): Uint8Array {
  return ENCODER.encode(text);
}

/** The text that a frame has. */
export function decodeText(bytes: Uint8Array): string {
  return DECODER.decode(bytes);
}

/** Bytes of a nonce. */
export const NONCE_BYTES = 16;

/** What one side of a handshake says: its nonce and names. */
export interface Introduction {
  readonly nonce: Uint8Array;
  /** Addresses: who speaks, and in a hello whom it wants to speak to. */
  readonly names: readonly string[];
}

/** @param names Addresses, none of which holds a NUL. */
export function encodeIntroduction({ nonce, names }: Introduction): Uint8Array {
  const text = encodeText(names.join("\0"));
  const body = new Uint8Array(NONCE_BYTES + text.length);
  body.set(nonce);
  body.set(text, NONCE_BYTES);
  return body;
}

/** To be used on authentic bytes only. */
export function decodeIntroduction(body: Uint8Array): Introduction {
  const names = decodeText(body.subarray(NONCE_BYTES)).split("\0");
  return { nonce: body.subarray(0, NONCE_BYTES), names };
}

function lengthOf(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return length;
}

/** Takes as long for MACs that differ early as for those that differ late. */
function isEqual(mac: Uint8Array, given: Uint8Array): boolean {
  let difference = 0;
  for (let i = 0; i < MAC_BYTES; i++) difference |= mac[i]! ^ given[i]!;
  return difference === 0;
}
