import { assertEquals, assertStringIncludes } from "@std/assert";
import type { ChangeAnswer, PlanAnswer, TaskAnswer } from "../../lib/api.ts";
import { ok } from "../client/fakes.ts";
import { run } from "./fake_io.ts";

const PLAN: PlanAnswer = {
  kind: "leave",
  address: "b:50140",
  obstacles: [],
  warnings: ["Each key then has 2 copies, where 3 are wanted."],
  total: { partitions: 3, bytes: 1_500_000, unknown: 0 },
  nodes: [
    {
      address: "a:50140",
      weight: 1,
      zone: "x",
      before: 5,
      after: 8,
      gained: { partitions: 3, bytes: 1_500_000, unknown: 0 },
      lost: 0,
      share: 1,
    },
    { address: "b:50140", weight: 1, before: 5, after: 0, gained: nothing(), lost: 5, share: 0 },
  ],
  zones: [{ zone: "x", share: 1 }],
  moves: [{ from: "b:50140", to: "a:50140", partitions: 3, bytes: 1_500_000, unknown: 0 }],
};

function nothing() {
  return { partitions: 0, bytes: 0, unknown: 0 };
}

Deno.test("mydht plan, then what moves, in words and in tables", async () => {
  const { code, stdout, sent } = await run(["plan", "leave", "b:50140"], [ok(PLAN)]);
  assertEquals(sent.map(({ method, url }) => `${method} ${url}`), [
    "GET http://localhost:50140/plan?change=leave&node=b%3A50140",
  ]);
  assertEquals(
    stdout,
    "plan  leave b:50140: 3 copies of partitions move, 1.5 MB; nothing has been changed\n" +
      "zone  x then has 100.0 % of all\n" +
      "note  Each key then has 2 copies, where 3 are wanted.\n" +
      "\n" +
      "a:50140 (x)\t5\t8\t3\t0\t1.5 MB\t100.0 %\n" +
      "b:50140\t5\t0\t0\t5\t0 B\t0.0 %\n" +
      "\n" +
      "b:50140\ta:50140\t3\t1.5 MB\n",
  );
  assertEquals(code, 0);
});

Deno.test("mydht plan given it cannot be done now, then says why and exits with 1", async () => {
  const obstacles = ["c:50140 does not answer."];
  const total = { partitions: 3, bytes: 0, unknown: 3 };
  const { code, stdout } = await run(["plan", "leave", "b:50140"], [ok({ ...PLAN, obstacles, total })]);
  assertEquals(code, 1);
  assertStringIncludes(stdout, "not now  c:50140 does not answer.\n");
  assertStringIncludes(stdout, "3 copies of partitions move, 0 B or more;");
});

Deno.test("mydht plan --json, then the answer as it came", async () => {
  const { stdout } = await run(["plan", "join", "--weight", "2", "--zone", "y", "--json"], [ok(PLAN)]);
  assertEquals(JSON.parse(stdout), PLAN);
});

const WRONG: readonly (readonly [args: readonly string[], message: string])[] = [
  [["plan"], "plan needs CHANGE"],
  [["plan", "grow"], '"grow" is no change that can be planned: join, leave, remove or weight'],
  [["plan", "leave"], "plan leave needs HOST:PORT"],
  [["plan", "weight", "a:50140"], "plan weight needs HOST:PORT W"],
  [["plan", "weight", "a:50140", "0"], '"0" is not a weight: 0.01 to 100'],
  [["plan", "leave", "a:50140", "2"], "plan leave takes no weight"],
  [["plan", "remove", "a:50140", "--zone", "x"], "plan remove takes no --zone"],
];
for (const [args, message] of WRONG) {
  Deno.test(`mydht ${args.join(" ")}, then exits with 2 and says why`, async () => {
    const { code, stderr, sent } = await run(args);
    assertEquals([code, sent], [2, []]);
    assertStringIncludes(stderr, `mydht: ${message}`);
  });
}

const TASK: TaskAnswer = {
  id: "leave",
  kind: "leave",
  done: true,
  compared: 0,
  sent: 0,
  fetched: 0,
  dropped: 0,
  failed: 0,
  error: null,
  started: 1,
  ended: 2,
};
const CHANGE: ChangeAnswer = {
  partitionsLeft: 3,
  bytesLeft: 9_000_000,
  bytesPerSecond: 3_000_000,
  secondsLeft: 3,
  fetching: [
    { address: "a:50140", reachable: true, bytesPerSecond: 0, error: "its disk is full" },
    { address: "c:50140", reachable: false, bytesPerSecond: 0 },
  ],
};

Deno.test("mydht leave given it takes a while, then a line on the terminal says how far it is and whom it waits for", async () => {
  const replies = [ok({ ...TASK, done: false, ended: null, change: CHANGE }), ok(TASK)];
  const { code, stdout, stderr } = await run(["leave", "b:50140"], replies, { stderrTerminal: true });
  assertEquals([code, stdout], [0, "LEAVE ok\n"]);
  assertStringIncludes(
    stderr,
    "leave: 3 partitions, 9 MB left, 3 MB/s, 3 s left; waiting for a:50140 (its disk is full), c:50140, which does not answer",
  );
});

Deno.test("mydht leave --cancel, then the node is told to stay", async () => {
  const { code, stdout, sent } = await run(["leave", "b:50140", "--cancel"], [
    ok({ ...TASK, error: "cancelled" }),
  ]);
  assertEquals([code, stdout], [0, "LEAVE cancelled\n"]);
  assertEquals(sent.map(({ method, url }) => `${method} ${url}`), ["DELETE http://b:50140/tasks/leave"]);
});
