import { assertEquals, assertThrows } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { Tasks } from "../../lib/node/tasks.ts";

let drawn = 0;
const random = { next: () => 0.5, hex: () => `${++drawn}` };
const clock = { nowMs: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() };

Deno.test("tasks given as many run as may, then a further one is refused until one has ended", async () => {
  const tasks = new Tasks({ clock, random });
  const ends: (() => void)[] = [];
  const work = () => new Promise<void>((resolve) => ends.push(resolve));
  for (let i = 0; i < 32; i++) tasks.start("balance", work);
  assertEquals(assertThrows(() => tasks.start("balance", work), DhtError).code, "overloaded");
  ends[0]!();
  await Promise.resolve();
  await Promise.resolve();
  tasks.start("balance", work);
});

Deno.test("tasks given one of that id, then it is not started again, unless it was forgotten", () => {
  const tasks = new Tasks({ clock, random });
  let starts = 0;
  const start = () => tasks.start("leave", () => Promise.resolve(void starts++), "leave");
  assertEquals(start(), start());
  assertEquals(starts, 1);
  tasks.forget("leave");
  start();
  assertEquals(starts, 2);
});
