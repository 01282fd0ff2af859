import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { DHT_ERROR_CODES, DhtError, InvariantError } from "../../lib/core/errors.ts";

Deno.test("DhtError given code, message, facts and cause, then it carries them", () => {
  const cause = new Error("below");
  const error = new DhtError("peer_unreachable", "Cannot ask a:1", { node: "a:1" }, { cause });
  assertInstanceOf(error, Error);
  assertEquals([error.name, error.code, error.message], ["DhtError", "peer_unreachable", "Cannot ask a:1"]);
  assertEquals(error.facts, { node: "a:1" });
  assertStrictEquals(error.cause, cause);
});

Deno.test("DhtError given no facts, then none", () => {
  assertEquals(new DhtError("stopping", "Cannot serve").facts, {});
});

Deno.test("DhtError given each code, then those are retryable that time alone may cure", () => {
  const retryable = DHT_ERROR_CODES.filter((code) => new DhtError(code, "").retryable);
  assertEquals(retryable.toSorted(), [
    "layout_mismatch",
    "not_in_ring",
    "overloaded",
    "peer_unreachable",
    "read_quorum_unreachable",
    "stopping",
    "upload_incomplete",
    "write_outcome_unknown",
  ]);
});

Deno.test("InvariantError, then it is not mistaken for a failure of the cluster", () => {
  const error = new InvariantError("x");
  assertEquals(error.name, "InvariantError");
  assert(!(error instanceof DhtError));
});
