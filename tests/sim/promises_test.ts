/**
 * The promises of MyDHT, one by one, each with a story that would break it. What random faults do to
 * them together is in swarm_test.ts; what each test would miss, in mutants_test.ts.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { addressOf } from "../../lib/core/layout.ts";
import { partitionOf } from "../../lib/core/partition.ts";
import { checkConvergence, heal, runTask } from "./convergence.ts";
import type { Operation } from "./history.ts";
import type { Host } from "./host.ts";
import { bodyOf, makePayload } from "./payload.ts";
import { checkRegister } from "./register_checker.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

const HOUR_MS = 3_600_000;

/** A ring and its clients. */
interface Stage {
  readonly sim: Simulation;
  readonly hosts: readonly Host[];
  readonly work: Workload;
}

/** Plays a story on a ring of that many nodes; what its clients saw must keep the promises in any case. */
async function play(
  nodes: number,
  story: (stage: Stage) => Promise<void>,
  keys = ["a", "b", "c"],
): Promise<void> {
  const sim = new Simulation();
  const work = new Workload(sim, { keys, thinkMs: 30 });
  await sim.run(async () => {
    await story({ sim, hosts: await sim.startRing(nodes), work });
    const violations = [...work.violations];
    for (const seen of work.history.byKey().values()) {
      violations.push(...checkRegister(seen, { readsStick: true }));
    }
    assertEquals(violations, []);
  });
}

function acknowledged(operation: Operation): Operation {
  assertEquals(operation.outcome.kind, "acknowledged", JSON.stringify(operation.outcome));
  return operation;
}

/** What a read through a node returns, absence as undefined. */
async function valueAt({ work }: Stage, host: Host, key: string): Promise<string | undefined> {
  const read = await work.get("reader", key, { host });
  assert(read?.outcome.kind === "read");
  return read.outcome.value;
}

function ownersOf({ sim, hosts }: Stage, key: string): Host[] {
  const { keeper } = runningAt(sim.ready[0] ?? hosts[0]!);
  const owners = keeper.live.newest.owners(partitionOf(key, keeper.state.partitions)).map(addressOf);
  return owners.map((address) => sim.hosts.find((host) => host.address === address)!);
}

Deno.test("promise 1 (durable) given a write is acknowledged, when the power of all nodes fails at that moment, then it is there after they start", async () => {
  await play(3, async (stage) => {
    const { sim, hosts, work } = stage;
    for (const bytes of [10, 150_000]) {
      const { value } = acknowledged(await work.put("c1", "a", { host: hosts[0]!, bytes }));
      hosts.forEach((host) => host.crash());
      hosts.forEach((host) => host.boot());
      await sim.until("all are back", () => sim.ready.length === 3);
      assertEquals(await valueAt(stage, hosts[1]!, "a"), value);
      // What was asked of a node before it was back is waited for a while, and what is asked next waits behind it.
      await sim.sleep(3_000);
    }
  });
});

Deno.test("promise 1 (durable) given a write is acknowledged, then it is on the disks of two of its three owners", async () => {
  await play(3, async ({ sim, hosts, work }) => {
    sim.network.cutWhere((from, to) => from === "n1:50140" && to === "n3:50142");
    acknowledged(await work.put("c1", "a", { host: hosts[0]! }));
    const holding: string[] = [];
    for (const host of hosts) {
      host.crash();
      // The journal of a dead node's disk, as its next start would find it.
      const replayed = await host.inspectDisk();
      if (await replayed.read(partitionOf("a", 64), "a") !== undefined) holding.push(host.address);
    }
    assertEquals(holding, ["n1:50140", "n2:50141"]);
  });
});

Deno.test("promise 2 (never lost) given one node after another fails for good and is removed, then every acknowledged write survives", async () => {
  await play(5, async (stage) => {
    const { sim, hosts, work } = stage;
    work.start();
    for (const host of hosts.slice(0, 2)) {
      await sim.sleep(2_000);
      host.crash();
      host.gone = true;
      await sim.sleep(3_000);
      await nodeAt(sim.ready[0]!).remove(host.address, { force: false });
      await sim.until(
        "the others hold its share",
        () => sim.ready.every((other) => !nodeAt(other).ring().changing),
      );
    }
    await work.stop();
    assertEquals(await checkConvergence(sim, work), []);
  });
});

