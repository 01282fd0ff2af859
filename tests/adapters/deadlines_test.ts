import { assertEquals } from "@std/assert";
import { Deadlines } from "../../lib/adapters/deadlines.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("Deadlines given items, one of them taken back, then the others expire, the earliest first", async () => {
  const deadlines = new Deadlines();
  const expired: string[] = [];
  const item = (name: string, ms: number) => ({
    deadlineMs: performance.now() + ms,
    expire: () => void expired.push(name),
  });
  const kept = item("kept", 15);
  for (const one of [item("late", 30), kept, item("early", 5), item("far", 60_000)]) deadlines.add(one);
  deadlines.delete(kept);
  for (let i = 0; i < 200 && expired.length < 2; i++) await pause(5);
  assertEquals(expired, ["early", "late"]);
  deadlines.close();
});
