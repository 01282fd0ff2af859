/** Disks that change what they hold, and how nodes find and mend it without losing or reviving anything. */
import { assert, assertEquals } from "@std/assert";
import { partitionOf } from "../../lib/core/partition.ts";
import { MemoryStore } from "../../lib/adapters/memory_store.ts";
import type { StoreEntry } from "../../lib/ports/store.ts";
import { checkConvergence } from "./convergence.ts";
import { chunksOf, mended, recordOnDisk } from "./corruption.ts";
import type { Host } from "./host.ts";
import { checkHistory } from "./swarm.ts";
import { nodeAt, runningAt, Simulation, type SimulationOptions } from "./simulation.ts";
import { Workload } from "./workload.ts";

const PARTITION = partitionOf("a", 64);
const MINUTE_MS = 60_000;
/** Nodes that look only where they are told to: what a story is about is not undone by what runs beside it. */
const STILL = { antiEntropyMs: 100 * MINUTE_MS, scrubMs: 100 * MINUTE_MS };
const BUSY = { antiEntropyMs: 100 * MINUTE_MS, scrubMs: 2_000 };

interface Stage {
  readonly sim: Simulation;
  readonly hosts: readonly Host[];
  readonly work: Workload;
}

/** Plays a story on three nodes; then heals the ring and checks every promise. */
async function play(options: SimulationOptions, story: (stage: Stage) => Promise<void>): Promise<void> {
  const sim = new Simulation(options);
  const work = new Workload(sim, { keys: ["a", "b"], thinkMs: 30 });
  await sim.run(async () => {
    await story({ sim, hosts: await sim.startRing(3), work });
    const violations = await checkConvergence(sim, work);
    assertEquals([...violations, ...checkHistory(work)], []);
  });
}

/** Writes a key and waits until all owners hold it. */
async function write({ sim, hosts, work }: Stage, bytes = 100): Promise<void> {
  const { outcome } = await work.put("c", "a", { host: hosts[0]!, bytes });
  assertEquals(outcome.kind, "acknowledged");
  await sim.sleep(1_000);
}

/** Damages a record's head, so that nobody knows its version any more; or its bytes alone. */
async function damage(host: Host, what: "head" | "bytes" = "head"): Promise<StoreEntry> {
  const record = await recordOnDisk(host, PARTITION, "a");
  const at = what === "head" ? 6 : record.value.length - 9;
  host.disk.corrupt(record.key, (bytes) => bytes.with(at, bytes[at]! ^ 1));
  return record;
}

/** Starts a node anew, so that it remembers nothing of what its disk has changed. */
async function restart({ sim }: Stage, host: Host): Promise<void> {
  host.crash();
  host.boot();
  await sim.until(`${host.address} is back`, () => host.ready);
}

async function valueAt({ work }: Stage, host: Host): Promise<string | undefined> {
  const read = await work.get("reader", "a", { host });
  assert(read?.outcome.kind === "read", JSON.stringify(read?.outcome));
  return read.outcome.value;
}

for (
  const [name, what, bytes] of [
    ["the head of a small value", "head", 100],
    ["the bytes of a small value", "bytes", 100],
    ["the head of a large value", "head", 200_000],
  ] as const
) {
  Deno.test(`scrub given damage in ${name} that nobody reads, then it is found and mended`, async () => {
    await play({ pauses: BUSY }, async (stage) => {
      await write(stage, bytes);
      await mended(stage.sim, stage.hosts[1]!, await damage(stage.hosts[1]!, what));
    });
  });
}

Deno.test("scrub given a damaged chunk of a large value that nobody reads, then the value is fetched anew under an id of its own", async () => {
  await play({ pauses: BUSY }, async (stage) => {
    const [, host] = stage.hosts;
    await write(stage, 200_000);
    const record = await recordOnDisk(host!, PARTITION, "a");
    const chunks = chunksOf(host!.disk, record)!;
    host!.disk.corrupt(chunks[2]!);
    await mended(stage.sim, host!, record);
    const after = chunksOf(host!.disk, await recordOnDisk(host!, PARTITION, "a"))!;
    assertEquals(after.length, chunks.length);
    assert(after[0]![1] !== chunks[0]![1]);
  });
});

