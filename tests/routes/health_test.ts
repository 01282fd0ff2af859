import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Api, problemOf } from "./fixture.ts";

Deno.test("GET /healthz given a node that is not ready, then 200: it lives", async () => {
  const api = new Api();
  api.node.notReady = "joining";
  assertEquals((await api.send("GET", "/healthz")).status, 200);
});

Deno.test("GET /readyz given a node in the ring, then 200", async () => {
  assertEquals((await new Api().send("GET", "/readyz")).status, 200);
});

Deno.test("GET /readyz given a node that is not, then 503 with its reason", async () => {
  const api = new Api();
  api.node.notReady = "localhost:50150 does not answer";
  const response = await api.send("GET", "/readyz");
  const problem = await problemOf(response);
  assertEquals([response.status, response.headers.get("retry-after"), problem.code], [503, "2", "not_ready"]);
  assertEquals(problem["reason"], "localhost:50150 does not answer");
});

Deno.test("GET /metrics, then the node's metrics and the requests counted, in Prometheus text", async () => {
  const api = new Api();
  await api.put("a", "x");
  for (const path of ["/keys/a", "/keys/b", "/keys/a"]) await (await api.send("GET", path)).body?.cancel();
  await api.send("BREW", "/keys/a");
  const response = await api.send("GET", "/metrics");
  assertEquals(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  assertStringIncludes(text, '# TYPE mydht_build_info gauge\nmydht_build_info{version="0.1.0"} 1\n');
  assertStringIncludes(text, "# HELP mydht_keys Keys held\\nhere\n# TYPE mydht_keys gauge\n");
  assertStringIncludes(text, 'mydht_keys{node="a\\"b\\\\c"} 1\n');
  assertStringIncludes(text, 'mydht_http_requests_total{route="/keys/{key}",method="GET",status="2xx"} 2\n');
  assertStringIncludes(text, 'mydht_http_requests_total{route="/keys/{key}",method="GET",status="4xx"} 1\n');
  assertStringIncludes(
    text,
    'mydht_http_requests_total{route="/keys/{key}",method="other",status="4xx"} 1\n',
  );
  for (const line of text.trimEnd().split("\n")) {
    assertMatch(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{.*\})? \S+)$/);
  }
});
