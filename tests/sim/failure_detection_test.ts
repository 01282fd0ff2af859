/** Who notices that a node does not answer, what is said of it, and what that costs. */
import { assert, assertEquals } from "@std/assert";
import { decodeRequest } from "../../lib/wire.ts";
import type { Host, Tampering } from "./host.ts";
import { describe } from "./history.ts";
import { SeveredLinks } from "./severed_links.ts";
import { nodeAt, Simulation } from "./simulation.ts";
import { checkHistory } from "./swarm.ts";
import { Workload } from "./workload.ts";

function troubleOf(seenFrom: Host, other: Host): string | undefined {
  return nodeAt(seenFrom).ring().nodes.find(({ address }) => address === other.address)?.trouble;
}

/** Counts the messages from each node, by what is asked first. */
function counting(): { tampering: Tampering; sent: Map<string, number> } {
  const sent = new Map<string, number>();
  const transport: NonNullable<Tampering["transport"]> = (inner, host) => ({
    call(address, message, options) {
      const what = `${host.address} ${decodeRequest(message).calls[0]?.op}`;
      sent.set(what, (sent.get(what) ?? 0) + 1);
      return inner.call(address, message, options);
    },
  });
  return { tampering: { transport }, sent };
}

Deno.test("node given one it does not reach but others do, then it says that that one is unreachable from here", async () => {
  const links = new SeveredLinks();
  const sim = new Simulation({ tampering: links.tampering });
  await sim.run(async () => {
    const [a, b, c] = await sim.startRing(3) as [Host, Host, Host];
    links.sever(a, b);
    await sim.until("it says so", () => troubleOf(a, b) === "unreachable", 10_000);
    const { warnings } = await nodeAt(a).status();
    assert(
      warnings.some((text) => text.startsWith(`${b.address} cannot be reached from here`)),
      warnings.join(),
    );
    assertEquals(troubleOf(c, b), undefined);
    await sim.sleep(60_000);
    assertEquals(troubleOf(a, b), "unreachable");
    links.mend();
    await sim.until("it is reached", () => troubleOf(a, b) === undefined, 3_000);
  });
});

Deno.test("node given one that has died, then it suspects it, and some seconds later takes it for down", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const [a, b] = await sim.startRing(3) as [Host, Host, Host];
    b.crash();
    await sim.until("it is suspected", () => troubleOf(a, b) === "suspect", 10_000);
    await sim.until("it counts as down", () => troubleOf(a, b) === "down", 6_000);
    b.boot();
    await sim.until("it is back", () => troubleOf(a, b) === undefined, 5_000);
  });
});

Deno.test("ring under load given a node that hangs, then requests soon go around it, and none waits long", async () => {
  const sim = new Simulation({ secret: undefined });
  const work = new Workload(sim, { thinkMs: 20, clients: 6, large: 0 });
  await sim.run(async () => {
    const hosts = await sim.startRing(3) as [Host, Host, Host];
    work.start();
    await sim.sleep(2_000);
    const hungMs = sim.nowMs;
    hosts[2].pause();
    const notices = () => hosts.slice(0, 2).every((host) => troubleOf(host, hosts[2]) !== undefined);
    await sim.until("both others notice", notices, 4_000);
    const noticedMs = sim.nowMs;
    await sim.sleep(10_000);
    hosts[2].resume();
    await sim.until("it is back", () => troubleOf(hosts[0], hosts[2]) === undefined, 5_000);
    await work.stop();
    assertEquals(checkHistory(work), []);
    const late = work.history.operations.filter(({ coordinator, startMs, endMs }) =>
      coordinator !== hosts[2].address && startMs > noticedMs && startMs < hungMs + 10_000 &&
      endMs - startMs > 1_000
    );
    // Some clients hang up early; nobody answers those.
    assertEquals(late.map(describe).filter((text) => !/no answer within \d{1,3} ms/.test(text)), []);
  });
});

