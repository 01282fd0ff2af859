import { assertEquals, assertStringIncludes } from "@std/assert";
import { PEER_PATH } from "../../lib/api.ts";
import { DhtError, InvariantError } from "../../lib/core/errors.ts";
import { Api, problemOf } from "./fixture.ts";

const ALLOWED = [
  ["/", "GET, HEAD, OPTIONS"],
  ["/keys", "GET, HEAD, OPTIONS"],
  ["/keys/a", "GET, HEAD, PUT, DELETE, OPTIONS"],
  ["/haskey/a", "GET, HEAD, OPTIONS"],
  ["/whereis/a", "GET, HEAD, OPTIONS"],
  ["/nodes", "GET, HEAD, POST, OPTIONS"],
  ["/nodes/a:1", "DELETE, OPTIONS"],
  ["/balance", "POST, OPTIONS"],
  ["/purge", "POST, OPTIONS"],
  ["/leave", "POST, OPTIONS"],
  ["/plan", "GET, HEAD, OPTIONS"],
  ["/tasks/t", "GET, HEAD, DELETE, OPTIONS"],
  ["/healthz", "GET, HEAD, OPTIONS"],
  ["/readyz", "GET, HEAD, OPTIONS"],
  ["/metrics", "GET, HEAD, OPTIONS"],
  [PEER_PATH, "POST, OPTIONS"],
  ["/any/other", "GET, HEAD, OPTIONS"],
] as const;
for (const [path, allow] of ALLOWED) {
  Deno.test(`route ${path} given PATCH, then 405 with Allow: ${allow}`, async () => {
    const response = await new Api().send("PATCH", path);
    assertEquals([response.status, response.headers.get("allow")], [405, allow]);
    assertEquals((await problemOf(response)).code, "method_not_allowed");
  });
  Deno.test(`route ${path} given OPTIONS, then 204 with Allow: ${allow}`, async () => {
    const response = await new Api().send("OPTIONS", path);
    assertEquals([response.status, response.headers.get("allow"), response.body], [204, allow, null]);
  });
}

for (const method of ["path", "secret", "constructor", "LINK"]) {
  Deno.test(`routes given the method ${method}, then 405`, async () => {
    assertEquals((await new Api().send(method, "/nodes")).status, 405);
  });
}

for (
  const path of [
    "/",
    "/keys",
    "/haskey/a",
    "/whereis/a",
    "/nodes",
    "/tasks/balance-1",
    "/healthz",
    "/readyz",
    "/keys/no",
  ]
) {
  Deno.test(`HEAD ${path}, then the status and headers of GET without a body`, async () => {
    const api = new Api();
    const [head, get] = [await api.send("HEAD", path), await api.send("GET", path)];
    assertEquals([head.status, head.body], [get.status, null]);
    assertEquals([...head.headers], [...get.headers]);
    assertEquals(Number(get.headers.get("content-length")), (await get.bytes()).length);
  });
}

for (const path of ["/", "/keys", "/nodes", "/healthz", "/metrics", "/keys/missing", "/tasks/none"]) {
  Deno.test(`GET ${path}, then it is not to be stored or sniffed`, async () => {
    const { headers } = await new Api().send("GET", path);
    assertEquals([headers.get("cache-control"), headers.get("x-content-type-options")], [
      "no-store",
      "nosniff",
    ]);
  });
}

Deno.test("routes given a URL of more than 8 KiB, then 414", async () => {
  const response = await new Api().send("GET", `/keys?prefix=${"a".repeat(8192)}`);
  assertEquals([response.status, (await problemOf(response)).code], [414, "uri_too_long"]);
});

Deno.test("routes given the longest key and its cursor, all escaped, then they fit", async () => {
  const escaped = "%E6%97%A5".repeat(341);
  assertEquals((await new Api().send("GET", `/keys?prefix=${escaped}&after=${escaped}`)).status, 200);
});

