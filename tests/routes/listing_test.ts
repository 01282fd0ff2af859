import { assertEquals } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { Api, problemOf } from "./fixture.ts";

Deno.test("GET /keys given keys, then each once in byte order with what is known of it", async () => {
  const api = new Api();
  for (const key of ["b", "\u{1F600}", "\uFF5E", "a"]) await api.put(key, key);
  const answer = await (await api.send("GET", "/keys")).json();
  assertEquals(answer.keys.map(({ key }: { key: string }) => key), ["a", "b", "\uFF5E", "\u{1F600}"]);
  assertEquals(answer.keys[0], {
    key: "a",
    size: 1,
    timestamp: api.node.nowMs / 1000,
    type: "text/plain",
    version: `${api.node.nowMs}-3-s1.1`,
    expires: null,
  });
  assertEquals(answer.next, null);
});

Deno.test("GET /keys given more than a page, then following the cursor gives every key once", async () => {
  const api = new Api();
  const keys = Array.from({ length: 7 }, (_, index) => `k & ${index}/ü`);
  for (const key of keys) await api.put(key, "");
  const seen: string[] = [];
  let after: string | null = "";
  while (after !== null) {
    const query: URLSearchParams = new URLSearchParams({ limit: "3", after });
    const page: { keys: { key: string }[]; next: string | null } =
      await (await api.send("GET", `/keys?${query}`)).json();
    seen.push(...page.keys.map(({ key }) => key));
    after = page.next;
  }
  assertEquals(seen, keys);
});

const QUERIES = [
  ["", ["", undefined, 1000]],
  ["?", ["", undefined, 1000]],
  ["?prefix=a%2Fb+c&after=a%2Fb+c%2Bd&limit=5", ["a/b c", "a/b c+d", 5]],
  ["?limit=1000", ["", undefined, 1000]],
  ["?limit=5000", ["", undefined, 1000]],
  ["?after=&prefix=", ["", undefined, 1000]],
  ["?prefix", ["", undefined, 1000]],
] as const;
for (const [query, asked] of QUERIES) {
  Deno.test(`GET /keys${query}, then the node is asked for ${asked.join(" | ")}`, async () => {
    const api = new Api();
    await api.send("GET", `/keys${query}`);
    assertEquals(api.node.calls, [["list", ...asked]]);
  });
}

const BAD_QUERIES = [
  "limit=0",
  "limit=-1",
  "limit=ten",
  "limit=",
  "limit=1e3",
  "limit=1&limit=2",
  "prefix=%ff",
  "prefix=%",
  `prefix=${"a".repeat(1025)}`,
  `after=${"%C3%BC".repeat(513)}`,
];
for (const query of BAD_QUERIES) {
  Deno.test(`GET /keys?${query.slice(0, 30)}, then 400 invalid_query`, async () => {
    const response = await new Api().send("GET", `/keys?${query}`);
    assertEquals([response.status, (await problemOf(response)).code], [400, "invalid_query"]);
  });
}

Deno.test("GET /keys given a partition without a majority, then 503 rather than a gap", async () => {
  const api = new Api();
  api.node.failures.set("list", new DhtError("read_quorum_unreachable", "Cannot list", { partition: 3 }));
  const response = await api.send("GET", "/keys");
  const problem = await problemOf(response);
  assertEquals([response.status, problem.code, problem["partition"]], [503, "read_quorum_unreachable", 3]);
});
