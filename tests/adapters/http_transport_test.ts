import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { HttpTransport, isHttps } from "../../lib/adapters/http_transport.ts";
import { DhtError } from "../../lib/core/errors.ts";

const MESSAGE = Uint8Array.of(1, 2, 3);
const AMPLE = { timeoutMs: 10_000 };

interface Served {
  readonly port: number;
  readonly transport: HttpTransport;
}

async function serving(
  handler: (request: Request) => Response | Promise<Response>,
  body: (served: Served) => Promise<void>,
  options: { hostname?: string } & ConstructorParameters<typeof HttpTransport>[0] = {},
): Promise<void> {
  const { hostname = "127.0.0.1", ...transportOptions } = options;
  const server = Deno.serve({ port: 0, hostname, onListen: () => {} }, async (request) => {
    const response = await handler(request);
    if (!request.bodyUsed) await request.body?.cancel();
    return response;
  });
  const transport = new HttpTransport(transportOptions);
  try {
    await body({ port: server.addr.port, transport });
  } finally {
    transport.close();
    await server.shutdown();
  }
}

async function failure(call: () => Promise<Uint8Array>): Promise<DhtError> {
  return await assertRejects(call, DhtError);
}

Deno.test("HttpTransport given a message, then posts it to the peers' path, and no token with it", async () => {
  let seen: unknown[] = [];
  await serving(async (request) => {
    const { method, url, headers } = request;
    seen = [method, new URL(url).pathname, headers.get("content-type"), headers.get("authorization")];
    return new Response(await request.bytes());
  }, async ({ port, transport }) => {
    assertEquals(await transport.call(`127.0.0.1:${port}`, MESSAGE, AMPLE), MESSAGE);
  });
  assertEquals(seen, ["POST", "/_peer/messages", "application/octet-stream", null]);
});

Deno.test("HttpTransport given a peer that answers 401, then says that the secret is wrong", async () => {
  await serving(() => new Response(null, { status: 401 }), async ({ port, transport }) => {
    const error = await failure(() => transport.call(`127.0.0.1:${port}`, MESSAGE, AMPLE));
    assertEquals(error.code, "unauthorized");
    assertEquals(error.message, `Cannot call 127.0.0.1:${port}: answered 401: wrong or missing secret`);
  });
});

const problem = { "content-type": "application/problem+json" };
const refusals: [string, () => Response, string][] = [
  [
    "a problem",
    () => new Response('{"detail":"The node is stopping"}', { status: 503, headers: problem }),
    ": The node is stopping",
  ],
  ["a problem that is not JSON", () => new Response("{", { status: 503, headers: problem }), ""],
  [
    "a page",
    () => new Response("<h1>Busy</h1>", { status: 503, headers: { "content-type": "text/html" } }),
    "",
  ],
];
for (const [what, respond, expected] of refusals) {
  Deno.test(`HttpTransport given a peer that answers 503 with ${what}, then says what it says`, async () => {
    await serving(respond, async ({ port, transport }) => {
      const error = await failure(() => transport.call(`127.0.0.1:${port}`, MESSAGE, AMPLE));
      assertEquals(error.code, "peer_unreachable");
      assertEquals(error.message, `Cannot reach 127.0.0.1:${port}: answered 503${expected}`);
    });
  });
}

Deno.test("HttpTransport given a redirection, then does not follow it", async () => {
  let calls = 0;
  const redirect = (): Response => {
    calls++;
    return new Response(null, { status: 307, headers: { location: "/elsewhere" } });
  };
  await serving(redirect, async ({ port, transport }) => {
    const error = await failure(() => transport.call(`127.0.0.1:${port}`, MESSAGE, AMPLE));
    assertMatch(error.message, /answered 307$/);
  });
  assertEquals(calls, 1);
});

const answers: [string, (bytes: number) => Response][] = [
  ["announced", (bytes) => new Response(new Uint8Array(bytes))],
  ["streamed", (bytes) => new Response(new Blob([new Uint8Array(bytes)]).stream())],
];
for (const [how, respond] of answers) {
  Deno.test(`HttpTransport given an answer of the longest length, ${how}, then takes it`, async () => {
    await serving(() => respond(5_000), async ({ port, transport }) => {
      assertEquals((await transport.call(`127.0.0.1:${port}`, MESSAGE, AMPLE)).length, 5_000);
    }, { answerMaxBytes: 5_000 });
  });

  Deno.test(`HttpTransport given too long an answer, ${how}, then refuses it`, async () => {
    await serving(() => respond(5_001), async ({ port, transport }) => {
      const error = await failure(() => transport.call(`127.0.0.1:${port}`, MESSAGE, AMPLE));
      assertMatch(error.message, /its answer is longer than 5000 bytes/);
    }, { answerMaxBytes: 5_000 });
  });
}

