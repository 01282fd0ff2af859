import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { TaskAnswer } from "../lib/api.ts";
import {
  checkKey,
  CorruptValueError,
  type Fetch,
  MyDhtClient,
  ProblemError,
  type PutValue,
  ServerUnreachableError,
  TaskFailedError,
  UnexpectedAnswerError,
  ValueCutShortError,
} from "../lib/client.ts";
import {
  DONE,
  FakeClock,
  ok,
  problem,
  PUT_ANSWER,
  refused,
  type Reply,
  setup,
  streamOf,
  textOf,
  value,
} from "./client/fakes.ts";

// What is sent

Deno.test("put() given a string, then sends it as text and gives the node's answer", async () => {
  const { client, sent, settle } = setup([ok(PUT_ANSWER)]);
  assertEquals(await settle(client.put("a b/ü?#%\\", "hällo")), PUT_ANSWER);
  assertEquals(sent[0]!.method, "PUT");
  assertEquals(sent[0]!.url, "http://localhost:50140/keys/a%20b/%C3%BC%3F%23%25%5C");
  assertEquals(sent[0]!.headers.get("content-type"), "text/plain; charset=utf-8");
  assertEquals(new TextDecoder().decode(sent[0]!.body), "hällo");
});

Deno.test("put() given bytes, a stream or what opens one, then sends its bytes as octets", async () => {
  const values: PutValue[] = [
    new TextEncoder().encode("abc"),
    streamOf("ab", "c"),
    () => streamOf("a", "bc"),
  ];
  for (const each of values) {
    const { client, sent, settle } = setup([ok(PUT_ANSWER)]);
    await settle(client.put("k", each));
    assertEquals(new TextDecoder().decode(sent[0]!.body), "abc");
    assertEquals(sent[0]!.headers.get("content-type"), "application/octet-stream");
  }
});

Deno.test("put(), get() and delete() given a consistency, then the node is asked for it", async () => {
  const { client, sent, settle } = setup([ok(PUT_ANSWER), ok({}), ok({})]);
  await settle(client.put("k", "x", { consistency: "strong", ttlSeconds: 60 }));
  await settle(client.delete("k", { consistency: "all" }));
  await settle(client.head("k", { consistency: "one" }));
  assertEquals(sent.map(({ url }) => new URL(url).search), [
    "?ttl=60&consistency=strong",
    "?consistency=all",
    "?consistency=one",
  ]);
});

Deno.test("put() given a type and a size, then sends both", async () => {
  const { client, sent, settle } = setup([ok(PUT_ANSWER)]);
  await settle(client.put("k", streamOf("abc"), { contentType: "image/png", size: 3 }));
  assertEquals(sent[0]!.headers.get("content-type"), "image/png");
  assertEquals(sent[0]!.headers.get("content-length"), "3");
});

Deno.test("put() given a stream of another size than was said, then fails with a RangeError", async () => {
  for (const [size, has] of [[4, "has 3"], [2, "has more"]] as const) {
    const { client, settle } = setup([ok(PUT_ANSWER)]);
    const error = await assertRejects(() => settle(client.put("k", streamOf("abc"), { size })), RangeError);
    assertEquals(error.message, `the value was to have ${size} bytes, and ${has}`);
  }
});

Deno.test("put() given a stream that fails, then fails with what it failed with", async () => {
  const { client, settle } = setup([ok(PUT_ANSWER)]);
  const failing = new ReadableStream<Uint8Array>({ pull: (c) => c.error(new Error("the disk is gone")) });
  const error = await assertRejects(() => settle(client.put("k", failing)), Error);
  assertEquals(error.message, "the disk is gone");
});

Deno.test("put() given no node there, when its source is still being read, then it is not the source that failed", async () => {
  const clock = new FakeClock();
  const slow = () =>
    new ReadableStream<Uint8Array>({
      async pull(controller) {
        await clock.sleep(10);
        controller.enqueue(new Uint8Array(1));
      },
    }, { highWaterMark: 0 });
  // Deno's fetch begins to read the body before it is connected.
  const refusing: Fetch = async (_url, init) => {
    const reader = (init.body as ReadableStream<Uint8Array>).getReader();
    const read = reader.read();
    await Promise.resolve();
    const cancelled = reader.cancel();
    await clock.sleep(20);
    await Promise.all([read, cancelled]);
    return refused();
  };
  const client = new MyDhtClient({ clock, fetch: refusing });
  await assertRejects(() => clock.settle(client.put("k", slow)), ServerUnreachableError);
});

