import { assert, assertEquals, assertRejects } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { compareVersions } from "../../lib/core/hlc.ts";
import { partitionOf } from "../../lib/core/partition.ts";
import type { Host } from "./host.ts";
import { sha256 } from "../../lib/sha256.ts";
import { bodyOf, makePayload } from "./payload.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { checkHistory, runSeed, type SwarmOptions } from "./swarm.ts";
import { Workload } from "./workload.ts";

const STRONG = ["s/a", "s/b"];
/** Seeds of each swarm. */
const SEEDS = 3;
/** Five clients on two keys, all of it strong. */
const CROWD = { keys: STRONG, strongKeys: STRONG, clients: 5, thinkMs: 10, large: 0.03 };

const SWARMS: Record<string, SwarmOptions> = {
  "random faults": { plan: "random", workload: CROWD },
  "a ring that grows behind a bridge": { plan: "growBehindBridge", workload: CROWD },
  "crashes and clocks": {
    plan: "random",
    workload: CROWD,
    faults: ["jumpClock", "stopClock", "crashAtCommit", "isolate"],
    faultPauseMs: 200,
  },
};
for (const [name, options] of Object.entries(SWARMS)) {
  Deno.test(`strong operations given five clients on few keys and ${name}, then each key is linearizable`, async () => {
    let operations = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const report = await runSeed(seed, options);
      if (report.violations.length > 0) throw new Error(report.story());
      operations += report.operations;
    }
    assert(operations >= SEEDS * 200, `${operations} strong operations are too few to tell`);
  });
}

/** A ring of four that all own every key: a read quorum of two, a write quorum of three. */
async function playWithFour(
  story: (hosts: readonly Host[]) => Promise<void>,
): Promise<void> {
  const sim = new Simulation({ replicas: 4 });
  await sim.run(async () => await story(await sim.startRing(4)));
}

/** What is left of a write whose coordinator died: one owner has it. */
async function plantAtOneOwner(host: Host): Promise<void> {
  const bytes = makePayload("k#1", 40);
  const head = {
    kind: "value",
    valueBytes: bytes.length,
    contentType: "text/plain",
    sha256: sha256(bytes),
  } as const;
  const version = { wallMs: 1_700_000_000_000, counter: 0, writer: "gone.1" };
  const record = { ...head, version, body: { kind: "inline", bytes } } as const;
  const place = { partition: partitionOf("k", 64), key: "k" };
  await runningAt(host).storage.write({ ...place, record, mode: "merge" });
}

const OPTIONS = { contentType: "text/plain", consistency: "quorum" } as const;

for (const consistency of ["strong", "all"] as const) {
  const wanted = consistency === "strong" ? 3 : 4;
  Deno.test(`read given consistency=${consistency} and a write that only one of four owners has, then ${wanted} of them hold it before it is answered`, async () => {
    await playWithFour(async (hosts) => {
      await plantAtOneOwner(hosts[0]!);
      const holders = await holdersOf(hosts);
      const found = await nodeAt(hosts[0]!).get("k", { consistency });
      assertEquals([holders, found?.valueBytes], [1, 40]);
      assertEquals(await holdersOf(hosts) >= wanted, true);
    });
  });
}

Deno.test("strong write given a key that a far greater version holds at one owner, then a majority's answer is enough and none of them goes back", async () => {
  await playWithFour(async (hosts) => {
    const far = { wallMs: 1_900_000_000_000, counter: 0, writer: "far.1" };
    const record = { kind: "tombstone", version: far, expired: false } as const;
    const place = { partition: partitionOf("k", 64), key: "k" };
    await runningAt(hosts[1]!).storage.write({ ...place, record, mode: "merge" });
    const body = bodyOf(makePayload("k#2", 40));
    const written = await nodeAt(hosts[0]!).put("k", body, { ...OPTIONS, consistency: "strong" });
    const held = await runningAt(hosts[1]!).storage.read(place.partition, "k");
    assertEquals(compareVersions(held!.version, far) >= 0, true);
    assertEquals(written.acknowledged.length >= 3, true);
  });
});

for (const consistency of ["quorum", "strong", "all"] as const) {
  Deno.test(`write given consistency=${consistency} and one of three owners is down, then ${consistency === "all" ? "its outcome is unknown" : "it is acknowledged"}`, async () => {
    const sim = new Simulation();
    await sim.run(async () => {
      const hosts = await sim.startRing(3);
      hosts[2]!.crash();
      const options = { ...OPTIONS, consistency };
      const put = nodeAt(hosts[0]!).put("k", bodyOf(makePayload("k#1", 40)), options);
      if (consistency !== "all") return assertEquals((await put).acknowledged.length, 2);
      const { code, facts } = await assertRejects(() => put, DhtError);
      assertEquals([code, facts.required, facts.received], ["write_outcome_unknown", 3, 2]);
    });
  });
}

Deno.test("strong operations given a majority is down, then a write says that nothing was written, and a read that it cannot be", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    hosts.slice(1).forEach((host) => host.crash());
    const options = { ...OPTIONS, consistency: "strong" } as const;
    const put = () => nodeAt(hosts[0]!).put("k", bodyOf(makePayload("k#1", 40)), options);
    assertEquals((await assertRejects(put, DhtError, "nothing was written")).code, "read_quorum_unreachable");
    const get = () => nodeAt(hosts[0]!).get("k", { consistency: "strong" });
    assertEquals((await assertRejects(get, DhtError)).code, "read_quorum_unreachable");
    assertEquals(await holdersOf(hosts.slice(0, 1)), 0);
  });
});

Deno.test("strong put given a large value, then it is written once above what was there, and read back whole", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    await sim.startRing(3);
    const work = new Workload(sim, { keys: ["s"], strongKeys: ["s"] });
    for (const bytes of [300_000, 100, 200_000]) await work.put("c1", "s", { bytes });
    const read = await work.get("c2", "s");
    assertEquals(read?.outcome.kind === "read" && read.outcome.value, "s#3");
    assertEquals(checkHistory(work), []);
  });
});

async function holdersOf(hosts: readonly Host[]): Promise<number> {
  const partition = partitionOf("k", 64);
  const records = await Promise.all(hosts.map((host) => runningAt(host).storage.read(partition, "k")));
  return records.filter((record) => record !== undefined).length;
}
