/** Owners that miss writes and get them from those who have kept them in mind, where nobody compares anything. */
import { assert, assertEquals } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { formatVersion } from "../../lib/core/hlc.ts";
import { partitionOf } from "../../lib/core/partition.ts";
import type { StoredRecord } from "../../lib/core/record.ts";
import type { Transport } from "../../lib/ports/transport.ts";
import { type Answer, type Ask, decodeReply, decodeRequest } from "../../lib/wire.ts";
import type { Operation } from "./history.ts";
import type { Host, Tampering } from "./host.ts";
import { SeveredLinks } from "./severed_links.ts";
import { nodeAt, runningAt, Simulation, type SimulationOptions } from "./simulation.ts";
import { Workload } from "./workload.ts";

const FAST = { transfer: Infinity, repair: Infinity, scrub: Infinity };
const COMPARING: ReadonlySet<string> = new Set(["digests", "tree", "scan", "scanRecords", "readRecords"]);

/** Has no two nodes compare what they hold, so that what arrives came by a hint. */
function withoutComparing(transport: Transport): Transport {
  return {
    call: async (address, message, options) => {
      if (decodeRequest(message).calls.some(({ op }) => COMPARING.has(op))) {
        throw new DhtError("overloaded", "Cannot compare: not in this story");
      }
      return await transport.call(address, message, options);
    },
  };
}

interface Stage {
  readonly sim: Simulation;
  readonly hosts: readonly Host[];
  readonly work: Workload;
  readonly links: SeveredLinks;
  compareAgain(): void;
}

/** Plays a story on a ring of that many nodes, which stop comparing once it has settled. */
async function play(
  nodes: number,
  story: (stage: Stage) => Promise<void>,
  options: SimulationOptions = {},
): Promise<void> {
  const links = new SeveredLinks();
  let comparing = true;
  const transport = (own: Transport, host: Host): Transport => {
    const severed = links.tampering.transport!(own, host);
    const mute = withoutComparing(severed);
    return { call: (...call) => (comparing ? severed : mute).call(...call) };
  };
  const sim = new Simulation({ ...options, tampering: { ...options.tampering, transport } });
  const work = new Workload(sim);
  await sim.run(async () => {
    const hosts = await sim.startRing(nodes);
    comparing = false;
    await story({ sim, hosts, work, links, compareAgain: () => comparing = true });
  });
}

/** Writes until it is acknowledged: clients of a simulation hang up at times. */
async function untilAcknowledged(write: () => Promise<Operation>): Promise<Operation> {
  for (let tries = 1;; tries++) {
    const operation = await write();
    if (operation.outcome.kind === "acknowledged") return operation;
    if (tries === 5) throw new Error(`not written: ${JSON.stringify(operation.outcome)}`);
  }
}

function put({ work }: Pick<Stage, "work">, host: Host, key: string, bytes = 40): Promise<Operation> {
  return untilAcknowledged(() => work.put("c1", key, { host, bytes }));
}

const partitionAt = (host: Host, key: string) => partitionOf(key, runningAt(host).keeper.state.partitions);

function heldAt(host: Host, key: string): Promise<StoredRecord | undefined> {
  return runningAt(host).storage.read(partitionAt(host, key), key);
}

function isOwner(host: Host, key: string): boolean {
  const { live, selfId } = runningAt(host).keeper;
  return live.newest.owners(partitionAt(host, key)).includes(selfId);
}

/** Hints that all nodes together keep. */
function keptHints({ sim }: Stage): number {
  return sim.ready.reduce((sum, host) => sum + runningAt(host).storage.hints.counts.kept, 0);
}

/** Time in which every message to a node that has gone is given up, and what it misses is known and on the disk. */
const NOTICED_MS = 15_000;