Deno.test("put() given a node that wants no more of a stream, then closes its source", async () => {
  let isClosed = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(1)),
    cancel: () => void (isClosed = true),
  });
  const full = () => {
    const headers = { "content-type": "application/problem+json" };
    return Promise.resolve(Response.json({ code: "disk_full", status: 507 }, { status: 507, headers }));
  };
  const client = new MyDhtClient({ clock: new FakeClock(), fetch: full });
  await assertRejects(() => client.put("k", endless), ProblemError);
  assertEquals(isClosed, true);
});

Deno.test("requests given a secret, then only those that change the ring carry it", async () => {
  const task: TaskAnswer = { ...TASK, done: true };
  const { client, sent, settle } = setup([
    (request) => Response.json(request.url.includes("keys") ? PUT_ANSWER : task),
  ], {
    secret: "correct-horse-battery",
  });
  await settle(client.put("keys", "v"));
  await settle(client.nodes());
  await settle(client.balance());
  await settle(client.purge());
  await settle(client.leave("localhost:50141"));
  await settle(client.remove("localhost:50141"));
  assertEquals(
    sent.map((
      { method, url, headers },
    ) => [method, url.slice("http://localhost:".length), headers.get("authorization")]),
    [
      ["PUT", "50140/keys/keys", null],
      ["GET", "50140/nodes", null],
      ["POST", "50140/balance", "Bearer correct-horse-battery"],
      ["POST", "50140/purge", "Bearer correct-horse-battery"],
      ["POST", "50141/leave", "Bearer correct-horse-battery"],
      ["DELETE", "50140/nodes/localhost:50141", "Bearer correct-horse-battery"],
    ],
  );
});

Deno.test("remove() given an IPv6 address and force, then names both", async () => {
  const { client, sent, settle } = setup([ok({})]);
  await settle(client.remove("[::1]:50141", { force: true }));
  assertEquals(sent[0]!.url, "http://localhost:50140/nodes/%5B::1%5D:50141?force=true");
});

// What is read

Deno.test("get() given a key, then gives its bytes and what is known of them", async () => {
  const { client, settle } = setup([value("hello")]);
  const got = (await settle(client.get("k")))!;
  assertEquals(
    { size: got.size, contentType: got.contentType, version: got.version, server: got.server },
    { size: 5, contentType: "text/plain; charset=utf-8", version: "1-0-a.1", server: "localhost:50140" },
  );
  assertEquals(await settle(textOf(got.body)), "hello");
});

Deno.test("get(), head() and delete() given a missing key, then give undefined", async () => {
  const { client, settle } = setup([problem(404, "key_not_found")]);
  assertEquals(await settle(client.get("k")), undefined);
  assertEquals(await settle(client.delete("k")), undefined);
  const headless = setup([
    () => new Response(null, { status: 404, headers: { "content-type": "application/problem+json" } }),
  ]);
  assertEquals(await headless.settle(headless.client.head("k")), undefined);
});

Deno.test("get() given a 404 of another program, then says so", async () => {
  const { client, settle } = setup([() => new Response("<h1>Not found</h1>", { status: 404 })]);
  const error = await assertRejects(() => settle(client.get("k")), UnexpectedAnswerError);
  assertEquals(
    error.message,
    "localhost:50140 does not answer as a MyDHT node does (status 404): is it another program?",
  );
});

Deno.test("get() given bytes that do not match their checksum, then their stream fails in the end", async () => {
  const { client, settle } = setup([value("hello", { "repr-digest": `sha-256=:${"A".repeat(43)}=:` })]);
  const got = (await settle(client.get("k")))!;
  const error = await assertRejects(() => settle(textOf(got.body)), CorruptValueError);
  assertEquals(
    error.message,
    "The value from localhost:50140 does not match its checksum: it was damaged on the way",
  );
});

