import { PEER_PATH } from "../api.ts";
import { AnswerTooLong, type HttpAnswer, PROBLEM_MAX_BYTES } from "./http_answer.ts";

/** Bytes of a message that are handed to `fetch` at a time: it cuts a longer piece into one of this size and a tiny one. */
const PIECE_BYTES = 65_520;

const HEADERS = new Headers({ "content-type": "application/octet-stream" });

/** Posts a message to a peer over https, and reads its answer. */
export async function exchangeOverHttps(
  { address, message, answerMaxBytes, client, signal }: {
    readonly address: string;
    readonly message: Uint8Array;
    readonly answerMaxBytes: number;
    readonly client: Deno.HttpClient;
    readonly signal: AbortSignal;
  },
): Promise<HttpAnswer> {
  const response = await fetch(`https://${address}${PEER_PATH}`, {
    method: "POST",
    headers: HEADERS,
    body: sentOnce(message),
    redirect: "manual",
    signal,
    client,
  });
  const { status } = response;
  const isProblem = response.headers.get("content-type")?.includes("problem+json") === true;
  const body = await bodyOf(response, status === 200 ? answerMaxBytes : PROBLEM_MAX_BYTES);
  if (status === 200 && body === undefined) {
    throw new AnswerTooLong(`its answer is longer than ${answerMaxBytes} bytes`);
  }
  return { status, isProblem, body };
}

/**
 * A message as a body that is sent at most once.
 *
 * Bytes `fetch` would send again by itself where a kept-alive connection ends before the answer, though the peer may
 * have acted on them; and say that the connection was refused where the peer is gone by then. A stream it cannot repeat.
 */
function sentOnce(message: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at < message.length) controller.enqueue(message.subarray(at, at + PIECE_BYTES));
      at += PIECE_BYTES;
      if (at >= message.length) controller.close();
    },
  }, { highWaterMark: 0 });
}

/** The body, unless it is longer than that. */
async function bodyOf(response: Response, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    // Leaving the loop cancels the rest.
    if (bytes > maxBytes) return undefined;
    parts.push(part);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