const HOSTS = [
  ["localhost:50140", 200],
  ["LocalHost:50140", 200],
  ["localhost", 200],
  ["127.0.0.1:8080", 200],
  ["[::1]:50140", 200],
  ["evil.example:50140", 421],
  ["localhost.evil.example:50140", 421],
  ["evil.example#localhost:50140", 421],
  ["127.0.0.1.nip.example", 421],
  ["192.168.0.7:50140", 421],
] as const;
for (const [authority, status] of HOSTS) {
  Deno.test(`routes on loopback given the host ${authority}, then ${status}`, async () => {
    assertEquals((await new Api().send("GET", "/healthz", { authority })).status, status);
  });
}

Deno.test("routes on loopback given the node's own address, then it is answered", async () => {
  const api = new Api({ selfAddress: "my-machine:50140" });
  assertEquals((await api.send("GET", "/healthz", { authority: "my-machine:50140" })).status, 200);
});

Deno.test("routes not only on loopback given any host, then it is answered", async () => {
  const api = new Api({ loopbackOnly: false });
  assertEquals((await api.send("GET", "/healthz", { authority: "dht.example" })).status, 200);
});

Deno.test("routes given a Host that differs from the URL, then 400", async () => {
  const response = await new Api().send("GET", "/healthz", { headers: { host: "localhost:50140/x" } });
  assertEquals([response.status, (await problemOf(response)).code], [400, "invalid_host"]);
});

const ORIGINS = [
  ["http://localhost:50140", 200],
  ["https://localhost:50140", 200],
  ["http://localhost:50141", 403],
  ["http://evil.example", 403],
  ["http://localhost:50140.evil.example", 403],
  ["null", 403],
  ["", 403],
] as const;
for (const [origin, status] of ORIGINS) {
  Deno.test(`routes given the Origin "${origin}", when PUT, then ${status}`, async () => {
    const api = new Api();
    assertEquals((await api.send("PUT", "/keys/a", { body: "x", headers: { origin } })).status, status);
    assertEquals(api.node.held.size, status === 200 ? 1 : 0);
  });
}

for (
  const [method, path] of [["DELETE", "/keys/a"], ["POST", "/balance"], ["POST", "/nodes"], [
    "DELETE",
    "/nodes/a:1",
  ], ["POST", PEER_PATH]]
) {
  Deno.test(`routes given a foreign Origin and no secret, when ${method} ${path}, then 403 and nothing is done`, async () => {
    for (const loopbackOnly of [true, false]) {
      const api = new Api({ loopbackOnly });
      const response = await api.send(method ?? "", path ?? "", {
        headers: { origin: "http://evil.example" },
      });
      assertEquals([response.status, (await problemOf(response)).code], [403, "foreign_origin"]);
      assertEquals(api.node.calls, []);
    }
  });
}

Deno.test("routes given a foreign Origin, when GET, then it is answered", async () => {
  const response = await new Api().send("GET", "/healthz", { headers: { origin: "http://evil.example" } });
  assertEquals([response.status, response.headers.get("access-control-allow-origin")], [200, null]);
});

const GUARDED = [
  ["POST", "/nodes"],
  ["DELETE", "/nodes/localhost:50141"],
  ["POST", "/balance"],
  ["POST", "/purge"],
  ["POST", "/leave"],
  ["DELETE", "/tasks/leave"],
] as const;
const JOIN = JSON.stringify({ address: "localhost:50143", storeId: "s4", incarnation: 1 });

for (const [method, path] of GUARDED) {
  for (
    const [name, authorization] of [["none", undefined], ["a wrong one", "Bearer s3cre"], [
      "another scheme",
      "Basic s3cret",
    ], ["an empty one", "Bearer "]]
  ) {
    Deno.test(`${method} ${path} given a secret, when ${name} is sent, then 401 and nothing is done`, async () => {
      const api = new Api({ secret: "s3cret" });
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      const response = await api.send(method, path, { headers, body: JOIN });
      assertEquals([response.status, response.headers.get("www-authenticate")], [
        401,
        'Bearer realm="mydht"',
      ]);
      assertEquals((await problemOf(response)).code, "unauthorized");
      assertEquals(api.node.calls, []);
    });
  }
  Deno.test(`${method} ${path} given a secret, when it is sent, then it is done`, async () => {
    const headers = { authorization: "bearer s3cret", "content-type": "application/json" };
    const response = await new Api({ secret: "s3cret" }).send(method, path, { headers, body: JOIN });
    assertEquals(response.ok, true);
  });
}