Deno.test("get() given fewer bytes than were promised, then their stream fails in the end", async () => {
  const { client, settle } = setup([value("hello", { "content-length": "6", "repr-digest": "" })]);
  const got = (await settle(client.get("k")))!;
  const error = await assertRejects(() => settle(textOf(got.body)), ValueCutShortError);
  assertEquals(error.message, "The value from localhost:50140 ended after 5 bytes: it has 6");
});

Deno.test("get() given a connection that breaks in the middle, then the stream says after how much", async () => {
  let pulls = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (c) =>
      pulls++ === 0 ? c.enqueue(new Uint8Array(3)) : c.error(new TypeError("error decoding response body")),
  });
  const { client, settle, clock } = setup([() => new Response(body, { headers: { "content-length": "9" } })]);
  const got = (await settle(client.get("k")))!;
  const error = await assertRejects(() => settle(textOf(got.body)), ValueCutShortError);
  assertEquals(error.message, "The value from localhost:50140 ended after 3 bytes: the connection broke");
  assertEquals(clock.pending, 0);
});

Deno.test("get() given a node that stalls in the middle, then the stream ends with it", async () => {
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (c) => c.enqueue(new Uint8Array(3)),
    cancel: () => void (isCancelled = true),
  });
  const { client, settle, clock } = setup([() => new Response(body)]);
  const got = (await settle(client.get("k")))!;
  const error = await assertRejects(() => settle(textOf(got.body)), ValueCutShortError);
  assertEquals(error.message, "The value from localhost:50140 ended after 3 bytes: nothing came for 30 s");
  assertEquals([isCancelled, clock.monotonicMs(), clock.pending], [true, 30_000, 0]);
});

Deno.test("get() given a reader that takes its time, then that does not count as a stall", async () => {
  const { client, settle, clock } = setup([value("hello")]);
  const got = (await settle(client.get("k")))!;
  const reader = got.body.getReader();
  await settle(reader.read());
  await settle(clock.sleep(3_600_000));
  assertEquals((await settle(reader.read())).done, true);
});

Deno.test("list() given several pages, then gives their keys one after another", async () => {
  const entry = (key: string) => ({ key, size: 1, timestamp: 1, type: "text/plain", version: "v" });
  const { client, sent, settle } = setup([
    ok({ keys: [entry("a"), entry("b")], next: "b&c" }),
    ok({ keys: [entry("c")], next: null }),
  ]);
  const keys = await settle(Array.fromAsync(client.list({ prefix: "x y", pageSize: 2 }), ({ key }) => key));
  assertEquals(keys, ["a", "b", "c"]);
  assertEquals(sent.map(({ url }) => url), [
    "http://localhost:50140/keys?prefix=x+y&limit=2",
    "http://localhost:50140/keys?prefix=x+y&limit=2&after=b%26c",
  ]);
});

Deno.test("list() given that only the first key is wanted, then does not ask for the next page", async () => {
  const { client, sent, settle } = setup([ok({ keys: [{ key: "a" }], next: "a" })]);
  await settle((async () => {
    for await (const _ of client.list()) break;
  })());
  assertEquals(sent.length, 1);
});

Deno.test("status() given a node, then asks its page for JSON", async () => {
  const { client, sent, settle } = setup([ok({})]);
  await settle(client.status());
  assertEquals([sent[0]!.url, sent[0]!.headers.get("accept")], [
    "http://localhost:50140/",
    "application/json",
  ]);
});

Deno.test("requests given an answer that is no JSON, then say that it is another program", async () => {
  const rows: [Reply, string][] = [
    [() => new Response("hi", { headers: { "content-type": "text/html" } }), "text/html"],
    [() => new Response("{", { headers: { "content-type": "application/json" } }), "it is not JSON"],
    [() => new Response(null, { status: 302, headers: { location: "/login" } }), "status 302"],
  ];
  for (const [reply, what] of rows) {
    const { client, settle } = setup([reply]);
    const error = await assertRejects(() => settle(client.nodes()), UnexpectedAnswerError);
    assertEquals(
      error.message,
      `localhost:50140 does not answer as a MyDHT node does (${what}): is it another program?`,
    );
  }
});

