import { assertEquals } from "@std/assert";
import { Silences } from "../../lib/node/silences.ts";

/** A clock whose sleeps end when told to. */
function handClock() {
  const sleeps: (() => void)[] = [];
  const sleep = () => new Promise<void>((resolve) => sleeps.push(resolve));
  const tick = async (): Promise<void> => {
    sleeps.shift()?.();
    for (let i = 0; i < 5; i++) await Promise.resolve();
  };
  return { clock: { sleep, nowMs: () => 0, monotonicMs: () => 0 }, sleeps, tick };
}

Deno.test("Silences given waiters, then tells those that wait for long, once, and sleeps only while somebody waits", async () => {
  const { clock, sleeps, tick } = handClock();
  const silences = new Silences(clock, 100);
  const told: string[] = [];
  const waiter = (name: string) => ({ onSilence: () => void told.push(name) });
  const answered = waiter("answered");
  silences.watch(waiter("early"));
  silences.watch(answered);
  await tick();
  silences.watch(waiter("late"));
  silences.forget(answered);
  await tick();
  assertEquals(told, []);
  await tick();
  assertEquals(told, ["early"]);
  await tick();
  assertEquals([told, sleeps.length], [["early", "late"], 0]);
  silences.watch(waiter("after"));
  assertEquals(sleeps.length, 1);
});
