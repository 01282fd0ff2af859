import { assertEquals } from "@std/assert";
import { type Bar, barProgress, progressText } from "../../lib/cli/progress.ts";
import { FakeClock } from "../client/fakes.ts";

Deno.test("progressText() given how far it is, then tells bytes, rate and time left", () => {
  const rows: [done: number, total: number | undefined, ms: number, text: string][] = [
    [0, 4_000_000, 0, "0 B of 4 MB"],
    [0, 4_000_000, 500, "0 B of 4 MB"],
    [1_000_000, 4_000_000, 2000, "1 MB of 4 MB, 500 kB/s, 6 s left"],
    [4_000_000, 4_000_000, 2000, "4 MB of 4 MB, 2 MB/s, 0 s left"],
    [1_000_000, 1_000_000_000, 1000, "1 MB of 1 GB, 1 MB/s, 16 min 39 s left"],
    [1_000_000, undefined, 2000, "1 MB, 500 kB/s"],
    [0, 0, 0, "0 B of 0 B"],
  ];
  for (const [done, total, ms, text] of rows) assertEquals(progressText(done, total, ms), text);
});

function recordingBar(): { bar: Bar; drawn: (number | string)[][] } {
  const drawn: (number | string)[][] = [];
  return {
    drawn,
    bar: {
      start: (total, value, { text }) => drawn.push(["start", total, value, text]),
      update: (value, { text }) => drawn.push([value, text]),
      stop: () => drawn.push(["stop"]),
    },
  };
}

Deno.test("barProgress() given many chunks, then draws at most ten times a second", async () => {
  const clock = new FakeClock();
  const { bar, drawn } = recordingBar();
  const progress = barProgress(bar, 1000, clock);
  for (let i = 0; i < 30; i++) {
    await clock.settle(clock.sleep(10));
    progress.add(10);
  }
  progress.stop();
  assertEquals(drawn, [
    ["start", 1000, 0, "0 B of 1 kB"],
    [100, "100 B of 1 kB, 1 kB/s, 1 s left"],
    [200, "200 B of 1 kB, 1 kB/s, 1 s left"],
    [300, "300 B of 1 kB, 1 kB/s, 1 s left"],
    ["stop"],
  ]);
});

Deno.test("barProgress() given nothing to transfer, then the bar is full from the start", () => {
  const { bar, drawn } = recordingBar();
  barProgress(bar, 0, new FakeClock());
  assertEquals(drawn, [["start", 1, 1, "0 B of 0 B"]]);
});
