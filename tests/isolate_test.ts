import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Isolate, type Served } from "../lib/isolate.ts";

const NEVER = new Promise<void>(() => {});

function fakeNode() {
  const node = {
    owns: true,
    stops: 0,
    isOwner: () => Promise.resolve(node.owns),
    stop() {
      node.stops++;
      return Promise.resolve();
    },
  };
  return node satisfies Served;
}

/** An isolate, and the nodes it has started so far. */
function fakeIsolate() {
  const started: ReturnType<typeof fakeNode>[] = [];
  const isolate = new Isolate(() => {
    started.push(fakeNode());
    return Promise.resolve(started.at(-1)!);
  });
  return { isolate, started };
}

Deno.test("Isolate given requests at the same time, then starts one node", async () => {
  const { isolate, started } = fakeIsolate();
  const [a, b] = await Promise.all([isolate.running(), isolate.running()]);
  assertStrictEquals(a, b);
  assertEquals(started.length, 1);
});

Deno.test("Isolate given another isolate took the database, then stops its node and starts one again", async () => {
  const { isolate, started } = fakeIsolate();
  const first = await isolate.running();
  first.owns = false;
  const [a, b] = await Promise.all([isolate.running(), isolate.running()]);
  assertStrictEquals(a, b);
  assertEquals(started.map(({ stops }) => stops), [1, 0]);
});

Deno.test("Isolate given a node cannot say whether it owns its database, then starts one again", async () => {
  const { isolate, started } = fakeIsolate();
  const first = await isolate.running();
  first.isOwner = () => Promise.reject(new Error("the database is away"));
  await isolate.running();
  assertEquals(started.length, 2);
});

Deno.test("Isolate given a start that failed, when asked again, then starts again", async () => {
  let starts = 0;
  const isolate = new Isolate(() =>
    ++starts === 1 ? Promise.reject(new Error("no disk")) : Promise.resolve(fakeNode())
  );
  await assertRejects(() => isolate.running(), Error, "no disk");
  await isolate.running();
  assertEquals(starts, 2);
});

Deno.test("Isolate given a request under way, when stopped, then answers it before the node stops", async () => {
  const { isolate, started } = fakeIsolate();
  await isolate.running();
  const answer = Promise.withResolvers<void>();
  isolate.watch(answer.promise);
  const stopped = isolate.stop(NEVER);
  await Promise.resolve();
  assertEquals(started[0]!.stops, 0);
  answer.reject(new Error("the client went away"));
  await stopped;
  assertEquals(started[0]!.stops, 1);
});

Deno.test("Isolate given a request that hangs, when the deadline passes, then stops the node", async () => {
  const { isolate, started } = fakeIsolate();
  await isolate.running();
  isolate.watch(NEVER);
  await isolate.stop(Promise.resolve());
  assertEquals(started[0]!.stops, 1);
});

Deno.test("Isolate given no request yet, when stopped, then there is nothing to stop", async () => {
  const { isolate, started } = fakeIsolate();
  await isolate.stop(NEVER);
  assertEquals(started, []);
});
