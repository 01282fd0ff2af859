/** Deletions that are forgotten, and all that might bring back what they deleted. */
import { assert, assertEquals } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { addressOf } from "../../lib/core/layout.ts";
import { partitionOf } from "../../lib/core/partition.ts";
import type { Call } from "../../lib/wire.ts";
import { decodeRequest } from "../../lib/wire.ts";
import { checkConvergence, heal, runTask } from "./convergence.ts";
import type { Host, Tampering } from "./host.ts";
import { checkRegister } from "./register_checker.ts";
import { runningAt, Simulation, type SimulationOptions } from "./simulation.ts";
import { Workload } from "./workload.ts";

const PARTITIONS = 64;
/** A key of the same partition as "a". */
const BESIDE_A = Array.from({ length: 10_000 }, (_, i) => `beside${i}`)
  .find((key) => partitionOf(key, PARTITIONS) === partitionOf("a", PARTITIONS))!;
const KEYS = ["a", "b", "c", "d", "e", "f", "g", "h", BESIDE_A];
/** Rounds of collecting, some of them. */
const SOME_ROUNDS_MS = 10_000;

/** A ring and its clients. */
interface Stage {
  readonly sim: Simulation;
  readonly hosts: readonly Host[];
  readonly work: Workload;
}

/** Plays a story on a ring of that many nodes; what its clients saw must keep the promises, then and after healing. */
async function play(
  nodes: number,
  story: (stage: Stage) => Promise<void>,
  options: SimulationOptions = {},
): Promise<void> {
  const sim = new Simulation({ partitions: PARTITIONS, ...options });
  const work = new Workload(sim, { keys: KEYS, thinkMs: 30 });
  await sim.run(async () => {
    await story({ sim, hosts: await sim.startRing(nodes), work });
    assertEquals(await checkConvergence(sim, work), []);
    for (const seen of work.history.byKey().values()) {
      assertEquals(checkRegister(seen, { readsStick: true }), []);
    }
    assertEquals(work.violations, []);
  });
}

/** What a node itself holds of a key. */
async function heldBy({ sim }: Stage, host: Host, key: string): Promise<string | undefined> {
  const { storage, keeper } = runningAt(host);
  assert(sim.hosts.includes(host));
  const [head] = await storage.heads([{ key, partition: partitionOf(key, keeper.state.partitions) }]);
  return head?.kind;
}

async function holdings(stage: Stage, key: string): Promise<(string | undefined)[]> {
  return await Promise.all(stage.sim.ready.map((host) => heldBy(stage, host, key)));
}

async function untilHeld(
  stage: Stage,
  key: string,
  expected: readonly (string | undefined)[],
  withinMs = 20_000,
): Promise<void> {
  const deadlineMs = stage.sim.nowMs + withinMs;
  while (stage.sim.nowMs < deadlineMs) {
    if ((await holdings(stage, key)).join() === expected.join()) return;
    await stage.sim.sleep(50);
  }
  assertEquals(await holdings(stage, key), expected);
}

async function put({ work }: Stage, key: string, options: { host?: Host; bytes?: number } = {}) {
  const { outcome, value } = await work.put("writer", key, options);
  assertEquals(outcome.kind, "acknowledged", JSON.stringify(outcome));
  return value;
}

async function remove({ work }: Stage, key: string, host?: Host): Promise<void> {
  const { outcome } = await work.delete("writer", key, host === undefined ? {} : { host });
  assertEquals(outcome.kind, "acknowledged", JSON.stringify(outcome));
}

async function read({ work }: Stage, key: string, host?: Host): Promise<string | undefined> {
  const found = await work.get("reader", key, host === undefined ? {} : { host });
  assert(found?.outcome.kind === "read", JSON.stringify(found?.outcome));
  return found.outcome.value;
}

async function assertGone(stage: Stage, key: string): Promise<void> {
  for (const host of stage.sim.ready) assertEquals(await read(stage, key, host), undefined);
  assertEquals(new Set(await holdings(stage, key)), new Set([undefined]));
}

function ownersOf({ sim }: Stage, key: string): Host[] {
  const { keeper } = runningAt(sim.ready[0]!);
  const owners = keeper.live.newest.owners(partitionOf(key, PARTITIONS)).map(addressOf);
  return owners.map((address) => sim.hosts.find((host) => host.address === address)!);
}

