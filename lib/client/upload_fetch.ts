import type { Fetch } from "./call.ts";

/**
 * `fetch` that sends what changes something once, and streams well; what sends them is loaded when there is one.
 *
 * Deno's own `fetch` repeats a request by itself where a kept-alive connection ends before the answer, though the
 * node may have done what it was asked; if nobody listens any more by then, it says that it could not connect, as
 * if nothing had been sent. A body that is a stream cannot be repeated.
 */
export const uploadFetch: Fetch = async (url, init) => {
  if (init.body instanceof ReadableStream) {
    const { sendStream } = await import("./send_stream.ts");
    return await sendStream(url, init, init.body);
  }
  const changesNothing = init.method === undefined || init.method === "GET" || init.method === "HEAD";
  return await fetch(url, changesNothing ? init : { ...init, body: sentOnce(init.body ?? "") });
};

/** A stream of our own: that of a `Response` remembers its bytes, and `fetch` would find them. */
function sentOnce(body: BodyInit): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async start(controller) {
      const bytes = await new Response(body).bytes();
      if (bytes.length > 0) controller.enqueue(bytes);
      controller.close();
    },
  });
}
