import { assert, assertEquals, assertRejects } from "@std/assert";
import { SystemClock } from "../../lib/adapters/system_clock.ts";

Deno.test("SystemClock given a sleep of nothing, then it ends", async () => {
  await new SystemClock().sleep(0);
});

Deno.test("SystemClock given an aborted signal, when sleeping, then rejects at once with its reason", async () => {
  const reason = new Error("stopping");
  const error = await assertRejects(() => new SystemClock().sleep(1e9, AbortSignal.abort(reason)));
  assertEquals(error, reason);
});

Deno.test("SystemClock given a sleep, when its signal is aborted, then rejects and leaves no timer", async () => {
  const controller = new AbortController();
  const sleep = new SystemClock().sleep(1e9, controller.signal);
  controller.abort(new Error("stopping"));
  await assertRejects(() => sleep, Error, "stopping");
});

Deno.test("SystemClock given a sleep longer than a timer can be, then it does not end at once", async () => {
  const controller = new AbortController();
  const clock = new SystemClock();
  const sleep = clock.sleep(2 ** 40, controller.signal).then(() => "ended", () => "aborted");
  await clock.sleep(1);
  controller.abort();
  assertEquals(await sleep, "aborted");
});

Deno.test("SystemClock given two readings, then monotonic time does not run backwards", () => {
  const clock = new SystemClock();
  const first = clock.monotonicMs();
  assert(clock.monotonicMs() >= first);
  assert(Number.isInteger(clock.nowMs()));
});