Deno.test("scrub given a damaged deletion, then it is mended and deletes still", async () => {
  await play({ pauses: BUSY }, async (stage) => {
    await write(stage);
    await stage.work.delete("c", "a", { host: stage.hosts[0]! });
    await stage.sim.sleep(1_000);
    await mended(stage.sim, stage.hosts[2]!, await damage(stage.hosts[2]!));
  });
});

Deno.test("scrub given nothing is damaged, then a round says when it ended and what it read", async () => {
  await play({ pauses: BUSY }, async (stage) => {
    await write(stage, 200_000);
    await runningAt(stage.hosts[0]!).storage.flush();
    await stage.sim.sleep(10_000);
    const { background } = await nodeAt(stage.hosts[0]!).status();
    const scrub = background.find(({ name }) => name === "scrub")!;
    assert(
      scrub.completedMs !== undefined && scrub.bytes > 200_000 && scrub.failed === 0,
      JSON.stringify(scrub),
    );
  });
});

Deno.test("scrub given a record was damaged beyond telling which chunks it had, then those are freed and no others", async () => {
  await play({ pauses: BUSY }, async (stage) => {
    const { sim, work, hosts: [first, second] } = stage;
    await work.put("c", "b", { host: first!, bytes: 200_000 });
    await write(stage, 200_000);
    const record = await damage(second!);
    await mended(sim, second!, record);
    await sim.sleep(3 * MINUTE_MS);
    const chunks = await Array.fromAsync(new MemoryStore(second!.disk).list({ prefix: ["chunk"] }));
    assertEquals(chunks.length, 8);
    assertEquals(runningAt(second!).storage.stats().foundDamaged, 1);
  });
});

Deno.test("damaged record given another owner missed the write and the third is away, then the stale copy does not take its place", async () => {
  await play({ pauses: STILL }, async (stage) => {
    const { sim, hosts: [first, second, third], work } = stage;
    await write(stage);
    third!.crash();
    const { value, outcome } = await work.put("c", "a", { host: first!, bytes: 100 });
    assertEquals(outcome.kind, "acknowledged");
    await damage(second!);
    await restart(stage, second!);
    // Who held it and is good goes; who missed it comes back, and meets who holds it damaged.
    first!.crash();
    third!.boot();
    await sim.until("the stale owner is back", () => third!.ready);
    await sim.sleep(MINUTE_MS);
    const [stale, damaged] = [runningAt(third!).storage, runningAt(second!).storage];
    assert((await stale.heads([{ partition: PARTITION, key: "a" }]))[0] !== undefined);
    assertEquals(await damaged.heads([{ partition: PARTITION, key: "a" }]), [undefined]);
    first!.boot();
    await sim.until("all are back", () => first!.ready);
    await sim.sleep(MINUTE_MS);
    for (const host of stage.hosts) assertEquals(await valueAt(stage, host), value);
  });
});

Deno.test("damaged record given a client writes the key, then the others acknowledge it and it mends the copy", async () => {
  await play({ pauses: STILL }, async (stage) => {
    const { sim, hosts, work } = stage;
    await write(stage);
    const record = await damage(hosts[1]!);
    await restart(stage, hosts[1]!);
    const { value, outcome } = await work.put("c", "a", { host: hosts[1]! });
    assertEquals(outcome.kind, "acknowledged");
    await mended(sim, hosts[1]!, record);
    assertEquals(await valueAt(stage, hosts[1]!), value);
  });
});

