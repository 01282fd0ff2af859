import { assertEquals, assertThrows } from "@std/assert";
import { type Load, parseWrk, wrkCommand } from "./wrk.ts";

const OUTPUT = `Running 2s test @ http://127.0.0.1:20001
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     5.02ms    1.50ms  40.10ms   91.00%
  25000 requests in 2.00s, 5.00MB read
  Non-2xx or 3xx responses: 1000
Requests/sec:  12500.00
result duration=2000000 requests=25000 connect=1 read=2 write=3 status=1000 timeout=4 p50=5000 p90=6000 p99=9500 p99.9=20000 max=40100 made=7 threads=2
`;

const LOAD: Load = {
  api: "mydht",
  work: "put",
  keys: 20_000,
  salt: "r1",
  connections: 64,
  seconds: 8,
  ports: [20_001, 20_002, 20_003],
};

Deno.test("parseWrk() given what wrk prints, then counts only what was answered well", () => {
  assertEquals(parseWrk(OUTPUT), {
    seconds: 2,
    good: 24_000,
    perSecond: 12_000,
    refused: 1000,
    broken: 10,
    p50Ms: 5,
    p99Ms: 9.5,
    maxMs: 40.1,
    made: 7,
    threads: 2,
  });
});

Deno.test("parseWrk() given the output of two loads, then reads the last", () => {
  const later = OUTPUT.replace("requests=25000", "requests=5000");
  assertEquals(parseWrk(OUTPUT + later).good, 4000);
});

Deno.test("parseWrk() given no result or half of one, then throws", () => {
  assertThrows(() => parseWrk("unable to connect to 127.0.0.1:1 Connection refused\n"), SyntaxError);
  assertThrows(() => parseWrk("result duration=2000000 requests=25000\n"), SyntaxError, "lacks status");
});

Deno.test("wrkCommand() of a load on one node, then is what a reader would type", () => {
  assertEquals(
    wrkCommand({ ...LOAD, query: "consistency=one" }),
    "wrk -t2 -c64 -d8s --timeout 15s -s tests/bench/load.lua http://127.0.0.1:20001 -- mydht put 20000 r1 consistency=one",
  );
});

Deno.test("wrkCommand() of a load that is spread, then each node has a thread, and all the same number of connections", () => {
  assertEquals(
    wrkCommand({ ...LOAD, spread: true }),
    "BENCH_SPREAD=127.0.0.1:20001,127.0.0.1:20002,127.0.0.1:20003 " +
      "wrk -t3 -c66 -d8s --timeout 15s -s tests/bench/load.lua http://127.0.0.1:20001 -- mydht put 20000 r1",
  );
});
