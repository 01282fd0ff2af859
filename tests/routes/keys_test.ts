import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { SWEEP_MS } from "../../routes/request_body.ts";
import { Api, problemOf } from "./fixture.ts";

const LONG_KEY = "k".repeat(1024);

Deno.test("PUT /keys/{key} given a body, then answers what was acknowledged, with an ETag", async () => {
  const api = new Api();
  const response = await api.send("PUT", "/keys/a/b", {
    body: "hello",
    headers: { "content-type": "text/css" },
  });
  assertEquals(response.status, 200);
  assertEquals([...response.headers], [
    ["content-type", "application/json"],
    ["etag", `"${api.node.nowMs}-0-s1.1"`],
  ]);
  assertEquals(await response.json(), {
    key: "a/b",
    timestamp: api.node.nowMs / 1000,
    version: `${api.node.nowMs}-0-s1.1`,
    size: 5,
    replicas: api.node.whereIs("a/b").nodes.slice(0, 2),
    expires: null,
  });
});

Deno.test("PUT /keys/{key} given a key that exists, then answers 200 as well", async () => {
  const api = new Api();
  await api.put("a", "old");
  assertEquals((await api.send("PUT", "/keys/a", { body: "new" })).status, 200);
  assertEquals(await (await api.send("GET", "/keys/a")).text(), "new");
});

Deno.test("PUT /keys/{key} given no body, then stores a value of no bytes", async () => {
  const api = new Api();
  assertEquals((await (await api.send("PUT", "/keys/empty")).json()).size, 0);
  const response = await api.send("GET", "/keys/empty");
  assertEquals([response.status, await response.text()], [200, ""]);
});

Deno.test("PUT /keys/{key} given a stream of many chunks, then stores all of them in order", async () => {
  const api = new Api();
  const chunks = Array.from({ length: 20 }, (_, index) => new TextEncoder().encode(`${index},`));
  await api.send("PUT", "/keys/stream", { body: ReadableStream.from(chunks) });
  const expected = Array.from({ length: 20 }, (_, index) => `${index},`).join("");
  assertEquals(await (await api.send("GET", "/keys/stream")).text(), expected);
  await api.clock.pass(SWEEP_MS);
  assertEquals(api.clock.sleeping, 0);
});

const CONTENT_TYPES = [
  { sent: "image/png", kept: "image/png" },
  { sent: "text/html; charset=utf-8", kept: "text/html; charset=utf-8" },
  { sent: "application/x-www-form-urlencoded", kept: "application/octet-stream" },
  { sent: "multipart/form-data; boundary=x", kept: "multipart/form-data; boundary=x" },
  { sent: "", kept: "application/octet-stream" },
];
for (const { sent, kept } of CONTENT_TYPES) {
  Deno.test(`PUT /keys/{key} given Content-Type "${sent}", then GET has "${kept}"`, async () => {
    const api = new Api();
    await api.send("PUT", "/keys/a", {
      body: new Uint8Array([1]),
      headers: sent ? { "content-type": sent } : {},
    });
    assertEquals((await api.send("GET", "/keys/a")).headers.get("content-type"), kept);
  });
}

const REFUSED_PUTS = [
  { name: "Content-Range", headers: { "content-range": "bytes 0-1/9" }, status: 400, code: "partial_put" },
  {
    name: "gzip",
    headers: { "content-encoding": "gzip" },
    status: 415,
    code: "unsupported_content_encoding",
  },
  {
    name: "two encodings",
    headers: { "content-encoding": "identity, br" },
    status: 415,
    code: "unsupported_content_encoding",
  },
  {
    name: "no media type",
    headers: { "content-type": "nonsense" },
    status: 400,
    code: "invalid_content_type",
  },
  {
    name: "a type too long",
    headers: { "content-type": `a/${"b".repeat(300)}` },
    status: 400,
    code: "invalid_content_type",
  },
  { name: "If-Match", headers: { "if-match": '"1"' }, status: 501, code: "conditions_unsupported" },
  { name: "If-None-Match", headers: { "if-none-match": "*" }, status: 501, code: "conditions_unsupported" },
];
for (const { name, headers, status, code } of REFUSED_PUTS) {
  Deno.test(`PUT /keys/{key} given ${name}, then ${status} ${code} and nothing is stored`, async () => {
    const api = new Api();
    const response = await api.send("PUT", "/keys/a", {
      body: "x",
      headers: headers as unknown as Record<string, string>,
    });
    assertEquals([response.status, (await problemOf(response)).code], [status, code]);
    assertEquals(api.node.held.size, 0);
  });
}

Deno.test("PUT /keys/{key} given Content-Encoding identity, then stores it", async () => {
  const response = await new Api().send("PUT", "/keys/a", {
    body: "x",
    headers: { "content-encoding": "Identity" },
  });
  assertEquals(response.status, 200);
});

