/** Which requests are made again, when, and of whom. */
import { assertEquals, assertRejects } from "@std/assert";
import { MyDhtClient, MyDhtError, ProblemError, ServerUnreachableError } from "../../lib/client.ts";
import { broken, DONE, problem, refused, type Reply, setup, silent, streamOf } from "./fakes.ts";

type Call = (client: MyDhtClient) => Promise<unknown>;

const get: Call = (client) => client.nodes();
const put: Call = (client) => client.put("k", "v");
const putOpened: Call = (client) => client.put("k", () => streamOf("v"));
const putStream: Call = (client) => client.put("k", streamOf("v"));
const del: Call = (client) => client.delete("k");
const post: Call = (client) => client.balance();

const REPEATS: readonly (readonly [name: string, call: Call, reply: Reply, tries: number])[] = [
  ["a read, refused", get, refused, 3],
  ["a read, broken", get, broken, 3],
  ["a read, never answered", get, silent, 3],
  ["a read, no quorum", get, problem(503, "read_quorum_unreachable"), 3],
  ["a read, a failed store", get, problem(500, "store_failed"), 1],
  ["a read, a bad request", get, problem(400, "invalid_key"), 1],
  ["a put, refused", put, refused, 3],
  ["a put, broken", put, broken, 1],
  ["a put, never answered", put, silent, 1],
  ["a put, overloaded", put, problem(503, "overloaded"), 3],
  ["a put, not in the ring yet", put, problem(503, "not_in_ring"), 3],
  ["a put, stopping", put, problem(503, "stopping"), 3],
  ["a put, outcome unknown", put, problem(503, "write_outcome_unknown"), 1],
  ["a put, disk full", put, problem(507, "disk_full"), 1],
  ["a put that opens a stream, refused", putOpened, refused, 3],
  ["a put that opens a stream, broken", putOpened, broken, 1],
  ["a put of a stream, refused", putStream, refused, 1],
  ["a put of a stream, overloaded", putStream, problem(503, "overloaded"), 1],
  ["a delete, refused", del, refused, 3],
  ["a delete, broken", del, broken, 1],
  ["a delete, outcome unknown", del, problem(503, "write_outcome_unknown"), 1],
  ["a task, refused", post, refused, 3],
  ["a task, broken", post, broken, 1],
];

for (const [name, call, reply, tries] of REPEATS) {
  Deno.test(`requests given ${name}, then are tried ${tries === 1 ? "once" : `${tries} times`}`, async () => {
    const failing = setup([reply]);
    const error = await assertRejects(() => failing.settle(call(failing.client)), MyDhtError);
    if (reply === refused) assertEquals((error as ServerUnreachableError).tries, tries);
    assertEquals(failing.sent.length, tries);
    assertEquals(failing.clock.pending, 0);
    if (tries === 1) return;
    const recovering = setup([reply, reply, DONE]);
    await recovering.settle(call(recovering.client));
    assertEquals(recovering.sent.length, 3);
  });
}

Deno.test("put() given what opens a stream, when the first try is refused, then each try sends all of it", async () => {
  const { client, sent, settle } = setup([refused, DONE]);
  await settle(client.put("k", () => streamOf("ab", "c"), { size: 3 }));
  assertEquals(sent.map(({ body }) => new TextDecoder().decode(body)), ["abc", "abc"]);
});

Deno.test("tries given a node that is refused, then wait longer each time", async () => {
  const { client, clock, settle } = setup([refused]);
  await assertRejects(() => settle(client.nodes()), ServerUnreachableError);
  assertEquals(clock.monotonicMs(), 1000);
});

Deno.test("tries given Retry-After, then wait as long, but not for minutes", async () => {
  const patient = setup([problem(503, "overloaded", "x", { "retry-after": "2" }), DONE]);
  await patient.settle(put(patient.client));
  assertEquals(patient.clock.monotonicMs(), 2000);
  const impatient = setup([problem(503, "overloaded", "x", { "retry-after": "60" }), DONE]);
  await assertRejects(() => impatient.settle(put(impatient.client)), ProblemError);
});

Deno.test("tries given several servers, then take them in turn", async () => {
  const { client, sent, settle } = setup([refused, DONE], { server: ["a:50140", "B"] });
  await settle(put(client));
  assertEquals(sent.map(({ url }) => url), ["http://a:50140/keys/k", "http://b:50140/keys/k"]);
});