for (const hostname of ["127.0.0.1", "::1"]) {
  Deno.test({
    name: `HttpTransport given localhost that listens on ${hostname} only, then reaches it`,
    ignore: !canListenOn(hostname),
    fn: () =>
      serving(() => new Response("hello"), async ({ port, transport }) => {
        for (let i = 0; i < 2; i++) {
          const answer = await transport.call(`localhost:${port}`, MESSAGE, AMPLE);
          assertEquals(new TextDecoder().decode(answer), "hello");
        }
      }, { hostname }),
  });
}

const lost: [string, string, RegExp][] = [
  ["nobody there", "localhost:1024", /^Cannot reach localhost:1024: connection refused$/],
  ["an unknown name", "no-such-host.invalid:5000", /^Cannot reach no-such-host\.invalid:5000: no such host$/],
  ["a port that fetch blocks", "localhost:6000", /: fetch refuses to connect to that port$/],
  ["no address", "a b:1", /: no valid address$/],
];
for (const [what, address, expected] of lost) {
  Deno.test(`HttpTransport given ${what}, then says so in plain words`, async () => {
    const transport = new HttpTransport();
    const error = await failure(() => transport.call(address, MESSAGE, AMPLE));
    assertEquals(error.code, "peer_unreachable");
    assertMatch(error.message, expected);
    transport.close();
  });
}

const strangers: [string, string, RegExp][] = [
  ["one that hangs up", "", /: connection lost$/],
  ["another protocol", "220 mail ready\r\n\r\n", /: what answers there is no MyDHT node$/],
  ["an answer cut short", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", /: connection lost$/],
];
for (const [what, says, expected] of strangers) {
  Deno.test(`HttpTransport given ${what}, then says so in plain words`, async () => {
    const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const transport = new HttpTransport();
    const answered = listener.accept().then(async (connection) => {
      await connection.read(new Uint8Array(10_000));
      await connection.write(new TextEncoder().encode(says));
      connection.close();
    });
    const error = await failure(() => transport.call(`127.0.0.1:${listener.addr.port}`, MESSAGE, AMPLE));
    assertMatch(error.message, expected);
    await answered;
    transport.close();
    listener.close();
  });
}

Deno.test("HttpTransport given a peer that dies of a message on a kept-alive connection, then sends it once and says so", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const address = `127.0.0.1:${listener.addr.port}`;
  const transport = new HttpTransport();
  const read: string[] = [];
  const serving = (async () => {
    for await (const connection of listener) {
      read.push(await messageFrom(connection));
      await connection.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
      read.push(await messageFrom(connection));
      connection.close();
    }
  })();
  const message = (text: string) => new TextEncoder().encode(text);
  await transport.call(address, message("first"), AMPLE);
  const error = await failure(() => transport.call(address, message("second"), AMPLE));
  assertEquals([error.code, read], ["peer_unreachable", ["first", "second"]]);
  assertMatch(error.message, /: connection lost$/);
  transport.close();
  listener.close();
  await serving;
});

/** Reads the message of one request. */
async function messageFrom(connection: Deno.Conn): Promise<string> {
  let text = "";
  for (;;) {
    const [head, body] = text.split("\r\n\r\n");
    const length = Number(/content-length: (\d+)/.exec(head!)?.[1]);
    if (body?.length === length) return body;
    const buffer = new Uint8Array(4_096);
    const count = await connection.read(buffer);
    if (count === null) return `${text} cut short`;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

Deno.test("HttpTransport given a call under way, when it is closed, then the call fails", async () => {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Response>();
  const hang = (): Promise<Response> => {
    asked.resolve();
    return answer.promise;
  };
  await serving(hang, async ({ port, transport }) => {
    const failed = failure(() => transport.call(`127.0.0.1:${port}`, MESSAGE, AMPLE));
    await asked.promise;
    transport.close();
    assertStringIncludes((await failed).message, "this node is stopping");
    answer.resolve(new Response());
  });
});

Deno.test("HttpTransport given it is closed, when it is called, then fails", async () => {
  const transport = new HttpTransport();
  transport.close();
  const error = await failure(() => transport.call("localhost:1024", MESSAGE, AMPLE));
  assertEquals(error.code, "peer_unreachable");
});

Deno.test("HttpTransport given many calls one after another, then uses one connection", async () => {
  const ports = new Set<number>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request, info) => {
    ports.add(info.remoteAddr.port);
    return new Response(await request.bytes());
  });
  const transport = new HttpTransport();
  for (let i = 0; i < 5; i++) await transport.call(`127.0.0.1:${server.addr.port}`, MESSAGE, AMPLE);
  transport.close();
  await server.shutdown();
  assertEquals(ports.size, 1);
});