for (
  const [method, path] of [["GET", "/nodes"], ["GET", "/"], ["PUT", "/keys/a"], ["GET", "/keys"], [
    "GET",
    "/metrics",
  ]]
) {
  Deno.test(`${method} ${path} given a secret, when none is sent, then it is done`, async () => {
    assertEquals((await new Api({ secret: "s3cret" }).send(method ?? "", path ?? "")).status, 200);
  });
}

Deno.test("routes given a message of a node, then it is answered by whoever checks it, without a token", async () => {
  const receive = (message: Uint8Array) => Promise.resolve(message.slice(0, 1));
  const peerGate = { receive, bytesToKeep: () => Infinity };
  const api = new Api({ secret: "s3cret", peerGate });
  const response = await api.send("POST", PEER_PATH, { body: "a frame" });
  assertEquals([response.status, await response.text()], [200, "a"]);
});

Deno.test("routes given a message that was not made with the secret, then 401, and the log says who", async () => {
  const refuse = () => Promise.reject(new DhtError("unauthorized", "Cannot answer: wrong or missing secret"));
  const api = new Api({ secret: "s3cret", peerGate: { receive: refuse, bytesToKeep: () => Infinity } });
  const headers = { authorization: "Bearer s3cret" };
  const response = await api.send("POST", PEER_PATH, { body: "not a frame", headers });
  assertEquals([response.status, (await problemOf(response)).code], [401, "unauthorized"]);
  assertEquals(api.log.events.map(({ event }) => event), ["unauthorized_request"]);
});

Deno.test("routes given many requests without the secret, then one a second is logged, with how many were not", async () => {
  const api = new Api({ secret: "s3cret" });
  const knock = async (times: number) => {
    for (let i = 0; i < times; i++) await api.send("POST", "/leave");
  };
  await knock(100);
  await api.clock.pass(1_000);
  await knock(50);
  await api.clock.pass(1_000);
  await knock(1);
  assertEquals(api.log.events.map(({ fields }) => fields["notLogged"]), [undefined, 99, 49]);
});

Deno.test("routes given a refused secret, then the log says who, but not what was sent", async () => {
  const api = new Api({ secret: "s3cret" });
  await api.send("POST", "/leave", { headers: { authorization: "Bearer guess" } });
  const fields = { method: "POST", route: "/leave", remoteAddress: "127.0.0.1" };
  assertEquals(api.log.events, [{ level: "warn", event: "unauthorized_request", fields }]);
});

Deno.test("routes given an unexpected error, then 500 without its words, which the log has", async () => {
  const api = new Api();
  api.node.failures.set("get", new TypeError("undefined is not /home/me/lib.ts"));
  const response = await api.send("GET", "/keys/a");
  const body = await response.text();
  assertEquals([response.status, JSON.parse(body).code], [500, "internal"]);
  assertEquals(body.includes("lib.ts"), false);
  assertEquals(api.log.events.map(({ level, event }) => [level, event]), [["error", "request_failed"]]);
  assertStringIncludes(String(api.log.events[0]?.fields["error"]), "lib.ts");
});

Deno.test("routes given a broken invariant, then the log names it", async () => {
  const api = new Api();
  api.node.failures.set("get", new InvariantError("two writers"));
  assertEquals((await api.send("GET", "/keys/a")).status, 500);
  assertEquals(api.log.events.map(({ event }) => event), ["invariant_broken"]);
});

Deno.test("routes given a client that has gone, then its end is no error of ours", async () => {
  const api = new Api();
  const gone = new AbortController();
  gone.abort();
  api.node.failures.set("get", gone.signal.reason);
  assertEquals((await api.send("GET", "/keys/a", { signal: gone.signal })).status, 499);
  assertEquals(api.log.events, []);
});

Deno.test("routes given an error of the ring, then nothing is logged", async () => {
  const api = new Api();
  api.node.failures.set("get", new DhtError("read_quorum_unreachable", "Cannot read"));
  assertEquals((await api.send("GET", "/keys/a")).status, 503);
  assertEquals(api.log.events, []);
});
