import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { BackgroundView } from "../../lib/node/background.ts";
import { Api } from "./fixture.ts";

const NOW_MS = new Api().node.nowMs;

function task(changed: Partial<BackgroundView>): BackgroundView {
  const nothing = {
    running: false,
    done: 0,
    left: 0,
    unit: "records",
    bytes: 0,
    bytesPerSecond: 0,
    failed: 0,
  } as const;
  return { name: "hints", ...nothing, ...changed };
}

/** The cells of the row of a task, without markup. */
async function cellsOf(view: BackgroundView): Promise<string[]> {
  const api = new Api();
  api.node.background = [view];
  const page = await (await api.send("GET", "/", { headers: { accept: "text/html" } })).text();
  const row = page.match(/<tr>\s*<td class="task">.*?<\/tr>/s)?.[0] ?? "";
  return [...row.matchAll(/<td[^>]*>(.*?)<\/td>/gs)].map(([, cell]) => cell!.replaceAll(/<[^>]*>/g, "|"));
}

const STATES = [
  ["runs", { running: true, done: 1_200, left: 34_000, bytesPerSecond: 2_500_000 }, [
    "|running|",
    "1,200",
    "34,000 records",
    "2.5 MB/s",
  ]],
  ["has ended well", { completedMs: NOW_MS - 180_000 }, ["done 3 minutes ago", "", "", ""]],
  ["waits for a node that is down", { left: 7 }, ["|waiting|", "", "7 records", ""]],
  ["has failed", { error: "It broke" }, ["|failed|, tries again", "", "", ""]],
  ["has had no turn", {}, ["nothing yet", "", "", ""]],
] as const;
for (const [name, view, cells] of STATES) {
  Deno.test(`background table given a task that ${name}, then it says so`, async () => {
    assertEquals((await cellsOf(task(view))).slice(1), [...cells]);
  });
}

Deno.test("background table given a failure whose text is markup, then it is shown and not used", async () => {
  const [cell] = await cellsOf(task({ error: "<script>" }));
  assert(cell!.startsWith("hints|brings other nodes what they missed|"));
  assertStringIncludes(cell!, "&lt;script&gt;");
});

Deno.test("background section, then it says how long ago the last partition was verified", async () => {
  const page = await (await new Api().send("GET", "/", { headers: { accept: "text/html" } })).text();
  assertStringIncludes(page, "All partitions verified within 1 minute");
});

Deno.test("background section given partitions that were never compared, then it does not say that they were", async () => {
  const api = new Api();
  api.node.unverifiedPartitions = 12_441;
  const page = await (await api.send("GET", "/", { headers: { accept: "text/html" } })).text();
  assertStringIncludes(page, "Not verified since this node started: 12,441 partitions");
});
