import { assertEquals, assertRejects } from "@std/assert";
import { PEER_PATH } from "../../lib/api.ts";
import { DhtError } from "../../lib/core/errors.ts";
import { PEER_MESSAGE_MAX_BYTES } from "../../routes/replica.ts";
import { INLINE_MAX_BYTES } from "../../lib/core/record.ts";
import { BodyWatch, STALL_MS, SWEEP_MS } from "../../routes/request_body.ts";
import { Api, ManualClock, problemOf, settle } from "./fixture.ts";

/** A body whose bytes arrive when the test says so. */
function slowBody(): {
  stream: ReadableStream<Uint8Array>;
  send: (text: string) => void;
  close: () => void;
  broken: (error: Error) => void;
} {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) });
  return {
    stream,
    send: (text) => controller?.enqueue(new TextEncoder().encode(text)),
    close: () => controller?.close(),
    broken: (error) => controller?.error(error),
  };
}

Deno.test("PUT given a body that stalls, when 30 seconds pass without a byte, then 408 and nothing is stored", async () => {
  const api = new Api();
  const body = slowBody();
  const answer = api.send("PUT", "/keys/a", { body: body.stream });
  body.send("half");
  await settle();
  await api.clock.pass(STALL_MS);
  const response = await answer;
  const problem = await problemOf(response);
  assertEquals([response.status, response.headers.get("connection"), problem.code], [
    408,
    "close",
    "body_stalled",
  ]);
  assertEquals([problem["receivedBytes"], api.node.held.size, api.clock.sleeping], [4, 0, 0]);
});

Deno.test("PUT given a slow body, when a byte arrives every 29 seconds, then it is stored", async () => {
  const api = new Api();
  const body = slowBody();
  const answer = api.send("PUT", "/keys/a", { body: body.stream });
  await settle();
  for (let part = 0; part < 10; part++) {
    await api.clock.pass(STALL_MS - 1000);
    body.send("x");
    await settle();
  }
  body.close();
  assertEquals((await (await answer).json()).size, 10);
  await api.clock.pass(SWEEP_MS);
  assertEquals(api.clock.sleeping, 0);
});

Deno.test("body given a reader that takes its time, when 30 seconds pass, then it has not stalled", async () => {
  const clock = new ManualClock(0);
  const body = slowBody();
  const reader = new BodyWatch(clock).watch(body.stream).stream.getReader();
  body.send("a");
  body.send("b");
  await reader.read();
  await settle();
  await clock.pass(10 * STALL_MS);
  assertEquals((await reader.read()).value, new Uint8Array([98]));
  await reader.cancel();
});

Deno.test("bodies given two, when one stalls, then the other goes on", async () => {
  const clock = new ManualClock(0);
  const watch = new BodyWatch(clock);
  const [quick, stalled] = [slowBody(), slowBody()];
  const readers = [quick, stalled].map((body) => watch.watch(body.stream).stream.getReader());
  const lost = assertRejects(() => readers[1]?.read() ?? Promise.resolve(), DhtError, "no byte arrived");
  const kept = readers[0]?.read();
  await settle();
  await clock.pass(STALL_MS - 1);
  quick.send("a");
  await settle();
  await clock.pass(1);
  await lost;
  assertEquals((await kept)?.done, false);
  quick.close();
  assertEquals((await readers[0]?.read())?.done, true);
  await clock.pass(SWEEP_MS);
  assertEquals(clock.sleeping, 0);
});

Deno.test("PUT given a body that breaks off, then the client's failure is told, not what the node made of it", async () => {
  const api = new Api();
  api.node.put = async (_key, stream) => {
    await new Response(stream as BodyInit).bytes().catch(() => {});
    throw new DhtError("store_failed", "Cannot write");
  };
  const body = slowBody();
  const answer = api.send("PUT", "/keys/a", { body: body.stream });
  await settle();
  body.broken(new TypeError("resource unavailable"));
  const response = await answer;
  assertEquals([response.status, (await problemOf(response)).code], [408, "body_stalled"]);
  assertEquals(api.log.events, []);
});

Deno.test("PUT given a node that fails before the end of the body, then no watch is left", async () => {
  const api = new Api();
  api.node.failures.set("put", new DhtError("disk_full", "Cannot write"));
  assertEquals((await api.send("PUT", "/keys/a", { body: slowBody().stream })).status, 507);
  await api.clock.pass(SWEEP_MS);
  assertEquals(api.clock.sleeping, 0);
});

const SMALL = { "content-length": "10" };

