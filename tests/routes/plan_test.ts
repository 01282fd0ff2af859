import { assertEquals, assertStringIncludes } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { Api } from "./fixture.ts";

const ROWS: readonly (readonly [query: string, change: unknown])[] = [
  ["change=leave&node=localhost:50141", { kind: "leave", address: "localhost:50141" }],
  ["change=remove&node=[::1]:50141", { kind: "remove", address: "[::1]:50141" }],
  ["change=weight&node=localhost:50141&weight=0.5", {
    kind: "weight",
    address: "localhost:50141",
    weight: 0.5,
  }],
  ["change=join", { kind: "join", address: "new-node:50140" }],
  ["change=join&node=a:1&weight=2&zone=x", { kind: "join", address: "a:1", weight: 2, zone: "x" }],
];
for (const [query, change] of ROWS) {
  Deno.test(`GET /plan?${query}, then the node is asked just that, and the plan answered`, async () => {
    const api = new Api();
    const response = await api.send("GET", `/plan?${query}`);
    assertEquals(response.status, 200);
    assertEquals((await response.json()).total, { partitions: 2, bytes: 30, unknown: 0 });
    assertEquals(api.node.calls, [["plan", change]]);
  });
}

const WRONG: readonly (readonly [query: string, detail: string])[] = [
  ["", "change= must be one of join, leave, remove, weight"],
  ["change=grow", "change= must be one of join, leave, remove, weight"],
  ["change=leave", "change=leave needs node=HOST:PORT"],
  ["change=weight&node=a:1", "change=weight needs weight=W"],
  ["change=weight&node=a:1&weight=", "weight= is not a number from 0.01 to 100"],
  ["change=join&weight=0", "weight=0 is not a number from 0.01 to 100"],
  ["change=join&zone=<b>", "zone=<b> is not the name of a zone"],
];
for (const [query, detail] of WRONG) {
  Deno.test(`GET /plan?${query}, then 400 that says why`, async () => {
    const response = await new Api().send("GET", `/plan?${query}`);
    assertEquals(response.status, 400);
    assertStringIncludes((await response.json()).detail, detail);
  });
}

Deno.test("GET /plan given a node whose name is none, then 400", async () => {
  const response = await new Api().send("GET", "/plan?change=leave&node=nowhere");
  assertEquals([response.status, (await response.json()).code], [400, "invalid_address"]);
});

Deno.test("DELETE /tasks/leave, then the task as it ended", async () => {
  const response = await new Api().send("DELETE", "/tasks/leave");
  const { done, error } = await response.json();
  assertEquals([response.status, done, error], [200, true, "It was cancelled"]);
});

Deno.test("DELETE /tasks/leave given the node is not leaving, then 404", async () => {
  const api = new Api();
  api.node.failures.set("cancelLeave", new DhtError("unknown_task", "Cannot cancel: it is not leaving"));
  assertEquals((await api.send("DELETE", "/tasks/leave")).status, 404);
});

for (const [id, status] of [["balance-1", 405], ["x", 404]] as const) {
  Deno.test(`DELETE /tasks/${id}, then ${status}`, async () => {
    assertEquals((await new Api().send("DELETE", `/tasks/${id}`)).status, status);
  });
}