Deno.test("HttpTransport given a peer that was restarted while a connection was idle, then the next call reaches it", async () => {
  const serve = (port: number) =>
    Deno.serve(
      { port, hostname: "127.0.0.1", onListen: () => {} },
      async (request) => new Response(await request.bytes()),
    );
  const first = serve(0);
  const { port } = first.addr;
  const transport = new HttpTransport();
  await transport.call(`127.0.0.1:${port}`, MESSAGE, AMPLE);
  await first.shutdown();
  // What the end of a connection tells comes in by the event loop.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const second = serve(port);
  assertEquals(await transport.call(`127.0.0.1:${port}`, MESSAGE, AMPLE), MESSAGE);
  transport.close();
  await second.shutdown();
});

Deno.test("HttpTransport given more calls at once than connections to one peer, then all are answered", async () => {
  const ports = new Set<number>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request, info) => {
    ports.add(info.remoteAddr.port);
    return new Response(await request.bytes());
  });
  const transport = new HttpTransport();
  const calls = Array.from(
    { length: 600 },
    (_, i) => transport.call(`127.0.0.1:${server.addr.port}`, Uint8Array.of(i % 256), AMPLE),
  );
  assertEquals(
    (await Promise.all(calls)).map(([byte]) => byte),
    Array.from({ length: 600 }, (_, i) => i % 256),
  );
  assert(ports.size <= 256);
  transport.close();
  await server.shutdown();
});

Deno.test("HttpTransport given calls gave up while they were being connected, then each next one connects for itself", async () => {
  const { connect } = Deno;
  const attempts: AbortSignal[] = [];
  const connectThirdTime = (
    options: Deno.ConnectOptions & { signal: AbortSignal },
  ): Promise<Deno.TcpConn> => {
    if (attempts.push(options.signal) === 3) return connect(options);
    return new Promise((_, reject) => {
      options.signal.addEventListener("abort", () => reject(options.signal.reason));
    });
  };
  await serving(() => new Response("hello"), async ({ port, transport }) => {
    Deno.connect = connectThirdTime as typeof connect;
    try {
      const callers = [new AbortController(), new AbortController()];
      const hung = callers.map(({ signal }) =>
        failure(() => transport.call(`127.0.0.1:${port}`, MESSAGE, { ...AMPLE, signal }))
      );
      callers[1]!.abort();
      await hung[1];
      assertEquals(attempts.map(({ aborted }) => aborted), [true, false]);
      callers[0]!.abort();
      await hung[0];
      const answer = await transport.call(`127.0.0.1:${port}`, MESSAGE, AMPLE);
      assertEquals(new TextDecoder().decode(answer), "hello");
      assertEquals(attempts.map(({ aborted }) => aborted), [true, true, false]);
    } finally {
      Deno.connect = connect;
    }
  });
});

Deno.test("HttpTransport given a peer that answers before it has read a long message, then takes the answer", async () => {
  await serving(() => new Response("enough"), async ({ port, transport }) => {
    const message = new Uint8Array(8 * 1024 * 1024);
    for (let i = 0; i < 3; i++) {
      const answer = await transport.call(`127.0.0.1:${port}`, message, AMPLE);
      assertEquals(new TextDecoder().decode(answer), "enough");
    }
  });
});

Deno.test("isHttps() given addresses, then only those of port 443 are asked over https", () => {
  assertEquals(["node.example:443", "[::1]:50140", "localhost:1443"].map(isHttps), [true, false, false]);
});

function canListenOn(hostname: string): boolean {
  try {
    Deno.listen({ port: 0, hostname }).close();
    return true;
  } catch {
    return false;
  }
}