// Tasks

const TASK: TaskAnswer = {
  id: "t 1",
  kind: "balance",
  done: false,
  compared: 0,
  sent: 0,
  fetched: 0,
  dropped: 0,
  failed: 0,
  error: null,
  started: 1,
  ended: null,
};

Deno.test("balance() given a task, then asks the same node for it until it is done", async () => {
  const done = { ...TASK, done: true, compared: 9 };
  const { client, sent, settle } = setup([refused, ok(TASK), ok({ ...TASK, compared: 4 }), ok(done)], {
    server: ["a:50140", "b:50140"],
  });
  const seen: number[] = [];
  assertEquals(await settle(client.balance({ onProgress: (task) => seen.push(task.compared) })), done);
  assertEquals(seen, [0, 4, 9]);
  assertEquals(sent.map(({ method, url }) => `${method} ${url}`), [
    "POST http://a:50140/balance",
    "POST http://b:50140/balance",
    "GET http://b:50140/tasks/t%201",
    "GET http://b:50140/tasks/t%201",
  ]);
});

Deno.test("balance() given a task that takes long, then asks more and more rarely", async () => {
  const replies = [...Array(12).fill(ok(TASK)), ok({ ...TASK, done: true })];
  const { client, settle, clock } = setup(replies);
  await settle(client.balance());
  const pauses = clock.sleptMs.filter((ms) => ms < 30_000);
  assertEquals([pauses[0], pauses.at(-1), pauses.length], [100, 2000, 12]);
});

Deno.test("purge() given a node, then starts it there", async () => {
  const { client, sent, settle } = setup([ok({ ...TASK, kind: "purge", done: true })]);
  await settle(client.purge("localhost:50142"));
  assertEquals(sent[0]!.url, "http://localhost:50142/purge");
});

Deno.test("balance() given a task that ends with an error, then TaskFailedError tells it", async () => {
  const failed = { ...TASK, done: true, failed: 2, error: "localhost:50142 did not answer" };
  const { client, settle } = setup([ok(failed)]);
  const error = await assertRejects(() => settle(client.balance()), TaskFailedError);
  assertEquals(
    error.message,
    "The balance on localhost:50140 did not end well: localhost:50142 did not answer",
  );
  assertEquals(error.task, failed);
});

// What is refused before it is sent

Deno.test("checkKey() given what can be no key, then says why", () => {
  const rows: [string, string][] = [
    ["", "a key cannot be empty"],
    ["a\0b", "a key cannot contain NUL"],
    ["x".repeat(1025), "a key has at most 1024 bytes, this one has 1025"],
    ["é".repeat(513), "a key has at most 1024 bytes, this one has 1026"],
    ["\ud800", "a key is Unicode text: this one has half of a surrogate pair"],
    [".", 'a key cannot have "." or ".." between its slashes: "."'],
    ["a/../b", 'a key cannot have "." or ".." between its slashes: "a/../b"'],
    ["a/.", 'a key cannot have "." or ".." between its slashes: "a/."'],
  ];
  for (const [key, message] of rows) {
    assertEquals(assertThrows(() => checkKey(key), SyntaxError).message, message);
  }
  for (const key of ["a", "007", "/", "//a", "a/", "...", "a/.b", "x".repeat(1024), "é".repeat(512), " "]) {
    checkKey(key);
  }
});

Deno.test("requests given what can be no key or server, then send nothing", async () => {
  const { client, sent } = setup([DONE]);
  await assertRejects(() => client.put("..", "v"), SyntaxError);
  await assertRejects(() => client.remove("nonsense:"), SyntaxError);
  assertThrows(() => new MyDhtClient({ server: "http://localhost:50140" }), SyntaxError);
  assert(sent.length === 0);
});

Deno.test("put() given a time to live, then the node is told of it", async () => {
  const { client, sent, settle } = setup([ok({ ...PUT_ANSWER, expires: 61.5 })]);
  assertEquals((await settle(client.put("k", "v", { ttlSeconds: 60 }))).expires, 61.5);
  assertEquals(sent[0]!.url, "http://localhost:50140/keys/k?ttl=60");
});