/** Lets time pass until two nodes hold the same record of a key. */
async function untilSame({ sim }: Stage, hosts: readonly Host[], key: string): Promise<void> {
  const deadlineMs = sim.nowMs + 30_000;
  for (;;) {
    const versions = await Promise.all(hosts.map(async (host) => {
      const record = await heldAt(host, key);
      return record === undefined ? "nothing" : `${record.kind} ${formatVersion(record.version)}`;
    }));
    if (versions[0] !== "nothing" && versions.every((version) => version === versions[0])) return;
    if (sim.nowMs > deadlineMs) throw new Error(`key ${key} differs: ${versions.join(", ")}`);
    await sim.sleep(50);
  }
}

Deno.test("hints given an owner was down for a put, a delete and a large value, then it holds the same records soon after its start", async () => {
  await play(3, async (stage) => {
    const { sim, hosts, work } = stage;
    await put(stage, hosts[0]!, "gone");
    hosts[2]!.crash();
    await put(stage, hosts[0]!, "a");
    await untilAcknowledged(() => work.delete("c1", "gone", { host: hosts[1]! }));
    await put(stage, hosts[0]!, "large", 150_000);
    hosts[2]!.boot();
    await sim.until("it is back", () => hosts[2]!.ready);
    for (const key of ["a", "gone", "large"]) await untilSame(stage, hosts, key);
    await sim.until("no hint is left", () => keptHints(stage) === 0);
  });
});

Deno.test("hints given their keeper restarts before the owner is back, then they are delivered all the same", async () => {
  await play(3, async (stage) => {
    const { sim, hosts } = stage;
    hosts[2]!.crash();
    for (const key of ["a", "b"]) await put(stage, hosts[0]!, key);
    await sim.sleep(NOTICED_MS);
    hosts[0]!.crash();
    await sim.sleep(1_000);
    hosts[0]!.boot();
    await sim.until("the keeper is back", () => hosts[0]!.ready);
    hosts[2]!.boot();
    await sim.until("the owner is back", () => hosts[2]!.ready);
    for (const key of ["a", "b"]) await untilSame(stage, hosts, key);
  });
});

Deno.test("hint given the owner has taken a newer write meanwhile, then that one stays", async () => {
  await play(3, async (stage) => {
    const { sim, hosts, work, links } = stage;
    const [a, b, c] = hosts;
    for (const host of [a!, b!]) links.sever(host, c!);
    await put(stage, a!, "a");
    await sim.sleep(1_000);
    assert(keptHints(stage) > 0);
    const older = await heldAt(a!, "a");
    a!.crash();
    links.mend();
    await sim.until("the other two reach one another", () => nodeAt(b!).ring().nodes[2]!.reachable);
    const newer = await put(stage, c!, "a");
    a!.boot();
    await sim.until("the keeper is back", () => a!.ready);
    await sim.until("no hint is left", () => keptHints(stage) === 0);
    for (const host of [b!, c!]) {
      const held = await heldAt(host, "a");
      assert(held !== undefined && formatVersion(held.version) !== formatVersion(older!.version));
    }
    const read = await work.get("c1", "a", { host: b! });
    assertEquals(read?.outcome.kind === "read" && read.outcome.value, newer.value);
  });
});

Deno.test("hint given the coordinator is no owner of the key, then an owner that has the record keeps it", async () => {
  await play(5, async (stage) => {
    const { sim, hosts } = stage;
    const key = "abcdefghijklmnopqrstuvwxyz".split("").find((name) => !isOwner(hosts[0]!, name))!;
    const owners = hosts.filter((host) => isOwner(host, key));
    owners[2]!.crash();
    await put(stage, hosts[0]!, key);
    await sim.sleep(NOTICED_MS);
    assertEquals(runningAt(hosts[0]!).storage.hints.counts.kept, 0);
    assertEquals(keptHints(stage), 1);
    owners[2]!.boot();
    await sim.until("it is back", () => owners[2]!.ready);
    await untilSame(stage, owners, key);
  });
});