Deno.test("PUT given a small length and a body that stalls, when 30 seconds pass without a byte, then 408", async () => {
  const api = new Api();
  const body = slowBody();
  const answer = api.send("PUT", "/keys/a", { body: body.stream, headers: SMALL });
  body.send("half");
  await settle();
  await api.clock.pass(STALL_MS - 1);
  body.send("more");
  await settle();
  await api.clock.pass(STALL_MS);
  const response = await answer;
  const problem = await problemOf(response);
  assertEquals([response.status, problem.code, problem["receivedBytes"]], [408, "body_stalled", 8]);
  assertEquals([api.node.calls, api.clock.sleeping], [[], 0]);
});

Deno.test("PUT given a small length and a body that breaks off, then 408 and the node is not asked", async () => {
  const api = new Api();
  const body = slowBody();
  const answer = api.send("PUT", "/keys/a", { body: body.stream, headers: SMALL });
  body.send("half");
  await settle();
  body.broken(new TypeError("resource unavailable"));
  const response = await answer;
  assertEquals([response.status, (await problemOf(response)).code], [408, "body_stalled"]);
  assertEquals([api.node.calls, api.log.events], [[], []]);
});

Deno.test("PUT given a small length, then the node is given bytes; given a long one or none, a stream", async () => {
  const api = new Api();
  const given: string[] = [];
  const put = api.node.put.bind(api.node);
  api.node.put = (key, body, options) => {
    given.push(body instanceof Uint8Array ? "bytes" : "stream");
    return put(key, body, options);
  };
  for (const length of [`${INLINE_MAX_BYTES}`, `${INLINE_MAX_BYTES + 1}`, undefined]) {
    const headers = length === undefined ? {} : { "content-length": length };
    const parts = ["0123", "456789"].map((text) => new TextEncoder().encode(text));
    const response = await api.send("PUT", "/keys/a", { body: ReadableStream.from(parts), headers });
    assertEquals((await response.json()).size, 10);
    assertEquals(await (await api.send("GET", "/keys/a")).text(), "0123456789");
  }
  assertEquals(given, ["bytes", "stream", "stream"]);
});

Deno.test("PUT given a small length and more than that, then 413 and nothing is stored", async () => {
  const api = new Api();
  const body = ReadableStream.from([new Uint8Array(INLINE_MAX_BYTES), new Uint8Array(1)]);
  const response = await api.send("PUT", "/keys/a", { body, headers: SMALL });
  assertEquals([response.status, (await problemOf(response)).code], [413, "body_too_large"]);
  assertEquals(api.node.held.size, 0);
});

Deno.test("POST to the peer path given a message, then the node's answer as bytes, without headers", async () => {
  const response = await new Api().send("POST", PEER_PATH, { body: new Uint8Array([1, 2, 3]) });
  assertEquals([...response.headers], []);
  assertEquals(await response.bytes(), new Uint8Array([3, 2, 1]));
});

Deno.test("POST to the peer path given a length past the bound, then 413 before reading", async () => {
  const body = slowBody();
  const headers = { "content-length": `${PEER_MESSAGE_MAX_BYTES + 1}` };
  const response = await new Api().send("POST", PEER_PATH, { body: body.stream, headers });
  assertEquals([response.status, body.stream.locked], [413, false]);
});

Deno.test("POST to the peer path given no length and too much, then 413 and the rest is not read", async () => {
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      pulled++;
      controller.enqueue(new Uint8Array(1024 * 1024));
    },
  });
  const response = await new Api().send("POST", PEER_PATH, { body });
  assertEquals([response.status, (await problemOf(response)).code], [413, "body_too_large"]);
  assertEquals(pulled <= 19, true, `${pulled} MiB were read`);
});

Deno.test("POST to the peer path given a body of which only the head is wanted, then the rest is read and dropped", async () => {
  const received: number[] = [];
  const heads: number[] = [];
  const api = new Api({
    peerGate: {
      bytesToKeep: (head) => {
        heads.push(head.length);
        return 40;
      },
      receive: (message) => {
        received.push(...message);
        return Promise.resolve(new Uint8Array());
      },
    },
  });
  const parts = [30, 30, 1_000, 1_000].map((length, i) => new Uint8Array(length).fill(i));
  assertEquals((await api.send("POST", PEER_PATH, { body: ReadableStream.from(parts) })).status, 200);
  assertEquals([heads, received], [[60], [...parts[0]!, ...parts[1]!.subarray(0, 10)]]);
  received.length = 0;
  assertEquals((await api.send("POST", PEER_PATH, { body: ReadableStream.from([parts[0]!]) })).status, 200);
  assertEquals([heads, received], [[60], [...parts[0]!]]);
});

Deno.test("POST to the peer path given a malformed message, then 400", async () => {
  const api = new Api();
  api.node.failures.set("receive", new DhtError("bad_message", "Cannot read the message"));
  assertEquals((await api.send("POST", PEER_PATH, { body: "?" })).status, 400);
});
