import { hash128 } from "../../lib/core/hash.ts";

const HEAD_END = 0x0a;

/**
 * The bytes of a value that says itself which write it is of: its id in the
 * first line, and behind that noise that follows from the id.
 *
 * @param id Without line ends. A value is at least one byte longer than that, whatever `bytes` says.
 */
export function makePayload(id: string, bytes: number): Uint8Array {
  const head = new TextEncoder().encode(`${id}\n`);
  const payload = new Uint8Array(Math.max(bytes, head.length));
  payload.set(head);
  fillWithNoise(payload.subarray(head.length), id);
  return payload;
}

/** The id of a value that is whole; `undefined` where any of its bytes is not as it was written. */
export function readPayload(payload: Uint8Array): string | undefined {
  const end = payload.indexOf(HEAD_END);
  if (end < 0) return undefined;
  const id = new TextDecoder().decode(payload.subarray(0, end));
  const expected = makePayload(id, payload.length);
  return sameBytes(payload, expected) ? id : undefined;
}

/** Whether two arrays hold the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** A body as a request has it. It must not be a Blob's: that reads in a thread of its own, and does not replay. */
export function bodyOf(payload: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(payload);
      controller.close();
    },
  });
}

function fillWithNoise(bytes: Uint8Array, id: string): void {
  const seed = hash128(id);
  let state = (seed[0]! << 24) | (seed[1]! << 16) | (seed[2]! << 8) | 1;
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 0x5bd1e995) + 0x6d2b79f5) | 0;
    bytes[i] = state >>> 24;
  }
}