Deno.test("promise 2 (never lost) given messages that are lost, late, doubled and out of order, then no acknowledged write is lost", async () => {
  await play(3, async ({ sim, work }) => {
    Object.assign(sim.network.weather, { meanDelayMs: 10, slow: 0.1, loss: 0.03, duplicate: 0.2 });
    work.start();
    await sim.sleep(30_000);
    await work.stop();
    assert(sim.network.counts.lost > 10 && sim.network.counts.twice > 20);
    assertEquals(await checkConvergence(sim, work), []);
  });
});

Deno.test("promise 3 (the last acknowledged write wins) given a coordinator one hour ahead, when another writes after it, then the later write wins", async () => {
  await play(3, async (stage) => {
    const { hosts, work } = stage;
    hosts[0]!.wall.offsetMs = HOUR_MS;
    acknowledged(await work.put("c1", "a", { host: hosts[0]! }));
    const { value } = acknowledged(await work.put("c2", "a", { host: hosts[1]! }));
    for (const host of hosts) assertEquals(await valueAt(stage, host, "a"), value);
  });
});

Deno.test("promise 3 (the last acknowledged write wins) given a large value written by a node one hour ahead, when a node one hour behind deletes it, then it is gone", async () => {
  await play(3, async (stage) => {
    const { hosts, work } = stage;
    hosts[0]!.wall.offsetMs = HOUR_MS;
    hosts[1]!.wall.offsetMs = -HOUR_MS;
    acknowledged(await work.put("c1", "a", { host: hosts[0]!, bytes: 100_000 }));
    acknowledged(await work.delete("c2", "a", { host: hosts[1]! }));
    for (const host of hosts) assertEquals(await valueAt(stage, host, "a"), undefined);
  });
});

Deno.test("promise 3 (the last acknowledged write wins) given a node restarts with its clock set back an hour, then its next write still wins", async () => {
  await play(3, async (stage) => {
    const { sim, hosts, work } = stage;
    acknowledged(await work.put("c1", "a", { host: hosts[0]! }));
    hosts[0]!.crash();
    hosts[0]!.wall.offsetMs = -HOUR_MS;
    hosts[0]!.boot();
    await sim.until("it is back", () => hosts[0]!.ready);
    const { value } = acknowledged(await work.put("c1", "a", { host: hosts[0]! }));
    for (const host of hosts) assertEquals(await valueAt(stage, host, "a"), value);
  });
});

Deno.test("promise 3 (the last acknowledged write wins) given the node that reads missed a write, then it returns that write, not its own copy", async () => {
  await play(3, async (stage) => {
    const { sim, hosts, work } = stage;
    acknowledged(await work.put("c1", "a", { host: hosts[0]! }));
    await sim.sleep(100);
    const reader = hosts[2]!;
    const isReader = (address: string) => address === reader.address;
    const heal = sim.network.cutWhere((from, to) => isReader(from) || isReader(to), { refuses: true });
    const { value } = acknowledged(await work.put("c1", "a", { host: hosts[0]! }));
    heal();
    assertEquals(await valueAt(stage, reader, "a"), value);
  });
});

Deno.test("promise 4 (always readable) given one of three is killed under load, then nothing stops", async () => {
  await play(3, async ({ sim, hosts, work }) => {
    work.start();
    await sim.sleep(3_000);
    hosts[1]!.crash();
    const killedMs = sim.nowMs;
    await sim.sleep(15_000);
    await work.stop();
    const after = work.history.operations.filter(({ startMs }) => startMs > killedMs);
    const answered = after.filter(({ outcome }) =>
      outcome.kind === "acknowledged" || outcome.kind === "read"
    );
    // Those whose client hung up are the exception.
    assert(
      answered.length > 100 && answered.length > after.length * 0.95,
      `${answered.length} of ${after.length}`,
    );
    hosts[1]!.boot();
    assertEquals(await checkConvergence(sim, work), []);
  });
});

Deno.test("promise 4 (always readable) given an owner is down while one node joins and another leaves, then every acknowledged key is readable at every moment", async () => {
  const keys = Array.from({ length: 12 }, (_, i) => `k${i}`);
  await play(4, async ({ sim, hosts, work }) => {
    for (const key of keys) acknowledged(await work.put("c1", key, { host: hosts[0]! }));
    hosts[3]!.crash();
    const joining = sim.addHost();
    joining.boot([hosts[0]!.address]);
    await sim.until("the new node is in the ring", () => joining.ready);
    await nodeAt(hosts[1]!).leave();
    for (let round = 0; round < 5; round++) {
      for (const key of keys) await work.get("c1", key);
      await sim.sleep(1_000);
    }
    assertEquals(work.violations, []);
    hosts[3]!.boot();
    await sim.until("the leaver has gone", () => hosts[1]!.gone);
    assertEquals(await checkConvergence(sim, work), []);
  }, keys);
});

