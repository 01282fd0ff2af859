import { assertRejects } from "@std/assert";
import { guardedStream } from "../../lib/client/value_stream.ts";
import { PROCESS_CLOCK } from "../../lib/client/watchdog.ts";

Deno.test("guardedStream given a signal aborted between two reads, then fails with it, once", async () => {
  const stop = new AbortController();
  const bytes = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(Uint8Array.of(1));
      // As the body of a fetch with that signal does.
      stop.signal.addEventListener("abort", () => controller.error(stop.signal.reason));
    },
  });
  const source = { server: "localhost:1", clock: PROCESS_CLOCK, idleMs: 60_000, signal: stop.signal };
  const reader = guardedStream(bytes, source).getReader();
  await reader.read();
  stop.abort();
  await assertRejects(() => reader.read(), DOMException, "aborted");
});
