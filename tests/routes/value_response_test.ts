import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { Api, problemOf } from "./fixture.ts";

const LETTERS = "abcdefghij";
/** Longer than the fake node's small values, so that it is streamed. */
const LONG = LETTERS.repeat(20);

async function apiWith(value: string): Promise<Api> {
  const api = new Api();
  await api.put("v", value);
  return api;
}

const POLICY =
  "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self' data:; style-src 'unsafe-inline'";
const digestOf = (value: string) => `sha-256=:${createHash("sha256").update(value).digest("base64")}:`;

Deno.test("GET /keys/{key} given a small value, then the headers that describe and confine it", async () => {
  const api = await apiWith(LETTERS);
  const response = await api.send("GET", "/keys/v");
  // Its length is written by the server.
  assertEquals(Object.fromEntries(response.headers), {
    "cache-control": "no-cache",
    "content-type": "text/plain",
    "etag": `"${api.node.nowMs}-0-s1.1"`,
    "last-modified": "Sat, 31 Jan 2026 09:05:07 GMT",
    "x-content-type-options": "nosniff",
  });
  assertEquals(await response.text(), LETTERS);
});

Deno.test("GET /keys/{key} given a streamed value, then its length, its digest and that it has ranges, too", async () => {
  const api = new Api();
  await api.put("v", LONG, "text/html");
  const response = await api.send("GET", "/keys/v");
  assertEquals(Object.fromEntries(response.headers), {
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    "content-length": `${LONG.length}`,
    "content-security-policy": POLICY,
    "content-type": "text/html",
    "etag": `"${api.node.nowMs}-0-s1.1"`,
    "last-modified": "Sat, 31 Jan 2026 09:05:07 GMT",
    "repr-digest": digestOf(LONG),
    "x-content-type-options": "nosniff",
  });
  await response.body?.cancel();
});

const POLICIES = [
  ["application/octet-stream", null],
  ["text/plain", null],
  ["text/plain; charset=utf-8", null],
  ["application/json", null],
  ["text/plain;charset=x,text/html", POLICY],
  ["text/plain; charset=utf-8, text/html", POLICY],
  ["TEXT/PLAIN", POLICY],
  ["text/html", POLICY],
  ["text/javascript", POLICY],
  ["image/svg+xml", POLICY],
  ["application/xhtml+xml", POLICY],
  ["application/pdf", POLICY],
  ["text/css", POLICY],
  ["x/y", POLICY],
] as const;
for (const [contentType, policy] of POLICIES) {
  Deno.test(`GET /keys/{key} given the type ${contentType}, then ${policy === null ? "no" : "a"} policy`, async () => {
    const api = new Api();
    await api.put("v", LETTERS, contentType);
    const { headers } = await api.send("GET", "/keys/v");
    assertEquals(headers.get("content-security-policy"), policy);
    assertEquals([headers.get("content-type"), headers.get("x-content-type-options")], [
      contentType,
      "nosniff",
    ]);
  });
}

const WANTED = [
  ["sha-256=1", true],
  ["sha-512=3, sha-256=10", true],
  ["sha-256=0", false],
  ["sha-512=3", false],
  ["", false],
] as const;
for (const [wanted, told] of WANTED) {
  Deno.test(`GET /keys/{key} given a small value and Want-Repr-Digest: ${wanted}, then ${told ? "its" : "no"} digest`, async () => {
    const headers = { "want-repr-digest": wanted };
    const response = await (await apiWith(LETTERS)).send("GET", "/keys/v", { headers });
    assertEquals(response.headers.get("repr-digest"), told ? digestOf(LETTERS) : null);
  });
}

Deno.test("GET /keys/{key} given one owner is asked and memory knows the value, then it is answered without a promise", async () => {
  const api = await apiWith(LETTERS);
  const value = await api.node.get("v", { consistency: "one" });
  api.node.getNow = (_key, consistency) => consistency === "one" ? value : "unknown";
  const answer = api.handle("GET", "/keys/v?consistency=one");
  assertEquals(answer instanceof Response && [answer.status, await answer.text()], [200, LETTERS]);
  assertEquals(api.handle("GET", "/keys/v") instanceof Promise, true);
});