Deno.test("promise 5 (deleted stays deleted) given an owner was away while a key was deleted, when it returns and all balance, then the key stays deleted", async () => {
  await play(3, async (stage) => {
    const { sim, hosts, work } = stage;
    acknowledged(await work.put("c1", "a", { host: hosts[0]!, bytes: 50_000 }));
    await sim.sleep(500);
    hosts[2]!.crash();
    acknowledged(await work.delete("c1", "a", { host: hosts[0]! }));
    hosts[2]!.boot();
    await heal(sim);
    await runTask(sim, hosts[2]!, "balance", 3);
    for (const host of hosts) assertEquals(await valueAt(stage, host, "a"), undefined);
  });
});

Deno.test("promise 5 (deleted stays deleted) given every message of a put comes once more after the delete, then the key stays deleted", async () => {
  const late: (() => void)[] = [];
  const sim = new Simulation({
    tampering: {
      transport: (transport) => ({
        call: (address, message, options) => {
          const copy = message.slice();
          late.push(() => void transport.call(address, copy, { timeoutMs: 1_000 }).catch(() => {}));
          return transport.call(address, message, options);
        },
      }),
    },
  });
  const work = new Workload(sim);
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    late.length = 0;
    acknowledged(await work.put("c1", "a", { host: hosts[0]!, bytes: 80_000 }));
    const copies = late.splice(0);
    acknowledged(await work.delete("c1", "a", { host: hosts[1]! }));
    assert(copies.length > 4);
    copies.forEach((send) => send());
    await sim.sleep(2_000);
    for (const host of hosts) assertEquals(await valueAt({ sim, hosts, work }, host, "a"), undefined);
  });
});

Deno.test("promise 7 (nothing is removed unless told) given a node lost a key to a new one, then it drops its copy only on purge, and only once all owners hold it", async () => {
  await play(3, async (stage) => {
    const { sim, hosts, work } = stage;
    const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
    for (const key of keys) acknowledged(await work.put("c1", key, { host: hosts[0]! }));
    const added = sim.addHost();
    added.boot([hosts[0]!.address]);
    await sim.untilSettled(4);
    const key = keys.find((candidate) => !ownersOf(stage, candidate).includes(hosts[1]!))!;
    const loser = runningAt(hosts[1]!);
    await runTask(sim, hosts[0]!, "balance");
    const holds = async () => await loser.storage.read(partitionOf(key, 64), key) !== undefined;
    assert(await holds(), "balance dropped it");

    added.crash();
    await assertRejects(() => runTask(sim, hosts[1]!, "purge"), Error, "failed");
    assert(await holds(), "purge dropped it while an owner could not be asked");
    added.boot();
    await heal(sim);
    await runTask(sim, hosts[1]!, "purge");
    assert(!await holds(), "purge kept it");
  });
});

Deno.test("promise 8 (any node that reaches a quorum answers) given a node is cut off, then the others answer, and it says whom it asked and what was required", async () => {
  await play(3, async (stage) => {
    const { sim, hosts, work } = stage;
    acknowledged(await work.put("c1", "a", { host: hosts[0]! }));
    // One that has just started asks for the time before it stamps, and writes nothing where nobody tells.
    await sim.sleep(20_000);
    sim.network.cutWhere((from) => from === hosts[0]!.address);
    for (const host of hosts.slice(1)) acknowledged(await work.put("c1", "a", { host }));
    const put = () => {
      return nodeAt(hosts[0]!).put("a", bodyOf(makePayload("x", 1)), { contentType: "text/plain" });
    };
    const unknown = await assertRejects(put, DhtError);
    assertEquals(unknown.code, "write_outcome_unknown");
    assertEquals([unknown.facts["required"], unknown.facts["received"]], [2, 1]);
    assertEquals(unknown.facts["asked"], ownersOf(stage, "a").map(({ address }) => address));
    const unread = await assertRejects(() => nodeAt(hosts[0]!).get("a", { consistency: "quorum" }), DhtError);
    assertEquals(unread.code, "read_quorum_unreachable");
    assertEquals(unread.facts["answered"], ["n1:50140"]);
  });
});