const GOOD_KEYS = [
  { path: "plain", key: "plain" },
  { path: "a/b//c/", key: "a/b//c/" },
  { path: "/leading", key: "/leading" },
  { path: "100%25", key: "100%" },
  { path: "%2541", key: "%41" },
  { path: "a+b", key: "a+b" },
  { path: "%E6%97%A5", key: "日" },
  { path: "a%2Fb", key: "a/b" },
  { path: "...", key: "..." },
  { path: "a.b/..c", key: "a.b/..c" },
  { path: "{key}", key: "{key}" },
  { path: "%0A", key: "\n" },
  { path: LONG_KEY, key: LONG_KEY },
  { path: "nodes", key: "nodes" },
];
for (const { path, key } of GOOD_KEYS) {
  Deno.test(`key given the path /keys/${path.slice(0, 20)}, then it is read back as sent`, async () => {
    const api = new Api();
    assertEquals((await api.send("PUT", `/keys/${path}`, { body: "x" })).status, 200);
    assertEquals([...api.node.held.keys()], [key]);
    assertEquals((await api.send("GET", `/keys/${path}`)).status, 200);
  });
}

const BAD_KEYS = [
  ["empty", ""],
  ["bad escape", "a%zz"],
  ["cut escape", "a%2"],
  ["not UTF-8", "%ff"],
  ["a surrogate", "%ED%A0%80"],
  ["overlong", "%C0%AF"],
  ["NUL", "a%00b"],
  ["dot segment", "a/./b"],
  ["dots", ".."],
  ["dots escaped", "%2e%2e/a"],
  ["dots behind an escaped slash", "a%2F.."],
  ["1,025 bytes", LONG_KEY + "k"],
  ["1,026 bytes of 342 characters", "%E6%97%A5".repeat(342)],
] as const;
for (const [name, path] of BAD_KEYS) {
  for (
    const [method, prefix] of [["PUT", "keys"], ["GET", "keys"], ["DELETE", "keys"], ["GET", "haskey"], [
      "GET",
      "whereis",
    ]]
  ) {
    Deno.test(`key given ${name}, when ${method} /${prefix}/, then 400 invalid_key`, async () => {
      const response = await new Api().send(method ?? "", `/${prefix}/${path}`);
      assertEquals([response.status, (await problemOf(response)).code], [400, "invalid_key"]);
    });
  }
}

Deno.test("GET /{key} given a path that is no route, then the value", async () => {
  const api = new Api();
  await api.put("site/index.html", "<p>", "text/html");
  const response = await api.send("GET", "/site/index.html");
  assertEquals([response.status, await response.text()], [200, "<p>"]);
});

Deno.test("GET /{key} given a key named as a route, then the route answers and /keys/ has the value", async () => {
  const api = new Api();
  await api.put("healthz", "mine");
  assertEquals((await (await api.send("GET", "/healthz")).json()).status, "ok");
  assertEquals(await (await api.send("GET", "/keys/healthz")).text(), "mine");
});

