import type { Call } from "./call.ts";
import { FRAME_HEAD_BYTES } from "../lib/wire/frames.ts";
import { readBody } from "./request_body.ts";

/** Bytes of the longest message another node may send. */
export const PEER_MESSAGE_MAX_BYTES = 16 * 1024 * 1024;

/** `POST` to `PEER_PATH`: one message of another node, and its answer. */
export async function receiveMessage({ request, bodies, deps }: Call): Promise<Response> {
  const { peerGate, node } = deps;
  const keep = peerGate &&
    { headBytes: FRAME_HEAD_BYTES, most: (head: Uint8Array) => peerGate.bytesToKeep(head) };
  const message = await readBody(bodies, request, PEER_MESSAGE_MAX_BYTES, keep);
  const answer = await (peerGate ?? node).receive(message);
  // Without a type, as the asking node knows what it is: the server has a shorter way for an answer without headers.
  return new Response(answer as Uint8Array<ArrayBuffer>);
}