Deno.test("damaged record given it was a deletion that the others have forgotten, then it is forgotten, too", async () => {
  await play({ pauses: STILL }, async (stage) => {
    const { sim, hosts, work } = stage;
    await work.delete("c", "a", { host: hosts[0]! });
    await sim.sleep(1_000);
    const [head] = await runningAt(hosts[0]!).storage.heads([{ partition: PARTITION, key: "a" }]);
    const { version } = head!;
    const record = await damage(hosts[2]!);
    await restart(stage, hosts[2]!);
    for (const host of hosts.slice(0, 2)) {
      const tombstone = { key: "a", version, expired: false };
      assertEquals(await runningAt(host).storage.tombstones.collect(PARTITION, [tombstone]), 1);
    }
    await runningAt(hosts[2]!).storage.scan(PARTITION, { limit: 10 });
    await mended(sim, hosts[2]!, record);
    const { storage } = runningAt(hosts[2]!);
    assertEquals(await storage.heads([{ partition: PARTITION, key: "a" }], { strict: true }), [undefined]);
    assertEquals(storage.tombstones.floor(PARTITION), version);
  });
});

/** What a node lists while another is down; a code where it cannot. */
async function listedWithout(stage: Stage, host: Host, lost: Host): Promise<unknown> {
  lost.crash();
  const listing = nodeAt(host).list({ prefix: "", limit: 10 });
  const answer = await listing.then(({ keys }) => keys.map(({ key }) => key), (error) => error.code);
  lost.boot();
  await stage.sim.until("all are back", () => lost.ready);
  return answer;
}

/** Damages what a node's index says of a key. */
async function damageIndex(host: Host): Promise<void> {
  await runningAt(host).storage.flush();
  host.disk.corrupt(["key", "a"], (bytes) => bytes.with(10, bytes[10]! ^ 1));
}

Deno.test("listing given an owner whose index entry is damaged and one that is down, then the record says what is held", async () => {
  await play({ pauses: STILL }, async (stage) => {
    const [first, second, third] = stage.hosts;
    await write(stage);
    await damageIndex(second!);
    assertEquals(await listedWithout(stage, first!, third!), ["a"]);
  });
});

Deno.test("listing given an owner whose record is damaged and one that is down, then the index says what is held", async () => {
  await play({ pauses: STILL }, async (stage) => {
    const [first, second, third] = stage.hosts;
    await write(stage);
    await damage(second!);
    await restart(stage, second!);
    assertEquals(await listedWithout(stage, first!, third!), ["a"]);
  });
});

Deno.test("listing given an owner whose record and index entry are damaged and one that is down, then it says so and omits nothing", async () => {
  await play({ pauses: STILL }, async (stage) => {
    const [first, second, third] = stage.hosts;
    await write(stage);
    await damageIndex(second!);
    await damage(second!);
    await restart(stage, second!);
    assertEquals(await listedWithout(stage, first!, third!), "read_quorum_unreachable");
    assertEquals(await nodeAt(first!).list({ prefix: "", limit: 10 }).then(({ keys }) => keys.length), 1);
  });
});

Deno.test("transfer given one source missed a write, and another has it damaged, then it waits for a third or for the damage to be mended", async () => {
  await play({ pauses: STILL }, async (stage) => {
    const { sim, hosts: [first, second, third], work } = stage;
    await write(stage);
    third!.crash();
    const { outcome } = await work.put("c", "a", { host: first! });
    assertEquals(outcome.kind, "acknowledged");
    await damage(second!);
    await restart(stage, second!);
    const heal = sim.network.cutWhere((from, to) => from === first!.address || to === first!.address);
    third!.boot();
    const joiner = sim.addHost();
    joiner.boot([second!.address]);
    await sim.until("both are in the ring", () => third!.ready && joiner.ready);
    await sim.sleep(20_000);
    const { keeper } = runningAt(joiner);
    assert(keeper.live.newest.owners(PARTITION).includes(keeper.selfId));
    assert(keeper.selfMember!.report.newest !== keeper.live.newest.name);
    heal();
    await sim.untilSettled(4);
  });
});
