/** What requests fail with. */
import { assertEquals, assertRejects } from "@std/assert";
import { AnswerLostError, ProblemError, ServerUnreachableError } from "../../lib/client.ts";
import { broken, DONE, ok, problem, refused, type Reply, setup, silent, textOf } from "./fakes.ts";

Deno.test("requests given no node there, then ServerUnreachableError names all that were tried", async () => {
  const { client, settle } = setup([refused], { server: ["a:1024", "b:1024"] });
  const error = await assertRejects(() => settle(client.nodes()), ServerUnreachableError);
  assertEquals(error.message, "Cannot reach a:1024, b:1024 in 3 tries: connection refused");
  assertEquals([error.server, error.tries, error.reason], ["a:1024, b:1024", 3, "connection refused"]);
});

Deno.test("requests given a connection that cannot be made, then the reason is told in words", async () => {
  const rows: [string, string][] = [
    [
      "client error (Connect): dns error: failed to lookup address information: Name or service not known",
      "its name cannot be resolved",
    ],
    ["client error (Connect): tcp connect error: No route to host (os error 113)", "there is no route to it"],
    [
      "client error (Connect): tcp connect error: Connection timed out (os error 110)",
      "the connection timed out",
    ],
    ["client error (Connect): something new", "it cannot be connected to"],
  ];
  for (const [cause, reason] of rows) {
    const { client, settle } = setup([() => {
      throw new TypeError("fetch failed", { cause: new Error(cause) });
    }]);
    assertEquals((await assertRejects(() => settle(client.nodes()), ServerUnreachableError)).reason, reason);
  }
});

Deno.test("a read given a node that never answers, then each try ends after 30 s", async () => {
  const { client, settle, clock } = setup([silent]);
  const error = await assertRejects(() => settle(client.nodes()), ServerUnreachableError);
  assertEquals(error.reason, "nothing came for 30 s");
  assertEquals(clock.monotonicMs(), 3 * 30_000 + 1000);
});

Deno.test("a read given an answer that stalls, then is tried again", async () => {
  const stalling: Reply = () =>
    new Response(new ReadableStream({ start() {} }), { headers: { "content-type": "application/json" } });
  const { client, settle, sent } = setup([stalling, ok({ ring: "r" })]);
  assertEquals(await settle(client.nodes() as Promise<unknown>), { ring: "r" });
  assertEquals(sent.length, 2);
});

Deno.test("a write given that it was sent and not answered, then AnswerLostError says that nobody knows", async () => {
  for (
    const [reply, reason] of [[broken, "the connection broke"], [silent, "nothing came for 30 s"]] as const
  ) {
    const { client, settle } = setup([reply]);
    const error = await assertRejects(() => settle(client.put("k", "v")), AnswerLostError);
    assertEquals(
      error.message,
      `Lost the answer of localhost:50140: ${reason}; whether the change was made is unknown`,
    );
  }
});

Deno.test("a put given a source that takes its time, then that does not count as a stall", async () => {
  const { client, settle, clock } = setup([DONE]);
  const slow = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await clock.sleep(600_000);
      controller.enqueue(new Uint8Array(1));
      controller.close();
    },
  });
  await settle(client.put("k", slow));
  assertEquals([clock.monotonicMs(), clock.pending], [600_000, 0]);
});

Deno.test("requests given a problem, then ProblemError has its code, status, facts and detail", async () => {
  const { client, settle } = setup([problem(409, "node_reachable", "Cannot remove it: it answers")]);
  const error = await assertRejects(() => settle(client.remove("localhost:50141")), ProblemError);
  assertEquals(
    {
      message: error.message,
      code: error.code,
      status: error.status,
      facts: error.facts,
      server: error.server,
    },
    {
      message: "Cannot remove it: it answers",
      code: "node_reachable",
      status: 409,
      facts: { required: 2, asked: 3 },
      server: "localhost:50140",
    },
  );
});

Deno.test("requests given a signal that is aborted, then end with its reason and are not repeated", async () => {
  const reason = new Error("enough");
  const { client, sent, clock } = setup([silent]);
  const ending = new AbortController();
  const request = client.put("k", "v", { signal: ending.signal });
  await new Promise((resolve) => setTimeout(resolve, 0));
  ending.abort(reason);
  assertEquals(await request.catch((error) => error), reason);
  assertEquals([sent.length, clock.pending], [1, 0]);
});

Deno.test("get() given a signal that is aborted while its value is read, then the stream ends with its reason", async () => {
  const { client, settle, clock } = setup([() => new Response(new ReadableStream({ start() {} }))]);
  const ending = new AbortController();
  const got = (await settle(client.get("k", { signal: ending.signal })))!;
  const read = textOf(got.body);
  ending.abort(new Error("enough"));
  assertEquals((await read.catch((error) => error)).message, "enough");
  assertEquals(clock.pending, 0);
});