/** A key that this node owns. */
function keyOf(stage: Stage, host: Host): string {
  return KEYS.find((key) => ownersOf(stage, key).includes(host))!;
}

/** Holds up calls until they are let go. */
class Interception {
  readonly tampering: Tampering;
  readonly #waiting: (() => void)[] = [];
  /**
   * What to do with a call, if anything. It waits "before" it is sent, or "after" it was answered; or it fails, and
   * arrives "later".
   */
  stops: (host: Host, to: string, call: Call) => "before" | "after" | "later" | undefined = () => undefined;

  constructor() {
    this.tampering = {
      transport: (transport, host) => ({
        call: async (address, message, options) => {
          const when = decodeRequest(message).calls.map((call) => this.stops(host, address, call))[0];
          const kept = message.slice();
          if (when === "later") {
            void this.#wait().then(() => transport.call(address, kept, { timeoutMs: 1_000 })).catch(() => {});
            throw new DhtError("peer_unreachable", `Cannot reach ${address}: it takes too long`);
          }
          if (when === "before") {
            await this.#wait();
            return await transport.call(address, kept, { timeoutMs: 1_000 });
          }
          const answer = await transport.call(address, message, options);
          if (when === "after") await this.#wait();
          return answer;
        },
      }),
    };
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  letGo(): void {
    this.#waiting.splice(0).forEach((go) => go());
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function isFor(call: Call, key: string): boolean {
  return (call.ask as { readonly key?: string }).key === key;
}

Deno.test("deletion given all owners are up, then all forget it, and a later write of the key is a new one", async () => {
  await play(3, async (stage) => {
    await put(stage, "a", { bytes: 100_000 });
    await remove(stage, "a");
    await untilHeld(stage, "a", [undefined, undefined, undefined]);
    await assertGone(stage, "a");
    const value = await put(stage, "a");
    for (const host of stage.hosts) assertEquals(await read(stage, "a", host), value);
  });
});

Deno.test("deletion given an owner was away while it was made, then the others keep it until that one has it, too", async () => {
  await play(3, async (stage) => {
    const { sim, hosts } = stage;
    await put(stage, "a", { bytes: 50_000 });
    await sim.sleep(500);
    hosts[2]!.crash();
    await remove(stage, "a", hosts[0]);
    await sim.sleep(SOME_ROUNDS_MS);
    assertEquals(await holdings(stage, "a"), ["tombstone", "tombstone"]);
    hosts[2]!.boot();
    await heal(sim);
    await untilHeld(stage, "a", [undefined, undefined, undefined]);
    await assertGone(stage, "a");
  });
});

Deno.test("deletion given a change of layout is held up, then it is kept until that is done", async () => {
  await play(4, async (stage) => {
    const { sim, hosts } = stage;
    const key = keyOf(stage, hosts[3]!);
    hosts[3]!.crash();
    const joining = sim.addHost();
    joining.boot([hosts[0]!.address]);
    await sim.until("the new node is in the ring", () => joining.ready);
    await put(stage, key);
    await remove(stage, key);
    await sim.sleep(SOME_ROUNDS_MS);
    assert((await holdings(stage, key)).includes("tombstone"));
    hosts[3]!.boot();
  });
});

Deno.test("deletion given an owner crashes when it is told to forget it, then the next rounds make it do so, and the key stays deleted", async () => {
  const told: string[] = [];
  let victim: Host | undefined;
  const tampering: Tampering = {
    transport: (transport, host) => ({
      call: async (address, message, options) => {
        const [call] = decodeRequest(message).calls;
        if (call?.op === "collectTombstones" && host.address !== victim?.address) told.push(address);
        if (call?.op === "collectTombstones" && address === victim?.address) victim.crash();
        return await transport.call(address, message, options);
      },
    }),
  };
  await play(3, async (stage) => {
    const { sim } = stage;
    await put(stage, "a");
    await sim.sleep(500);
    const [, second, third] = ownersOf(stage, "a");
    victim = third!;
    await remove(stage, "a");
    await sim.until("one was to be told", () => !third!.ready);
    victim = undefined;
    await sim.sleep(500);
    assert(told.includes(second!.address));
    assertEquals(await heldBy(stage, second!, "a"), undefined);
    assertEquals(await read(stage, "a"), undefined);
    await sim.sleep(SOME_ROUNDS_MS);
    assertEquals(await read(stage, "a"), undefined);
    third!.boot();
    await sim.until("it is back", () => third!.ready);
    await untilHeld(stage, "a", [undefined, undefined, undefined]);
    await assertGone(stage, "a");
  }, { tampering });
});

Deno.test("leftover given the key was deleted and that forgotten since, when its node owns the key again, then it is set aside, and never read", async () => {
  const held = new Interception();
  await play(3, async (stage) => {
    const { sim, hosts, work } = stage;
    for (const key of KEYS) await put(stage, key, { bytes: key === "a" ? 60_000 : 40 });
    const added = sim.addHost();
    added.boot([hosts[0]!.address]);
    await sim.untilSettled(4);
    const leftovers: { readonly host: Host; readonly key: string }[] = [];
    for (const key of KEYS) {
      for (const host of hosts) if (!ownersOf(stage, key).includes(host)) leftovers.push({ host, key });
    }
    assert(leftovers.length > 2);
    for (const key of KEYS) await remove(stage, key);
    await sim.sleep(SOME_ROUNDS_MS);
    for (const { host, key } of leftovers) assertEquals(await heldBy(stage, host, key), "value");

    // Nobody gets on with the change for a while.
    held.stops = (_, __, call) => call.op === "digests" ? "before" : undefined;
    void added.request((node) => node.leave());
    await sim.until("the change has begun", () => held.waiting >= hosts.length);
    for (const host of hosts) {
      for (const key of KEYS) {
        assertEquals((await work.get("reader", key, { host }))?.outcome, { kind: "read" });
        assertEquals(await host.request((node) => node.get(key, { consistency: "one" })), undefined);
      }
      const listed = await host.request((node) => node.list({ prefix: "", limit: 100 }));
      assertEquals(listed.keys, []);
    }
    for (const { host, key } of leftovers) assertEquals(await heldBy(stage, host, key), "value");
    held.stops = () => undefined;
    held.letGo();
    await sim.untilSettled(3);
    for (const { host, key } of leftovers) assertEquals(await heldBy(stage, host, key), undefined);
  }, { tampering: held.tampering });
});

Deno.test("leftover given owners hold the deletion of an earlier value, when its node owns the key again, then it is set aside all the same", async () => {
  const held = new Interception();
  await play(3, async (stage) => {
    const { sim, hosts } = stage;
    const added = sim.addHost();
    for (const key of KEYS) await put(stage, key);
    added.boot([hosts[0]!.address]);
    await sim.untilSettled(4);
    const key = KEYS.find((one) => ownersOf(stage, one).includes(added))!;
    const leftover = hosts.find((host) => !ownersOf(stage, key).includes(host))!;
    const place = { key, partition: partitionOf(key, PARTITIONS) };
    const [value] = await runningAt(leftover).storage.heads([place]);
    await remove(stage, key);
    await sim.sleep(SOME_ROUNDS_MS);

    held.stops = (_, __, call) => call.op === "digests" ? "before" : undefined;
    void added.request((node) => node.leave());
    await sim.until("the change has begun", () => held.waiting >= hosts.length);
    // As one has it that was no owner when the value and its deletion came, and brings it to the others.
    const version = { ...value!.version, wallMs: value!.version.wallMs - 1 };
    const record = { kind: "tombstone", version, expired: false } as const;
    for (const host of ownersOf(stage, key)) {
      await runningAt(host).storage.write({ ...place, record, mode: "merge" });
    }
    assertEquals(await heldBy(stage, leftover, key), "value");
    held.stops = () => undefined;
    held.letGo();
    await sim.untilSettled(3);
    for (const host of hosts) assertEquals(await read(stage, key, host), undefined);
    await sim.sleep(SOME_ROUNDS_MS);
    await assertGone(stage, key);
  }, { tampering: held.tampering });
});

Deno.test("listing given one node answers before it hears of a deletion, and another when that is forgotten, then the key is not shown", async () => {
  const held = new Interception();
  await play(3, async (stage) => {
    const { sim, hosts } = stage;
    for (const key of ["a", "b"]) await put(stage, key);
    await sim.sleep(1_000);
    const [first, second] = hosts;
    const heal = sim.network.cutWhere((from, to) => from === first!.address || to === first!.address);
    await remove(stage, "a", second!);
    held.stops = (host, _, call) => host === first && call.op === "listKeys" ? "before" : undefined;
    const listing = first!.request((node) => node.list({ prefix: "", limit: 10 }));
    await sim.until("the other node is asked", () => held.waiting > 0);
    assertEquals(await heldBy(stage, first!, "a"), "value");
    heal();
    await untilHeld(stage, "a", [undefined, undefined, undefined]);
    held.stops = () => undefined;
    held.letGo();
    assertEquals((await listing).keys.map(({ key }) => key), ["b"]);
  }, { tampering: held.tampering });
});

Deno.test("leftover given the key was deleted and that forgotten since, when all balance and its node purges, then it is dropped and nobody has it", async () => {
  await play(3, async (stage) => {
    const { sim, hosts } = stage;
    for (const key of KEYS) await put(stage, key);
    const added = sim.addHost();
    added.boot([hosts[0]!.address]);
    await sim.untilSettled(4);
    const key = KEYS.find((one) => !ownersOf(stage, one).includes(hosts[1]!))!;
    await remove(stage, key);
    await sim.sleep(SOME_ROUNDS_MS);
    assertEquals(await heldBy(stage, hosts[1]!, key), "value");
    await runTask(sim, hosts[1]!, "balance");
    for (const owner of ownersOf(stage, key)) assertEquals(await heldBy(stage, owner, key), undefined);
    await runTask(sim, hosts[1]!, "purge");
    await assertGone(stage, key);
  });
});

for (
  const { bytes, op } of [
    { bytes: 40, op: "scanRecords" },
    { bytes: 40, op: "readRecords" },
    { bytes: 80_000, op: "readChunks" },
  ]
) {
  Deno.test(`value of ${bytes} bytes given an owner pulls it by ${op}, when the answer comes after the deletion was forgotten, then it stays deleted`, async () => {
    const held = new Interception();
    let deaf = true;
    const storage: Tampering["storage"] = (one, host) => {
      const write = one.write.bind(one);
      one.write = async (request) => {
        const isMissed = deaf && host.address === "n3:50142" && request.key === "a";
        if (isMissed) throw new DhtError("store_failed", "Cannot write: a story has it so");
        return await write(request);
      };
    };
    await play(3, async (stage) => {
      const { sim, hosts } = stage;
      // Of a partition of which it has less than half, an owner fetches all there is.
      if (op === "readRecords") await put(stage, BESIDE_A);
      await put(stage, "a", { host: hosts[0]!, bytes });
      await sim.sleep(1_000);
      held.stops = (host, _, call) => host === hosts[2] && call.op === op ? "after" : undefined;
      await runningAt(hosts[2]!).node.balance();
      await sim.until("the answer is on its way", () => held.waiting > 0);
      held.stops = () => undefined;
      deaf = false;
      await remove(stage, "a", hosts[1]);
      await untilHeld(stage, "a", [undefined, undefined, undefined]);
      held.letGo();
      await sim.sleep(2_000);
      await assertGone(stage, "a");
    }, { tampering: { ...held.tampering, storage }, pauses: { antiEntropyMs: 3_600_000 } });
  });
}

for (const bytes of [40, 80_000]) {
  Deno.test(`value of ${bytes} bytes given its deletion was forgotten, when every message of its put comes once more, then it stays deleted`, async () => {
    const late: (() => void)[] = [];
    const tampering: Tampering = {
      transport: (transport) => ({
        call: (address, message, options) => {
          const copy = message.slice();
          late.push(() => void transport.call(address, copy, { timeoutMs: 1_000 }).catch(() => {}));
          return transport.call(address, message, options);
        },
      }),
    };
    await play(3, async (stage) => {
      late.length = 0;
      await put(stage, "a", { host: stage.hosts[0]!, bytes });
      const copies = late.splice(0);
      assert(copies.length > 1);
      await remove(stage, "a");
      await untilHeld(stage, "a", [undefined, undefined, undefined]);
      copies.forEach((send) => send());
      await stage.sim.sleep(2_000);
      await assertGone(stage, "a");
    }, { tampering });
  });
}

for (const bytes of [40, 80_000]) {
  Deno.test(`value of ${bytes} bytes given an owner missed it, when the write and its repair come after the deletion was forgotten, then it stays deleted`, async () => {
    const held = new Interception();
    await play(3, async (stage) => {
      const { sim, hosts } = stage;
      const late = hosts[2]!;
      held.stops = (_, to, call) =>
        to === late.address && isFor(call, "a") && (call.op === "write" || call.op === "pullRecord")
          ? "later"
          : undefined;
      await put(stage, "a", { host: hosts[0]!, bytes });
      assert(held.waiting > 0);
      // A read that needs the owner has it repaired.
      hosts[1]!.crash();
      const ask = hosts[0]!.request((node) => node.get("a", { consistency: "quorum" }));
      await ask.catch(() => {});
      assert(held.waiting > 1);
      held.stops = () => undefined;
      hosts[1]!.boot();
      await sim.until("all are up", () => sim.ready.length === 3);
      await remove(stage, "a", hosts[1]);
      await untilHeld(stage, "a", [undefined, undefined, undefined]);
      held.letGo();
      await sim.sleep(2_000);
      await assertGone(stage, "a");
    }, { tampering: held.tampering, pauses: { antiEntropyMs: 3_600_000 } });
  });

  Deno.test(`value of ${bytes} bytes given an owner missed it and a later deletion of the partition was forgotten, when it is read, then that owner is repaired before the answer`, async () => {
    let deaf = true;
    const storage: Tampering["storage"] = (one, host) => {
      const write = one.write.bind(one);
      one.write = async (request) => {
        const isMissed = deaf && host.address === "n3:50142" && request.key === "a";
        if (isMissed) throw new DhtError("store_failed", "Cannot write: a story has it so");
        return await write(request);
      };
    };
    await play(3, async (stage) => {
      const { sim, hosts } = stage;
      const value = await put(stage, "a", { host: hosts[0]!, bytes });
      await put(stage, "b");
      await remove(stage, "b");
      await untilHeld(stage, "b", [undefined, undefined, undefined]);
      deaf = false;
      assertEquals(await holdings(stage, "a"), ["value", "value", undefined]);
      hosts[1]!.crash();
      assertEquals(await read(stage, "a", hosts[2]), value);
      assertEquals(await heldBy(stage, hosts[2]!, "a"), "value");
      hosts[1]!.boot();
      await sim.until("it is back", () => hosts[1]!.ready);
    }, { tampering: { storage }, partitions: 1, pauses: { antiEntropyMs: 3_600_000 } });
  });
}

Deno.test("write given its coordinator's clock is behind a deletion that was forgotten, then it is stamped above it and read", async () => {
  await play(3, async (stage) => {
    const { hosts } = stage;
    hosts[0]!.wall.offsetMs = 1_800_000;
    await put(stage, "a", { host: hosts[0]! });
    await remove(stage, "a", hosts[0]);
    await untilHeld(stage, "a", [undefined, undefined, undefined]);
    const value = await put(stage, "a", { host: hosts[1]! });
    for (const host of hosts) assertEquals(await read(stage, "a", host), value);
  });
});

Deno.test("deletion given its node was removed for good with a copy of the value, then it is forgotten, and the node comes back with nothing", async () => {
  await play(4, async (stage) => {
    const { sim, hosts } = stage;
    const lost = hosts[3]!;
    const key = keyOf(stage, lost);
    await put(stage, key);
    await sim.sleep(500);
    lost.crash();
    lost.gone = true;
    await remove(stage, key, hosts[0]);
    await sim.sleep(4_000);
    await hosts[0]!.request((node) => node.remove(lost.address, { force: false }));
    await sim.untilSettled(3);
    await untilHeld(stage, key, [undefined, undefined, undefined]);
    lost.boot([hosts[0]!.address]);
    await sim.untilSettled(4);
    await assertGone(stage, key);
  });
});