Deno.test("hints given a key is written many times while an owner is down, then there is one", async () => {
  await play(3, async (stage) => {
    const { sim, hosts } = stage;
    hosts[2]!.crash();
    for (let i = 0; i < 30; i++) {
      await put(stage, hosts[0]!, "a");
      await sim.sleep(1_000);
    }
    assertEquals(keptHints(stage), 1);
  });
});

Deno.test("hints given the owner goes again in the middle of their delivery, then the rest is delivered when it is back for good", async () => {
  await play(3, async (stage) => {
    const { sim, hosts, links } = stage;
    const keys = Array.from({ length: 600 }, (_, i) => `k${i}`);
    hosts[2]!.crash();
    for (const key of keys) await put(stage, hosts[0]!, key, 60);
    await put(stage, hosts[0]!, "large", 1_000_000);
    hosts[2]!.boot();
    await sim.until("it is back", () => hosts[2]!.ready);
    const arrived = async () => {
      const held = await Promise.all(keys.map((key) => heldAt(hosts[2]!, key)));
      return held.filter((record) => record !== undefined).length;
    };
    while (await arrived() === 0) await sim.sleep(1);
    for (const host of hosts.slice(0, 2)) links.sever(host, hosts[2]!);
    await sim.sleep(20_000);
    assert(keptHints(stage) > 0, "all was delivered before the owner went");
    links.mend();
    for (const key of [...keys, "large"]) await untilSame(stage, hosts, key);
    await sim.until("no hint is left", () => keptHints(stage) === 0);
  });
});

Deno.test("hints given the owner is removed from the ring, then they are dropped", async () => {
  await play(4, async (stage) => {
    const { sim, hosts } = stage;
    const lost = hosts[3]!;
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
    const theirs = keys.filter((key) => isOwner(lost, key));
    lost.crash();
    lost.gone = true;
    for (const key of theirs) await put(stage, hosts[0]!, key);
    await sim.sleep(NOTICED_MS);
    assertEquals(keptHints(stage), theirs.length);
    await sim.until("it counts as down", () => !nodeAt(hosts[0]!).ring().nodes[3]!.reachable);
    stage.compareAgain();
    await nodeAt(hosts[0]!).remove(lost.address, { force: false });
    await sim.until("no hint is left", () => keptHints(stage) === 0, 300_000);
  });
});

Deno.test("node that was away given the others compare with it when it is back, then what it missed reaches it once", async () => {
  const KEYS = 200;
  let moved = 0;
  const counting: Tampering["transport"] = (transport) => ({
    call: async (address, message, options) => {
      const { calls } = decodeRequest(message);
      const bytes = await transport.call(address, message, options);
      const reply = decodeReply(bytes, calls);
      calls.forEach(({ op, ask }, i) => {
        if (op === "mergeRecords") moved += (ask as Ask<typeof op>).records.length;
        const outcome = reply.kind === "results" ? reply.outcomes[i] : undefined;
        if (outcome?.ok !== true) return;
        if (op === "readRecords") moved += (outcome.answer as Answer<typeof op>).records.length;
        if (op !== "scanRecords") return;
        for (const { entries } of (outcome.answer as Answer<typeof op>).pages) moved += entries.length;
      });
      return bytes;
    },
  });
  const sim = new Simulation({ tampering: { transport: counting }, rates: { ...FAST, repair: 10_000 } });
  const work = new Workload(sim, { keys: Array.from({ length: KEYS }, (_, i) => `k${i}`) });
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    await sim.sleep(2_000);
    hosts[2]!.crash();
    await sim.sleep(10_000);
    // Only one keeps hints: the other has no reason to wait with its comparison.
    for (const key of work.keys) await put({ work }, hosts[0]!, key);
    await sim.sleep(10_000);
    moved = 0;
    hosts[2]!.boot();
    await sim.sleep(50_000);
    const held = await runningAt(hosts[2]!).storage.digests();
    assertEquals([...held.values()].reduce((sum, { values }) => sum + values, 0), KEYS);
    assert(moved >= KEYS && moved <= 1.05 * KEYS, `${moved} records for ${KEYS}`);
  });
});
