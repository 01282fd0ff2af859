import { assert, assertEquals } from "@std/assert";
import { CLOCK_BOUND_MS } from "../../lib/core/clock_bound.ts";
import { compareVersions, type Version } from "../../lib/core/hlc.ts";
import { partitionOf } from "../../lib/core/partition.ts";
import type { Operation } from "./history.ts";
import type { Host } from "./host.ts";
import { EPOCH_MS } from "./sim_clock.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { checkHistory } from "./swarm.ts";
import { Workload } from "./workload.ts";

const HOUR_MS = 3_600_000;

interface Stage {
  readonly sim: Simulation;
  readonly hosts: readonly [Host, Host, Host];
  readonly work: Workload;
}

/** Plays a story on a ring of three whose keys "a" and "s" everybody owns; "s" is used strongly. */
async function play(story: (stage: Stage) => Promise<void>): Promise<void> {
  const sim = new Simulation();
  await sim.run(async () => {
    const [a, b, c] = await sim.startRing(3);
    const work = new Workload(sim, { keys: ["a", "s"], strongKeys: ["s"] });
    await story({ sim, hosts: [a!, b!, c!], work });
    assertEquals(work.violations, []);
  });
}

/** The version of a write that must have been acknowledged. */
function versionOf(operation: Operation): Version {
  assert(operation.outcome.kind === "acknowledged", JSON.stringify(operation.outcome));
  return operation.outcome.version;
}

/** How far a version is ahead of a clock that is right. */
function aheadMs({ sim }: Stage, { wallMs }: Version): number {
  return wallMs - EPOCH_MS - sim.nowMs;
}

async function heldAt(host: Host, key = "a"): Promise<Version | undefined> {
  const record = await runningAt(host).storage.read(partitionOf(key, 64), key);
  return record?.version;
}

async function warningsAt(host: Host): Promise<string> {
  return (await nodeAt(host).status()).warnings.join(" ");
}

for (const [name, offsetMs] of Object.entries({ "3 hours": 3 * HOUR_MS, "30 years": 30 * 8_766 * HOUR_MS })) {
  Deno.test(`node given its clock jumps ${name} ahead, then its writes bear the others' time, and it says what is wrong`, async () => {
    await play(async (stage) => {
      const { sim, hosts: [first, second], work } = stage;
      first.wall.offsetMs = offsetMs;
      for (const key of ["a", "s", "wait", "a", "s"]) {
        if (key === "wait") await sim.sleep(5_000);
        if (key === "wait") continue;
        const own = versionOf(await work.put("c1", key, { host: first }));
        assert(Math.abs(aheadMs(stage, own)) < 5_000, `${aheadMs(stage, own)} ms ahead`);
        const { value, outcome } = await work.put("c2", key, { host: second });
        assert(outcome.kind === "acknowledged");
        const read = { kind: "read", value: value!, version: outcome.version } as const;
        assertEquals((await work.get("c1", key, { host: first }))?.outcome, read);
      }
      const complaints = sim.trace.lines().filter((line) => line.includes("clock_ahead"));
      assertEquals(complaints.length, 1, complaints.join("\n"));
      assert((await warningsAt(first)).includes("This node's clock is"), await warningsAt(first));
    });
  });
}

Deno.test("node given it starts with its clock 3 hours ahead and writes at once, then the write is acknowledged and later ones win", async () => {
  await play(async (stage) => {
    const { sim, hosts: [first, second], work } = stage;
    first.crash();
    first.wall.offsetMs = 3 * HOUR_MS;
    first.boot();
    await sim.until("it serves", () => first.ready);
    versionOf(await work.put("c1", "a", { host: first }));
    versionOf(await work.put("c1", "s", { host: first }));
    const later = versionOf(await work.put("c2", "a", { host: second }));
    for (const host of stage.hosts) {
      const read = await work.get("c3", "a", { host });
      assert(read?.outcome.kind === "read");
      assertEquals(read.outcome.version, later);
    }
  });
});

Deno.test("node given its clock stands still 3 hours ahead, then it writes and is written over as any other", async () => {
  await play(async (stage) => {
    const { sim, hosts: [first, second], work } = stage;
    Object.assign(first.wall, { drift: -1, offsetMs: 3 * HOUR_MS });
    for (let i = 0; i < 5; i++) {
      const own = versionOf(await work.put("c1", "a", { host: first }));
      assert(Math.abs(aheadMs(stage, own)) < 5_000, `${aheadMs(stage, own)} ms ahead`);
      versionOf(await work.put("c2", "a", { host: second }));
      await work.get("c3", "a", { host: first });
      await sim.sleep(7_000);
    }
    assertEquals(checkHistory(work), []);
  });
});

Deno.test("owner given its clock is 3 hours behind, then it refuses the others' writes, and has them as repairs right after", async () => {
  await play(async (stage) => {
    const { sim, hosts: [first, , behind], work } = stage;
    behind.wall.offsetMs = -3 * HOUR_MS;
    const version = versionOf(await work.put("c1", "a", { host: first }));
    await sim.sleep(100);
    assertEquals(await heldAt(behind), version);
    const own = versionOf(await work.put("c2", "a", { host: behind }));
    assert(aheadMs(stage, own) < CLOCK_BOUND_MS);
    assertEquals(checkHistory(work), []);
  });
});

Deno.test("owner given its clock is 3 hours behind, when another owner is down, then writes go on", async () => {
  await play(async ({ sim, hosts: [first, down, behind], work }) => {
    behind.wall.offsetMs = -3 * HOUR_MS;
    down.crash();
    for (const key of ["a", "s", "a", "s"]) versionOf(await work.put("c1", key, { host: first }));
    versionOf(await work.put("c2", "a", { host: behind }));
    versionOf(await work.put("c2", "s", { host: behind }));
    down.boot();
    await sim.until("it is back", () => down.ready);
    await work.get("c3", "a", { host: down });
    assertEquals(checkHistory(work), []);
  });
});

Deno.test("ring given most clocks are 3 hours behind, then the one that is right stamps as they do", async () => {
  await play(async (stage) => {
    const { hosts: [right, ...behind], work } = stage;
    behind.forEach((host) => host.wall.offsetMs = -3 * HOUR_MS);
    await stage.sim.sleep(12_000);
    const version = versionOf(await work.put("c1", "a", { host: right }));
    assert(aheadMs(stage, version) < -2 * HOUR_MS);
    versionOf(await work.put("c2", "a", { host: behind[0]! }));
    await work.get("c3", "a", { host: right });
    assertEquals(checkHistory(work), []);
  });
});

Deno.test("key given it is 3 hours ahead already, then nodes whose clocks are right write over it, and repairs carry it", async () => {
  await play(async (stage) => {
    const { hosts: [first, second, third], work } = stage;
    const version = { wallMs: EPOCH_MS + stage.sim.nowMs + 3 * HOUR_MS, counter: 0, writer: "far.1" };
    const record = { kind: "tombstone", version, expired: false } as const;
    const { storage } = runningAt(first);
    await storage.write({ partition: partitionOf("a", 64), key: "a", record, mode: "merge" });
    const read = await nodeAt(second).get("a", { consistency: "all" });
    assertEquals([read, await heldAt(second), await heldAt(third)], [undefined, version, version]);
    const own = versionOf(await work.put("c1", "a", { host: third }));
    assert(compareVersions(own, version) > 0 && own.wallMs === version.wallMs);
  });
});
