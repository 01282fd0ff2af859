import type { IncomingMessage, RequestOptions } from "node:http";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";

/**
 * Does what `fetch` does with a stream as body, by `node:http`.
 *
 * Deno's own client cuts a stream into pieces of 65,529 and 7 bytes, each of which pins a whole buffer at a
 * receiver that is slower than the sender: a gibibyte then takes minutes, and hundreds of MiB there. Nor can it
 * send a stream with a `Content-Length`.
 */
export async function sendStream(
  url: string,
  init: RequestInit,
  body: ReadableStream<Uint8Array>,
): Promise<Response> {
  // Imported at the top, a bundle would load them for a `get`, too.
  const [{ request: send }, { Readable }, { pipeline }] = await Promise.all([
    url.startsWith("https:") ? import("node:https") : import("node:http"),
    import("node:stream"),
    import("node:stream/promises"),
  ]);
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const options: RequestOptions = {
    method: init.method ?? "PUT",
    headers: Object.fromEntries(new Headers(init.headers)),
    ...(init.signal && { signal: init.signal }),
  };
  const request = send(url, options);
  let connected = false;
  request.on("socket", (socket) => socket.once("connect", () => connected = true));
  request.on("response", (message) => resolve(responseOf(message, () => Readable.toWeb(message))));
  request.on(
    "error",
    (error) => reject(init.signal?.aborted ? init.signal.reason : asFetchError(error, connected)),
  );
  // A node that refuses answers before the end of the body; what is written after that fails, and does not matter.
  pipeline(Readable.fromWeb(body as NodeReadableStream), request).catch((error) =>
    reject(asFetchError(error, true))
  );
  return await promise;
}

function responseOf(message: IncomingMessage, bodyOf: () => NodeReadableStream): Response {
  const headers = new Headers();
  for (const [name, value] of Object.entries(message.headers)) {
    for (const one of [value ?? []].flat()) headers.append(name, one);
  }
  const status = message.statusCode ?? 502;
  const hasBody = status !== 204 && status !== 304;
  if (!hasBody) message.resume();
  return new Response(hasBody ? bodyOf() as unknown as ReadableStream<Uint8Array> : null, {
    status,
    headers,
  });
}

/** The error `fetch` would have thrown: who calls it tells the kinds apart by these words. */
function asFetchError(error: unknown, connected: boolean): TypeError {
  const words = error instanceof Error ? error.message : String(error);
  const reason = words.includes("ECONNREFUSED") ? "connection refused" : words;
  const cause = new Error(connected ? reason : `client error (Connect): ${reason}`, { cause: error });
  return new TypeError("fetch failed", { cause });
}
