import { assertEquals, assertRejects } from "@std/assert";
import { Drain } from "../../lib/adapters/drain.ts";

Deno.test("drain given a request under way, when ended, then waits for its answer and refuses the next", async () => {
  const drain = new Drain();
  const gate = Promise.withResolvers<Response>();
  const answer = drain.run(() => gate.promise);
  let isEnded = false;
  const ended = drain.end().then(() => isEnded = true);

  const refused = await drain.run(() => Promise.resolve(new Response("late")));
  assertEquals([refused.status, refused.headers.get("connection"), isEnded], [503, "close", false]);
  await refused.body?.cancel();

  gate.resolve(new Response("done"));
  assertEquals(await (await answer).text(), "done");
  await ended;
});

Deno.test("drain given a request that failed, when ended, then is at its end at once", async () => {
  const drain = new Drain();
  await assertRejects(async () => await drain.run(() => Promise.reject(new Error("broken"))));
  await drain.end();
});