Deno.test("PUT /{key} given a path that is no route, then 405 that names /keys/", async () => {
  const response = await new Api().send("PUT", "/a", { body: "x" });
  assertEquals([response.status, response.headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
  assertStringIncludes((await problemOf(response)).detail, "/keys/{key}");
});

Deno.test("GET /keys/{key} given no such key, then 404 that says what to do", async () => {
  const response = await new Api().send("GET", "/keys/nothing");
  const problem = await problemOf(response);
  assertEquals([response.status, problem.code, problem.key], [404, "key_not_found", "nothing"]);
  assertEquals(response.headers.get("content-type"), "application/problem+json");
  assertMatch(problem.detail, /"nothing"; check its name; .*\.$/);
});

for (const consistency of ["quorum", "strong", "all", "one", "local"]) {
  Deno.test(`GET /keys/{key} given consistency=${consistency}, then the node is asked so`, async () => {
    const api = new Api();
    await api.send("GET", `/keys/a?consistency=${consistency}`);
    assertEquals(api.node.calls, [["get", "a", consistency]]);
  });
}

Deno.test("GET /keys/{key} given no consistency, then asks a quorum", async () => {
  const api = new Api();
  await api.send("GET", "/keys/a?utm=1");
  assertEquals(api.node.calls, [["get", "a", "quorum"]]);
});

Deno.test("GET /keys/{key} given another consistency, then 400 with the words there are", async () => {
  const response = await new Api().send("GET", "/keys/a?consistency=most");
  const problem = await problemOf(response);
  assertEquals([response.status, problem.code], [400, "invalid_query"]);
  assertStringIncludes(problem.detail, "quorum, strong, all, one, local");
});

for (const consistency of ["strong", "all"]) {
  Deno.test(`PUT and DELETE /keys/{key} given consistency=${consistency}, then the node is asked so`, async () => {
    const api = new Api();
    await api.send("PUT", `/keys/a?consistency=${consistency}`, { body: "x" });
    await api.send("DELETE", `/keys/a?consistency=${consistency}`);
    const asked = api.node.calls.map((call) => [call[0], call.at(-1)]);
    assertEquals(asked, [["put", consistency], ["delete", consistency]]);
  });
}

for (const method of ["PUT", "DELETE"]) {
  for (const consistency of ["one", "local", "most", ""]) {
    Deno.test(`${method} /keys/{key} given consistency=${consistency}, then 400 with the words there are`, async () => {
      const api = new Api();
      const response = await api.send(method, `/keys/a?consistency=${consistency}`);
      const problem = await problemOf(response);
      assertEquals([response.status, problem.code, api.node.calls], [400, "invalid_query", []]);
      assertStringIncludes(problem.detail, "it is one of quorum, strong, all");
      assertEquals(problem.detail.includes("a majority"), ["one", "local"].includes(consistency));
    });
  }
}

Deno.test("DELETE /keys/{key} given a key, then answers the tombstone's version", async () => {
  const api = new Api();
  await api.put("a", "x");
  const response = await api.send("DELETE", "/keys/a");
  const { key, version, replicas } = await response.json();
  assertEquals([response.status, key, version, replicas.length], [200, "a", `${api.node.nowMs}-1-s1.1`, 2]);
  assertEquals((await api.send("GET", "/keys/a")).status, 404);
});

Deno.test("DELETE /keys/{key} given no such key, then the tombstone is written and 404 answered", async () => {
  const api = new Api();
  const response = await api.send("DELETE", "/keys/a");
  assertEquals([response.status, (await problemOf(response)).code], [404, "key_not_found"]);
  assertEquals(api.node.calls, [["delete", "a"]]);
});

for (const [name, value] of [["If-Match", '"1"'], ["If-None-Match", "*"]] as const) {
  Deno.test(`DELETE /keys/{key} given ${name}, then 501 and nothing is deleted`, async () => {
    const api = new Api();
    const response = await api.send("DELETE", "/keys/a?consistency=strong", { headers: { [name]: value } });
    assertEquals([response.status, api.node.calls], [501, []]);
  });
}

Deno.test("GET /haskey/{key} given this node holds it, then its timestamp in seconds", async () => {
  const api = new Api();
  await api.put("a", "x");
  assertEquals(await (await api.send("GET", "/haskey/a")).json(), {
    key: "a",
    timestamp: api.node.nowMs / 1000,
  });
});

Deno.test("GET /haskey/{key} given this node holds none, then 0.0", async () => {
  assertEquals(await (await new Api().send("GET", '/haskey/a"b')).text(), '{"key":"a\\"b","timestamp":0.0}');
});

Deno.test("GET /whereis/{key} given any key, then its partition and nodes in order", async () => {
  const api = new Api();
  const response = await api.send("GET", "/whereis/a/b");
  assertEquals(await response.json(), { key: "a/b", ...api.node.whereIs("a/b") });
});

Deno.test("PUT /keys/{key} given a write that misses its quorum, then 503 with the facts and Retry-After", async () => {
  const api = new Api();
  const facts = { asked: ["localhost:50140"], answered: 1, required: 2 };
  api.node.failures.set(
    "put",
    new DhtError("write_outcome_unknown", 'Cannot write key "a": 1 of 2 nodes', facts),
  );
  const response = await api.send("PUT", "/keys/a", { body: "x" });
  const problem = await problemOf(response);
  assertEquals([response.status, response.headers.get("retry-after")], [503, "1"]);
  assertEquals([problem.code, problem.retryable, problem.required, problem.asked], [
    "write_outcome_unknown",
    true,
    2,
    ["localhost:50140"],
  ]);
});

Deno.test("PUT /keys/{key} given a full disk, then 507", async () => {
  const api = new Api();
  api.node.failures.set("put", new DhtError("disk_full", "Cannot write: the disk is full"));
  assertEquals((await api.send("PUT", "/keys/a", { body: "x" })).status, 507);
});

Deno.test("PUT /keys/{key}?ttl=60, then it says when the value will be no more, and so do GET and the listing", async () => {
  const api = new Api();
  const put = await api.send("PUT", "/keys/a?ttl=60", { body: "x" });
  const expires = api.node.nowMs / 1000 + 60;
  assertEquals((await put.json()).expires, expires);
  const got = await api.send("GET", "/keys/a");
  assertEquals(got.headers.get("expires"), new Date(expires * 1000).toUTCString());
  assertEquals((await (await api.send("GET", "/keys")).json()).keys[0].expires, expires);
  await got.body?.cancel();
});

Deno.test("GET /keys/{key} given a value that stays, then there is no Expires", async () => {
  const api = new Api();
  await api.put("a", "x");
  const response = await api.send("HEAD", "/keys/a");
  assertEquals(response.headers.get("expires"), null);
});

for (const ttl of ["0", "-1", "1.5", "x", "", "99999999999"]) {
  Deno.test(`PUT /keys/{key}?ttl=${ttl}, then 400 and nothing is stored`, async () => {
    const api = new Api();
    const problem = await problemOf(await api.send("PUT", `/keys/a?ttl=${ttl}`, { body: "x" }));
    assertEquals([problem.status, problem.code], [400, "invalid_query"]);
    assertEquals(api.node.held.size, 0);
  });
}
