import { assertEquals } from "@std/assert";
import { backgroundTasks } from "../../lib/node/background.ts";
import { backgroundMetrics } from "../../lib/node/metrics.ts";

/** All background tasks of a node on a clock that a test moves, and what is measured of one of them. */
function setUp() {
  const clock = { ms: 0 };
  const tasks = backgroundTasks({
    nowMs: () => clock.ms,
    monotonicMs: () => clock.ms,
    sleep: () => Promise.resolve(),
  }, { transfer: Infinity, repair: Infinity, scrub: Infinity });
  const measured = (task: string) => {
    const metrics = backgroundMetrics(Object.values(tasks).map(({ view }) => view));
    return Object.fromEntries(
      metrics.flatMap(({ name, values }) =>
        values.filter(({ labels }) => labels.task === task)
          .map(({ value }) => [name.replace("background_", ""), value])
      ),
    );
  };
  return { clock, tasks, measured };
}

Deno.test("metrics given a background task at work, then done, left, rate and bytes", async () => {
  const { clock, tasks, measured } = setUp();
  tasks.scrub.begin(10);
  await tasks.scrub.pace(8_000);
  tasks.scrub.advance(3);
  clock.ms += 2_000;
  assertEquals(measured("scrub"), {
    running: 1,
    done: 3,
    left: 7,
    bytes_total: 8_000,
    bytes_per_second: 4_000,
    failures_total: 0,
    failing: 0,
  });
});

Deno.test("metrics given a background task fails, then it is failing until a round ends well", () => {
  const { clock, tasks, measured } = setUp();
  tasks.hints.begin();
  tasks.hints.fail(new Error("no room"));
  tasks.hints.end();
  assertEquals([measured("hints").failing, measured("hints").failures_total], [1, 1]);
  assertEquals(measured("scrub").failing, 0);
  tasks.hints.begin();
  assertEquals(measured("hints").failing, 1);
  clock.ms += 4_000;
  tasks.hints.end();
  assertEquals([measured("hints").failing, measured("hints").failures_total], [0, 1]);
  assertEquals(measured("hints").completed_seconds, 4);
});
