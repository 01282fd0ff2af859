import { assertEquals } from "@std/assert";
import { BackgroundTask } from "../../lib/node/background.ts";

/** A task of 2 kB a second at most, and a clock that moves by what is slept, or by hand. */
function setUp(bytesPerSecond = 2_000) {
  const clock = { mono: 5_000 };
  const task = new BackgroundTask("transfer", {
    unit: "partitions",
    bytesPerSecond,
    clock: {
      nowMs: () => clock.mono,
      monotonicMs: () => clock.mono,
      sleep: (ms) => {
        slept.push(ms);
        return new Promise<void>((resolve) =>
          wake = () => {
            clock.mono += ms;
            resolve();
          }
        );
      },
    },
  });
  const slept: number[] = [];
  let wake = () => {};
  return { task, clock, slept, wake: () => wake() };
}

Deno.test("task given a limit, when it waits for it, then the rate it shows is never above", async () => {
  const { task, clock, wake } = setUp();
  task.begin(2);
  clock.mono += 1;
  const first = task.pace(3_000);
  assertEquals(task.view.bytesPerSecond, 1_000 * 3_000 / 1_501);
  clock.mono += 1;
  wake();
  await first;
  const second = task.pace(3_000);
  assertEquals(task.view.bytesPerSecond <= 2_000, true);
  wake();
  await second;
  task.end();
  assertEquals(task.view.bytesPerSecond <= 2_000, true);
});

Deno.test("task given no limit, while it waits for others, then the rate it shows falls, and stays once it has ended", async () => {
  const { task, clock, slept } = setUp(Infinity);
  task.begin(1);
  await task.pace(6_000);
  clock.mono += 1_000;
  assertEquals(task.view.bytesPerSecond, 6_000);
  clock.mono += 1_000;
  assertEquals(task.view.bytesPerSecond, 3_000);
  task.end();
  clock.mono += 60_000;
  assertEquals(task.view.bytesPerSecond, 3_000);
  assertEquals(slept, []);
});
