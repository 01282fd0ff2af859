/** Damaged records that are mended while the layout changes. */
import { assert, assertEquals } from "@std/assert";
import { addressOf } from "../../lib/core/layout.ts";
import { partitionOf } from "../../lib/core/partition.ts";
import { decodeRequest } from "../../lib/wire.ts";
import type { Host, Tampering } from "./host.ts";
import { runningAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

const PARTITIONS = 64;
const KEYS = ["a", "b", "c", "d", "e", "f", "g", "h"];

Deno.test("damaged deletion given the others have forgotten it, when a node that is about to own the key has a leftover of it, then that does not come back", async () => {
  let isHeldUp = (_host: Host, _op: string): boolean => false;
  const tampering: Tampering = {
    transport: (transport, host) => ({
      call: async (address, message, options) => {
        const ops = decodeRequest(message).calls.map(({ op }) => op);
        if (ops.some((op) => isHeldUp(host, op))) {
          await sim.until("it goes on", () => !ops.some((op) => isHeldUp(host, op)));
        }
        return await transport.call(address, message, options);
      },
    }),
  };
  const sim: Simulation = new Simulation({
    partitions: PARTITIONS,
    tampering,
    pauses: { tombstoneMs: 3_600_000, antiEntropyMs: 3_600_000 },
  });
  const work = new Workload(sim, { keys: KEYS });
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    for (const key of KEYS) await work.put("c", key);
    const added = sim.addHost();
    added.boot([hosts[0]!.address]);
    await sim.untilSettled(4);
    const ownersOf = (key: string): Host[] => {
      const { keeper } = runningAt(added);
      const owners = keeper.live.base.owners(partitionOf(key, PARTITIONS)).map(addressOf);
      return owners.map((address) => sim.hosts.find((host) => host.address === address)!);
    };
    // The added node owns it, one of the first three does no more.
    const key = KEYS.find((one) => ownersOf(one).includes(added))!;
    const place = { partition: partitionOf(key, PARTITIONS), key };
    const leftover = hosts.find((host) => !ownersOf(key).includes(host))!;
    await work.delete("c", key);
    await sim.sleep(1_000);
    // All have confirmed the deletion, and all but one have forgotten it, when that one's disk fails.
    const failing = ownersOf(key).find((host) => host !== added)!;
    const [head] = await runningAt(failing).storage.heads([place]);
    const deletion = { key, version: head!.version, expired: false };
    for (const host of ownersOf(key)) {
      assertEquals(await runningAt(host).storage.tombstones.confirm(place.partition, [deletion]), [true]);
    }
    for (const host of ownersOf(key)) {
      if (host !== failing) await runningAt(host).storage.tombstones.collect(place.partition, [deletion]);
    }
    await runningAt(failing).storage.flush();
    failing.crash();
    failing.disk.corrupt(["record", place.partition, key], () => Uint8Array.of(0xc1));
    isHeldUp = (host, op) => host === leftover && op === "digests";
    void added.request((node) => node.leave());
    await sim.until("the change has begun", () => runningAt(leftover).keeper.live.newest.ids.length === 3);
    failing.boot();
    await sim.until("it is back", () => failing.ready);
    assertEquals((await runningAt(leftover).storage.heads([place]))[0]?.kind, "value");
    await runningAt(failing).storage.digests();
    await sim.until("it is mended", () => runningAt(failing).storage.damagedRecords().length === 0);
    for (const host of sim.ready) {
      assertEquals((await work.get("c", key, { host }))?.outcome, { kind: "read" }, host.address);
    }
    isHeldUp = () => false;
    await sim.untilSettled(3);
    for (const host of sim.ready) {
      assertEquals((await work.get("c", key, { host }))?.outcome, { kind: "read" });
      assert((await runningAt(host).storage.heads([place]))[0]?.kind !== "value", host.address);
    }
  });
});

Deno.test("damaged record given another owner is gone for good and was removed, then what the last one holds takes its place, and the ring goes on", async () => {
  const sim = new Simulation({ pauses: { antiEntropyMs: 3_600_000, scrubMs: 3_600_000 } });
  const work = new Workload(sim, { keys: ["a"] });
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    const { value } = await work.put("c", "a");
    await sim.sleep(1_000);
    const [first, second, third] = hosts;
    const place = { partition: partitionOf("a", PARTITIONS), key: "a" };
    await runningAt(first!).storage.flush();
    first!.crash();
    first!.disk.corrupt(["record", place.partition, "a"], () => Uint8Array.of(0xc1));
    third!.crash();
    third!.gone = true;
    first!.boot();
    await sim.until("it is back", () => first!.ready);
    await sim.sleep(10_000);
    assertEquals(runningAt(first!).storage.damagedRecords(), [place]);
    await second!.request((node) => node.remove(third!.address, { force: false }));
    await sim.untilSettled(2);
    for (const host of [first!, second!]) {
      const read = await work.get("c", "a", { host });
      assertEquals(read?.outcome.kind === "read" && read.outcome.value, value);
    }
  });
});
