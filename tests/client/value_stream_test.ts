import { assertEquals, assertRejects } from "@std/assert";
import { CorruptValueError, ValueCutShortError } from "../../lib/client/errors.ts";
import { guardedStream, verifiedStream } from "../../lib/client/value_stream.ts";
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

for (const [name, size] of [["short", 3], ["long", 100_000]] as const) {
  Deno.test(`verifiedStream() given a ${name} value, then hands on what was promised, and nothing else`, async () => {
    const value = new Uint8Array(size).fill(7);
    const expected = {
      size,
      sha256: new Uint8Array(await crypto.subtle.digest("SHA-256", value)).toBase64(),
    };
    const read = async (bytes: Uint8Array<ArrayBuffer>) => {
      const pieces = ReadableStream.from([bytes.slice(0, 1), bytes.slice(1)]);
      const source = { server: "localhost:1", clock: PROCESS_CLOCK, idleMs: 60_000 };
      return await new Response(await verifiedStream(pieces, expected, source)).bytes();
    };

    assertEquals(await read(value), value);
    await assertRejects(() => read(value.with(1, 8)), CorruptValueError);
    await assertRejects(() => read(Uint8Array.of(...value, 7)), ValueCutShortError);
    await assertRejects(() => read(value.slice(1)), ValueCutShortError);
  });
}