Deno.test("GET /keys/{key} given memory knows of a deletion, then 404 without a promise", () => {
  const api = new Api();
  api.node.getNow = () => undefined;
  const answer = api.handle("GET", "/keys/v?consistency=local");
  assertEquals(answer instanceof Response && answer.status, 404);
});

Deno.test("GET /keys/{key} given a streamed value, then all of its bytes", async () => {
  assertEquals(await (await (await apiWith(LONG)).send("GET", "/keys/v")).text(), LONG);
});

for (const value of [LETTERS, LONG]) {
  Deno.test(`HEAD /keys/{key} given ${value.length} bytes, then the headers of GET and no body`, async () => {
    const api = await apiWith(value);
    const [head, get] = [await api.send("HEAD", "/keys/v"), await api.send("GET", "/keys/v")];
    // Where the value has come whole, the server itself writes the length.
    if (value === LETTERS) get.headers.set("content-length", `${LETTERS.length}`);
    assertEquals([...head.headers], [...get.headers]);
    assertEquals([head.status, head.body], [200, null]);
    await get.body?.cancel();
  });
}

const RANGES = [
  { range: "bytes=0-0", status: 206, body: "a", contentRange: "bytes 0-0/10" },
  { range: "bytes=2-4", status: 206, body: "cde", contentRange: "bytes 2-4/10" },
  { range: "bytes=7-", status: 206, body: "hij", contentRange: "bytes 7-9/10" },
  { range: "bytes=7-99", status: 206, body: "hij", contentRange: "bytes 7-9/10" },
  { range: "bytes=-2", status: 206, body: "ij", contentRange: "bytes 8-9/10" },
  { range: "bytes=-99", status: 206, body: LETTERS, contentRange: "bytes 0-9/10" },
  { range: "Bytes=1-1", status: 206, body: "b", contentRange: "bytes 1-1/10" },
  { range: "bytes=0-1,3-4", status: 200, body: LETTERS, contentRange: null },
  { range: "bytes=4-2", status: 200, body: LETTERS, contentRange: null },
  { range: "bytes=x-", status: 200, body: LETTERS, contentRange: null },
  { range: "bytes=-", status: 200, body: LETTERS, contentRange: null },
  { range: "lines=0-1", status: 200, body: LETTERS, contentRange: null },
  { range: "bytes=10-", status: 416, body: undefined, contentRange: "bytes */10" },
  { range: "bytes=99999999999999999999-", status: 416, body: undefined, contentRange: "bytes */10" },
  { range: "bytes=-0", status: 416, body: undefined, contentRange: "bytes */10" },
];
for (const { range, status, body, contentRange } of RANGES) {
  Deno.test(`GET /keys/{key} given Range ${range}, then ${status}`, async () => {
    const response = await (await apiWith(LETTERS)).send("GET", "/keys/v", { headers: { range } });
    assertEquals([response.status, response.headers.get("content-range")], [status, contentRange]);
    const text = await response.text();
    if (body === undefined) assertEquals(JSON.parse(text).code, "range_not_satisfiable");
    else assertEquals(text, body);
  });
}

Deno.test("GET /keys/{key} given a range of a streamed value, then only its bytes", async () => {
  const response = await (await apiWith(LONG)).send("GET", "/keys/v", { headers: { range: "bytes=35-124" } });
  assertEquals([response.status, await response.text()], [206, LONG.slice(35, 125)]);
});

Deno.test("GET /keys/{key} given a range of an empty value, then 416", async () => {
  const response = await (await apiWith("")).send("GET", "/keys/v", { headers: { range: "bytes=-5" } });
  assertEquals([response.status, response.headers.get("content-range")], [416, "bytes */0"]);
});

Deno.test("HEAD /keys/{key} given a range, then it is ignored", async () => {
  assertEquals(
    (await (await apiWith(LETTERS)).send("HEAD", "/keys/v", { headers: { range: "bytes=0-1" } })).status,
    200,
  );
});

