import { assertEquals } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { Api, problemOf } from "./fixture.ts";

const JSON_TYPE = { "content-type": "application/json" };

Deno.test("GET /nodes, then the ring as this node sees it", async () => {
  const api = new Api();
  const answer = await (await api.send("GET", "/nodes")).json();
  const { ring, self, replicas, partitions, layout, changing } = answer;
  assertEquals({ ring, self, replicas, partitions, layout, changing }, {
    ring: "9f2c41d07be35a86",
    self: "localhost:50140",
    replicas: 3,
    partitions: 16_384,
    layout: "4be1c09a",
    changing: false,
  });
  assertEquals(answer.nodes.length, 3);
  assertEquals(answer.nodes[1], {
    address: "localhost:50141",
    url: "http://localhost:50141/",
    state: "up",
    reachable: true,
    trouble: null,
    synced: true,
    primaryPartitions: 5461,
    ownedPartitions: 16_384,
    storeId: "store-localhost-50141",
    weight: 1,
    zone: null,
  });
});

Deno.test("POST /nodes given who joins, then the node is told and the ring answered", async () => {
  const api = new Api();
  const body = { address: "[::1]:50143", storeId: "5f", incarnation: 2 };
  const response = await api.send("POST", "/nodes", { body: JSON.stringify(body), headers: JSON_TYPE });
  assertEquals([response.status, (await response.json()).self], [200, "localhost:50140"]);
  assertEquals(api.node.calls, [["join", body]]);
});

const BAD_JOINS: readonly (readonly [string, BodyInit])[] = [
  ["nothing", ""],
  ["no JSON", "{"],
  ["null", "null"],
  ["a list", "[]"],
  ["bytes that are not UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
  ["no address", '{"storeId":"s","incarnation":1}'],
  ["an address without a port", '{"address":"localhost","storeId":"s","incarnation":1}'],
  ["an address with a path", '{"address":"localhost:1/a","storeId":"s","incarnation":1}'],
  ["a port out of range", '{"address":"localhost:70000","storeId":"s","incarnation":1}'],
  ["a store id with markup", '{"address":"localhost:1","storeId":"<b>","incarnation":1}'],
  ["incarnation 0", '{"address":"localhost:1","storeId":"s","incarnation":0}'],
  ["a weight of nothing", '{"address":"localhost:1","storeId":"s","incarnation":1,"weight":0}'],
  ["a zone with markup", '{"address":"localhost:1","storeId":"s","incarnation":1,"zone":"<b>"}'],
  ["a broken incarnation", '{"address":"localhost:1","storeId":"s","incarnation":1.5}'],
];
for (const [name, body] of BAD_JOINS) {
  Deno.test(`POST /nodes given ${name}, then 400 invalid_body`, async () => {
    const api = new Api();
    const response = await api.send("POST", "/nodes", { body, headers: JSON_TYPE });
    assertEquals([response.status, (await problemOf(response)).code], [400, "invalid_body"]);
    assertEquals(api.node.calls, []);
  });
}

Deno.test("POST /nodes given a form, then 415", async () => {
  const headers = { "content-type": "text/plain" };
  const response = await new Api().send("POST", "/nodes", { body: "{}", headers });
  assertEquals([response.status, (await problemOf(response)).code], [415, "unsupported_media_type"]);
});

Deno.test("POST /nodes given a body of more than 16 KiB without a length, then 413", async () => {
  const body = ReadableStream.from([new Uint8Array(10_000), new Uint8Array(10_000)]);
  const response = await new Api().send("POST", "/nodes", { body, headers: JSON_TYPE });
  assertEquals([response.status, (await problemOf(response)).code], [413, "body_too_large"]);
});

const REMOVALS = [
  ["/nodes/localhost:50141", ["remove", "localhost:50141", false]],
  ["/nodes/localhost%3A50141?force=true", ["remove", "localhost:50141", true]],
  ["/nodes/[::1]:50141?force=false", ["remove", "[::1]:50141", false]],
] as const;
for (const [path, call] of REMOVALS) {
  Deno.test(`DELETE ${path}, then the node is told`, async () => {
    const api = new Api();
    assertEquals((await api.send("DELETE", path)).status, 200);
    assertEquals(api.node.calls, [[...call]]);
  });
}

const BAD_REMOVALS = [
  ["/nodes/", "invalid_address"],
  ["/nodes/localhost", "invalid_address"],
  ["/nodes/a%zz:1", "invalid_address"],
  ["/nodes/localhost:1?force=yes", "invalid_query"],
] as const;
for (const [path, code] of BAD_REMOVALS) {
  Deno.test(`DELETE ${path}, then 400 ${code}`, async () => {
    const response = await new Api().send("DELETE", path);
    assertEquals([response.status, (await problemOf(response)).code], [400, code]);
  });
}

Deno.test("DELETE /nodes/{address} given a node that answers, then 409 that says to let it leave", async () => {
  const api = new Api();
  api.node.failures.set(
    "remove",
    new DhtError("node_reachable", "Cannot remove localhost:50141: it answers"),
  );
  const problem = await problemOf(await api.send("DELETE", "/nodes/localhost:50141"));
  assertEquals([problem.status, problem.code], [409, "node_reachable"]);
  assertEquals(
    problem.detail,
    "Cannot remove localhost:50141: it answers; let it leave by itself: POST /leave to that node.",
  );
});

for (const kind of ["balance", "purge", "leave"]) {
  Deno.test(`POST /${kind}, then 202 and a task to poll`, async () => {
    const api = new Api();
    const response = await api.send("POST", `/${kind}`);
    assertEquals([response.status, response.headers.get("location")], [202, `/tasks/${kind}-1`]);
    assertEquals((await response.json()).kind, kind);
    assertEquals(api.node.calls, [[kind]]);
  });
}

Deno.test("GET /tasks/{id} given a task, then how far it is, in seconds", async () => {
  const api = new Api();
  assertEquals(await (await api.send("GET", "/tasks/balance-1")).json(), {
    id: "balance-1",
    kind: "balance",
    done: false,
    compared: 5,
    sent: 2,
    fetched: 1,
    dropped: 0,
    failed: 0,
    error: null,
    started: api.node.nowMs / 1000,
    ended: null,
  });
});

Deno.test("GET /tasks/{id} given no such task, then 404", async () => {
  const response = await new Api().send("GET", "/tasks/x");
  assertEquals([response.status, (await problemOf(response)).code], [404, "unknown_task"]);
});
