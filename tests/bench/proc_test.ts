import { assertEquals } from "@std/assert";
import { parseCpuSeconds, parsePeakBytes } from "./proc.ts";

Deno.test("parseCpuSeconds() given a program with spaces and parentheses in its name, then adds user and system time", () => {
  const stat =
    "77 (a (b) c) S 1 77 77 0 -1 4194560 900 0 0 0 150 50 0 0 20 0 9 0 1234 1000 250 18446744073709551615";
  assertEquals(parseCpuSeconds(stat), 2);
});

Deno.test("parsePeakBytes() given the status of a process, then is the most it has had, and not what it has", () => {
  const status = "Name:\tdeno\nVmPeak:\t  900 kB\nVmHWM:\t   300 kB\nVmRSS:\t     200 kB\nThreads:\t9\n";
  assertEquals(parsePeakBytes(status), 307_200);
});
