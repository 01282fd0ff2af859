/** What a change of layout costs while it is open: what nodes compare by themselves, and how they read. */
import { assert, assertEquals } from "@std/assert";
import { isChanging, ownsInBase, sameOwners } from "../../lib/core/layout.ts";
import { hasReported } from "../../lib/core/membership.ts";
import { partitionOf } from "../../lib/core/partition.ts";
import type { Host } from "./host.ts";
import { nodeAt, runningAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

const SLOW = 20_000;
const ROUND_MS = 2_000;
const KEYS = Array.from({ length: 12 }, (_, i) => `k${i}`);
const KEY_BYTES = 25_000;
/** Beside its value each record counts a few bytes for its key. */
const WITH_KEYS = 1.01;

async function fill(work: Workload, host: Host): Promise<void> {
  for (const key of KEYS) {
    // Clients of a simulation hang up at times.
    while ((await work.put("c1", key, { host, bytes: KEY_BYTES })).outcome.kind !== "acknowledged");
  }
}

async function bytesOf(host: Host, task: string): Promise<number> {
  const { background } = await nodeAt(host).status();
  return background.find(({ name }) => name === task)!.bytes;
}

/** Has a key lost at a host, and demands that it comes back without a read or a write. */
async function assertMended(sim: Simulation, host: Host, key: string): Promise<void> {
  const { storage } = runningAt(host);
  const place = { partition: partitionOf(key, 64), key };
  const head = async () => (await storage.heads([place]))[0];
  const before = await head();
  assert(before !== undefined, `${host.address} holds ${key}`);
  await storage.drop(place.partition, key, before.version);
  const endMs = sim.nowMs + 10 * ROUND_MS;
  while (await head() === undefined) {
    assert(sim.nowMs < endMs, `${key} is not back at ${host.address}`);
    await sim.sleep(100);
  }
}

Deno.test("join given it takes longer than many rounds of anti-entropy, then the newcomer is brought by its transfer alone, and once", async () => {
  const rates = { transfer: SLOW, repair: Infinity, scrub: Infinity };
  const sim = new Simulation({ rates, pauses: { antiEntropyMs: ROUND_MS } });
  const work = new Workload(sim);
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    await fill(work, hosts[0]!);
    await sim.sleep(3 * ROUND_MS);
    const before = await Promise.all(hosts.map((host) => bytesOf(host, "anti-entropy")));
    const fourth = sim.addHost();
    fourth.boot([hosts[0]!.address]);
    const beganMs = sim.nowMs;
    await sim.untilSettled(4);
    assert(sim.nowMs - beganMs > 4 * ROUND_MS, `${sim.nowMs - beganMs} ms`);
    const after = await Promise.all([...hosts, fourth].map((host) => bytesOf(host, "anti-entropy")));
    assertEquals(after, [...before, 0]);
    const { live, selfId } = runningAt(fourth).keeper;
    const gained = KEYS.filter((key) => live.newest.owners(partitionOf(key, 64)).includes(selfId)).length;
    assert(gained > 4, `${gained} keys`);
    const moved = await bytesOf(fourth, "transfer");
    assert(moved >= gained * KEY_BYTES && moved < WITH_KEYS * gained * KEY_BYTES, `${moved} bytes`);
  });
});

Deno.test("leave given the others fetch for longer than many rounds, then they compare meanwhile what they held before", async () => {
  const rates = { transfer: SLOW / 4, repair: Infinity, scrub: Infinity };
  const sim = new Simulation({ rates, pauses: { antiEntropyMs: ROUND_MS } });
  const work = new Workload(sim);
  await sim.run(async () => {
    const hosts = await sim.startRing(4);
    await fill(work, hosts[0]!);
    await sim.sleep(3 * ROUND_MS);
    await hosts[3]!.request((node) => node.leave());
    const { keeper } = runningAt(hosts[0]!);
    await sim.until("it has heard of it", () => isChanging(keeper.live));
    const { live, selfId } = keeper;
    const kept = KEYS.find((key) => {
      const owners = live.base.owners(partitionOf(key, 64));
      return owners.includes(selfId) && sameOwners(owners, live.newest.owners(partitionOf(key, 64)));
    });
    await assertMended(sim, hosts[0]!, kept!);
    assert(keeper.live === live && !hasReported(keeper.selfMember!, live), "it was mended too late");
  });
});

Deno.test("change of layout given a dead member keeps it open, then owners that stay, and newcomers that hold their share, are compared all the same", async () => {
  const sim = new Simulation({ pauses: { antiEntropyMs: ROUND_MS } });
  const work = new Workload(sim);
  await sim.run(async () => {
    const hosts = await sim.startRing(4);
    await fill(work, hosts[0]!);
    await sim.sleep(3 * ROUND_MS);
    hosts[3]!.crash();
    const fifth = sim.addHost();
    fifth.boot([hosts[0]!.address]);
    await sim.until("it holds its share", () => {
      if (fifth.running?.keeper.inRing !== true) return false;
      const { selfMember, live } = fifth.running.keeper;
      return selfMember !== undefined && hasReported(selfMember, live);
    });
    const { live, selfId } = runningAt(fifth).keeper;
    const ownersOf = (key: string) => live.newest.owners(partitionOf(key, 64));
    const staying = hosts.slice(0, 3).map((host) => ({ host, id: runningAt(host).keeper.selfId }));
    const isStaying = (id: string) => staying.some((one) => one.id === id);
    const kept = KEYS.find((key) => {
      const owners = ownersOf(key).filter(isStaying);
      return owners.length > 1 && owners.every((id) => ownsInBase(live, partitionOf(key, 64), id));
    });
    await assertMended(sim, staying.find(({ id }) => ownersOf(kept!).includes(id))!.host, kept!);
    const gained = KEYS.find((key) => ownersOf(key).includes(selfId) && ownersOf(key).some(isStaying));
    await assertMended(sim, fifth, gained!);
    assert(nodeAt(hosts[0]!).ring().changing);
  });
});

Deno.test("quorum reads given a newcomer that holds hardly anything yet, then owners that stay answer them, and nothing has to be brought there first", async () => {
  const rates = { transfer: SLOW / 20, repair: Infinity, scrub: Infinity };
  const sim = new Simulation({ rates });
  const work = new Workload(sim);
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    await fill(work, hosts[0]!);
    const fourth = sim.addHost();
    fourth.boot([hosts[0]!.address]);
    await sim.until(
      "all have heard of it",
      () => [...hosts, fourth].every((host) => host.ready && isChanging(runningAt(host).keeper.live)),
    );
    let repairs = 0;
    for (const host of [...hosts, fourth]) {
      for (const key of KEYS) {
        assert(await nodeAt(host).get(key, { consistency: "quorum" }) !== undefined, key);
      }
      repairs += nodeAt(host).metrics().find(({ name }) => name === "read_repairs_total")!.values[0]!.value;
    }
    // An owner that stays may be slow once, and then all are asked.
    assert(repairs < KEYS.length / 3, `${repairs} repairs`);
    assert(nodeAt(hosts[0]!).ring().changing);
  });
});
