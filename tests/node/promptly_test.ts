import { assertEquals, assertRejects } from "@std/assert";
import { promptly } from "../../lib/node/promptly.ts";

/** A clock whose sleeps end at once, or never, unless they are called off. */
function clock(passes: boolean): { sleep(ms: number, signal?: AbortSignal): Promise<void>; slept: string[] } {
  const slept: string[] = [];
  return {
    slept,
    sleep: (ms, signal) => {
      slept.push(`${ms}`);
      if (passes) return Promise.resolve();
      return new Promise((_, reject) => {
        signal?.addEventListener("abort", () => {
          slept.push("called off");
          reject(signal.reason);
        });
      });
    },
  };
}

Deno.test("promptly() given work that ends in time, then its result, and the sleep is called off", async () => {
  const patient = clock(false);
  assertEquals(await promptly(patient, 50, Promise.resolve(7)), 7);
  assertEquals(patient.slept, ["50", "called off"]);
});

Deno.test("promptly() given work that takes longer, then nothing", async () => {
  assertEquals(await promptly(clock(true), 50, new Promise(() => {})), undefined);
});

Deno.test("promptly() given work that fails in time, then it throws that; later, nobody is told", async () => {
  await assertRejects(() => promptly(clock(false), 50, Promise.reject(new Error("broke"))), Error, "broke");
  const late = Promise.withResolvers<number>();
  assertEquals(await promptly(clock(true), 50, late.promise), undefined);
  late.reject(new Error("broke late"));
});
