import { assertEquals, assertMatch } from "@std/assert";
import { DhtError, type DhtErrorCode } from "../../lib/core/errors.ts";
import { HttpProblem, problemResponse } from "../../routes/problem.ts";

const STATUSES: Readonly<Record<DhtErrorCode, number>> = {
  read_quorum_unreachable: 503,
  write_outcome_unknown: 503,
  not_in_ring: 503,
  overloaded: 503,
  disk_full: 507,
  store_failed: 500,
  corrupt_value: 500,
  upload_incomplete: 503,
  layout_mismatch: 503,
  wrong_ring: 409,
  wrong_store: 409,
  unknown_node: 404,
  node_reachable: 409,
  last_node: 409,
  needs_force: 409,
  unknown_task: 404,
  peer_unreachable: 503,
  bad_message: 400,
  unauthorized: 401,
  body_stalled: 408,
  stopping: 503,
};

for (const [code, status] of Object.entries(STATUSES)) {
  Deno.test(`problemResponse() given ${code}, then ${status} and a document that says what to do`, async () => {
    const error = new DhtError(code as DhtErrorCode, "Cannot do it: it is so");
    const response = problemResponse(error);
    const body = await response.json();
    assertEquals([response.status, body.status, body.code, body.type], [
      status,
      status,
      code,
      `urn:mydht:problem:${code}`,
    ]);
    assertEquals(response.headers.get("content-type"), "application/problem+json");
    assertEquals(response.headers.has("retry-after"), status === 503);
    assertEquals(body.retryable ?? false, error.retryable);
    assertMatch(body.detail, /^Cannot do it: it is so; .{4,}\.$/);
    assertEquals(typeof body.title, "string");
  });
}

Deno.test("problemResponse() given facts named as members of the document, then the document keeps its own", async () => {
  const facts = { status: 1, code: "mine", detail: "mine", asked: ["a:1"] };
  const body = await problemResponse(new HttpProblem("invalid_key", "Cannot use the key", { facts })).json();
  assertEquals([body.status, body.code, body.asked], [400, "invalid_key", ["a:1"]]);
});