const ETAG = (api: Api) => `"${api.node.nowMs}-0-s1.1"`;
const MODIFIED = "Sat, 31 Jan 2026 09:05:07 GMT";

const CONDITIONS: readonly { name: string; headers: (api: Api) => Record<string, string>; status: number }[] =
  [
    { name: "its tag in If-None-Match", headers: (api) => ({ "if-none-match": ETAG(api) }), status: 304 },
    {
      name: "its weak tag in a list",
      headers: (api) => ({ "if-none-match": `"x", W/${ETAG(api)}` }),
      status: 304,
    },
    { name: "any tag", headers: () => ({ "if-none-match": "*" }), status: 304 },
    { name: "another tag", headers: () => ({ "if-none-match": '"x"' }), status: 200 },
    {
      name: "its date in If-Modified-Since",
      headers: () => ({ "if-modified-since": MODIFIED }),
      status: 304,
    },
    {
      name: "an older date",
      headers: () => ({ "if-modified-since": "Sat, 31 Jan 2026 09:05:06 GMT" }),
      status: 200,
    },
    { name: "no date", headers: () => ({ "if-modified-since": "yesterday" }), status: 200 },
    {
      name: "another tag and its date, of which the tag counts",
      headers: () => ({ "if-none-match": '"x"', "if-modified-since": MODIFIED }),
      status: 200,
    },
    { name: "its tag in If-Match", headers: (api) => ({ "if-match": ETAG(api) }), status: 200 },
    { name: "another tag in If-Match", headers: () => ({ "if-match": '"x"' }), status: 412 },
    {
      name: "its date in If-Unmodified-Since",
      headers: () => ({ "if-unmodified-since": MODIFIED }),
      status: 200,
    },
    {
      name: "an older date in If-Unmodified-Since",
      headers: () => ({ "if-unmodified-since": "Sat, 31 Jan 2026 09:05:06 GMT" }),
      status: 412,
    },
    {
      name: "its tag and a range",
      headers: (api) => ({ "if-none-match": ETAG(api), range: "bytes=0-1" }),
      status: 304,
    },
    {
      name: "its tag in If-Range",
      headers: (api) => ({ "if-range": ETAG(api), range: "bytes=0-1" }),
      status: 206,
    },
    {
      name: "another tag in If-Range",
      headers: () => ({ "if-range": '"x"', range: "bytes=0-1" }),
      status: 200,
    },
    {
      name: "its weak tag in If-Range",
      headers: (api) => ({ "if-range": `W/${ETAG(api)}`, range: "bytes=0-1" }),
      status: 200,
    },
    {
      name: "its date in If-Range",
      headers: () => ({ "if-range": MODIFIED, range: "bytes=0-1" }),
      status: 206,
    },
    {
      name: "another date in If-Range",
      headers: () => ({ "if-range": "Sat, 31 Jan 2026 09:05:08 GMT", range: "bytes=0-1" }),
      status: 200,
    },
    {
      name: "another tag in If-Range and a range it does not have",
      headers: () => ({ "if-range": '"x"', range: "bytes=99-" }),
      status: 200,
    },
  ];
for (const { name, headers, status } of CONDITIONS) {
  Deno.test(`GET /keys/{key} given ${name}, then ${status}`, async () => {
    const api = await apiWith(LETTERS);
    const response = await api.send("GET", "/keys/v", { headers: headers(api) });
    assertEquals(response.status, status);
    if (status === 304) assertEquals([response.body, response.headers.get("etag")], [null, ETAG(api)]);
    if (status === 412) assertEquals((await problemOf(response)).code, "precondition_failed");
  });
}

Deno.test("GET /keys/{key} given its date in If-Range within the second of the write, then the whole value", async () => {
  const api = new Api();
  api.node.nowMs = api.clock.nowMs() - 100;
  await api.put("v", LETTERS);
  const date = new Date(api.node.nowMs).toUTCString();
  const response = await api.send("GET", "/keys/v", { headers: { "if-range": date, range: "bytes=0-1" } });
  assertEquals(response.status, 200);
});