Deno.test("ring given a link that flaps, then what follows from a recovery becomes seldom, and is not forgotten", async () => {
  const links = new SeveredLinks();
  const compared: number[] = [];
  const sim: Simulation = new Simulation({
    pauses: { antiEntropyMs: 24 * 3_600_000 },
    tampering: {
      transport: (transport, host) => {
        const severed = links.tampering.transport!(transport, host);
        return {
          call(address, message, options) {
            const { op } = decodeRequest(message).calls[0]!;
            if (host === sim.hosts[0] && address === sim.hosts[1]!.address && op === "tree") {
              compared.push(Math.round(sim.nowMs / 1_000));
            }
            return severed.call(address, message, options);
          },
        };
      },
    },
  });
  await sim.run(async () => {
    const [a, b] = await sim.startRing(3) as [Host, Host, Host];
    await sim.sleep(5_000);
    compared.length = 0;
    for (let i = 0; i < 30; i++) {
      links.sever(a, b);
      await sim.until("it counts as down", () => troubleOf(a, b) !== undefined);
      links.mend();
      await sim.until("it is back", () => troubleOf(a, b) === undefined);
    }
    const flapping = compared.length;
    assert(flapping >= 3 && flapping <= 8, `compared at ${compared.join(", ")} s`);
    await sim.sleep(100_000);
    assert(compared.length > flapping, "the last recovery was forgotten");
  });
});

Deno.test("ring of fourteen given one is stopped for ten seconds and goes on, then it takes nobody for down, and each compares with it once", async () => {
  const { tampering, sent } = counting();
  const sim = new Simulation({ tampering, secret: undefined, pauses: { antiEntropyMs: 24 * 3_600_000 } });
  await sim.run(async () => {
    const hosts = await sim.startRing(14);
    const [stopped, ...others] = hosts as [Host, ...Host[]];
    await sim.sleep(5_000);
    stopped.pause();
    await sim.sleep(10_000);
    assert(others.every((host) => troubleOf(host, stopped) !== undefined));
    sent.clear();
    stopped.resume();
    for (let i = 0; i < 40; i++) {
      await sim.sleep(250);
      assertEquals(others.filter((host) => troubleOf(stopped, host) !== undefined), []);
    }
    assertEquals(others.filter((host) => troubleOf(host, stopped) !== undefined), []);
    assertEquals(hosts.map(({ address }) => sent.get(`${address} tree`) ?? 0), [0, ...others.map(() => 1)]);
  });
});

Deno.test("ring of twelve at rest, then each node speaks to three others a second", async () => {
  const { tampering, sent } = counting();
  const sim = new Simulation({ tampering, secret: undefined });
  await sim.run(async () => {
    const hosts = await sim.startRing(12);
    await sim.sleep(5_000);
    sent.clear();
    await sim.sleep(60_000);
    for (const { address } of hosts) {
      const talks = sent.get(`${address} exchange`) ?? 0;
      assert(talks >= 160 && talks <= 185, `${address}: ${talks} in a minute`);
      assertEquals(sent.get(`${address} merge`) ?? 0, 0);
    }
  });
});

Deno.test("ring of twelve given half of it dies at once, then a node tries five of the dead a second, and asks three about one", async () => {
  const { tampering, sent } = counting();
  const sim = new Simulation({ tampering, secret: undefined });
  await sim.run(async () => {
    const hosts = await sim.startRing(12);
    for (const host of hosts.slice(6)) host.crash();
    await sim.sleep(60_000);
    sent.clear();
    await sim.sleep(60_000);
    const { address } = hosts[0]!;
    const talks = sent.get(`${address} exchange`) ?? 0;
    const probes = sent.get(`${address} probe`) ?? 0;
    // Of those that it asked itself; and what it was asked to probe for others.
    assert(talks < 60 * (3 + 5) + 6 * 6 * 3, `${talks} talks in a minute`);
    assert(probes > 0 && probes <= 6 * 3 * 2, `${probes} probes in a minute`);
  });
});
