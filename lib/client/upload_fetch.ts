import type { Fetch } from "./call.ts";

/** `fetch`, but for streams, which it sends badly; what sends them is loaded when there is one. */
export const uploadFetch: Fetch = async (url, init) => {
  if (!(init.body instanceof ReadableStream)) return await fetch(url, init);
  const { sendStream } = await import("./send_stream.ts");
  return await sendStream(url, init, init.body);
};
