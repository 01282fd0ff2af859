/** An adversary on the network, who does not have the ring's secret. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SessionGuard } from "../../lib/node/session_guard.ts";
import type { Transport } from "../../lib/ports/transport.ts";
import { decodeFrame, encodeFrame, frameHead } from "../../lib/wire/frames.ts";
import { encodeRequest } from "../../lib/wire.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import { checkConvergence } from "./convergence.ts";
import type { Host, Tampering } from "./host.ts";
import { MessageWitness } from "./message_witness.ts";
import { nodeAt, Simulation } from "./simulation.ts";
import { checkHistory } from "./swarm.ts";
import { Workload } from "./workload.ts";

interface Stage {
  readonly sim: Simulation;
  readonly hosts: readonly Host[];
  readonly work: Workload;
  readonly witness: MessageWitness;
  /** Sends bytes to a node as a stranger does, and waits for what comes back. */
  send(to: Host, bytes: Uint8Array): Promise<Uint8Array>;
}

/** A ring of three under load, on a network that does `network` to its frames. */
async function play(
  network: NonNullable<Tampering["network"]>,
  story: (stage: Stage) => Promise<void>,
): Promise<void> {
  const witness = new MessageWitness();
  const sim = new Simulation({ tampering: { ...witness.tampering, network } });
  const work = new Workload(sim, { thinkMs: 20 });
  await sim.run(async () => {
    const hosts = await sim.startRing(3);
    const stranger = {
      address: "stranger:1",
      alive: true,
      onDeath: new Set<() => void>(),
      receive: undefined,
    };
    const life = { perform: (work: () => void) => work(), reach: () => {} };
    const carrier = sim.network.transportOf({ ...stranger, ...life });
    const send = (to: Host, bytes: Uint8Array) => carrier.call(to.address, bytes, { timeoutMs: 2_000 });
    work.start();
    await story({ sim, hosts, work, witness, send });
    await work.stop();
    assertEquals(checkHistory(work), []);
    assertEquals(await checkConvergence(sim, work), []);
    assertEquals(witness.violations, []);
  });
}

/** Everything that was on the network, in order. */
function recording(): {
  readonly frames: { to: string; bytes: Uint8Array }[];
  network: NonNullable<Tampering["network"]>;
} {
  const frames: { to: string; bytes: Uint8Array }[] = [];
  const network = (transport: Transport): Transport => ({
    call(address, message, options) {
      frames.push({ to: address, bytes: message.slice() });
      return transport.call(address, message, options);
    },
  });
  return { frames, network };
}

Deno.test("adversary given every frame it recorded, when it sends each again to all nodes, also after a restart, then none has an effect", async () => {
  const { frames, network } = recording();
  await play(network, async ({ sim, hosts, send }) => {
    await sim.sleep(2_000);
    const recorded = frames.slice();
    assert(recorded.length > 300, `${recorded.length} frames`);
    const replay = () =>
      Promise.all(recorded.flatMap(({ bytes }) => hosts.map((to) => send(to, bytes).catch(() => {}))));
    await replay();
    hosts[1]!.crash();
    hosts[1]!.boot();
    await sim.until("it is back", () => hosts[1]!.ready);
    await replay();
  });
});

Deno.test("adversary given frames on their way, when it exchanges their bodies, then no node acts on one, and the ring works on", async () => {
  let random: SeededRandom | undefined;
  let exchanged = 0;
  const last = new Map<string, Uint8Array>();
  const network = (transport: Transport): Transport => ({
    call(address, message, options) {
      const frame = decodeFrame(message);
      if (frame?.kind !== "message") return transport.call(address, message, options);
      const other = last.get(address);
      last.set(address, frame.body);
      if (other === undefined || random?.chance(0.03) !== true) {
        return transport.call(address, message, options);
      }
      exchanged++;
      return transport.call(address, encodeFrame(frame.head, frame.mac, other), options);
    },
  });
  await play(network, async ({ sim }) => {
    random = sim.random.fork("adversary");
    await sim.sleep(10_000);
    random = undefined;
    assert(exchanged > 20, `${exchanged} exchanged`);
  });
});

Deno.test("adversary given replies on their way, when it exchanges them for others of the session, then no call takes one", async () => {
  let random: SeededRandom | undefined;
  let exchanged = 0;
  const last = new Map<string, Uint8Array>();
  const network = (transport: Transport, host: Host): Transport => ({
    async call(address, message, options) {
      const reply = await transport.call(address, message, options);
      const way = `${host.address} ${address}`;
      const other = last.get(way);
      last.set(way, reply);
      if (other === undefined || random?.chance(0.03) !== true) return reply;
      exchanged++;
      // As it was, or in the place of this one.
      const frame = decodeFrame(reply)!;
      return random.chance(0.5) ? other : encodeFrame(frame.head, frame.mac, decodeFrame(other)!.body);
    },
  });
  await play(network, async ({ sim }) => {
    random = sim.random.fork("adversary");
    await sim.sleep(10_000);
    random = undefined;
    assert(exchanged > 20, `${exchanged} exchanged`);
  });
});

Deno.test("network given it delivers many frames twice, then nodes act once on each", async () => {
  await play((transport) => transport, async ({ sim, witness }) => {
    sim.network.weather.duplicate = 0.3;
    await sim.sleep(5_000);
    assert(sim.network.counts.twice > 100 && witness.acted > 300);
  });
});

Deno.test("network given it delivers frames twice to nodes that do not remember their counters, then that shows", async () => {
  const isNew = SessionGuard.prototype.isNew;
  SessionGuard.prototype.isNew = () => true;
  try {
    await assertRejects(
      () =>
        play((transport) => transport, async ({ sim }) => {
          sim.network.weather.duplicate = 0.3;
          await sim.sleep(2_000);
        }),
      Error,
      "not sent to it, or again",
    );
  } finally {
    SessionGuard.prototype.isNew = isNew;
  }
});

Deno.test("stranger given no secret, when it speaks to the ring's nodes, then none answers", async () => {
  const plain = encodeRequest({
    ringId: undefined,
    from: { address: "stranger:1", storeId: "s" },
    toStoreId: undefined,
    live: undefined,
    calls: [{ op: "join", ask: { address: "stranger:1", storeId: "s", incarnation: 1 } }],
  });
  await play((transport) => transport, async ({ hosts, send }) => {
    const forged = [
      plain,
      encodeFrame(frameHead("message", 1n, 1), new Uint8Array(16), plain),
      encodeFrame(frameHead("hello", 0n, 0), new Uint8Array(16), new Uint8Array(40)),
      new Uint8Array(),
    ];
    for (const host of hosts) {
      for (const bytes of forged) {
        const kind = await send(host, bytes).then((reply) => decodeFrame(reply)?.kind, () => undefined);
        assert(kind === undefined || kind === "gone", `answered with ${kind}`);
      }
    }
  });
});

for (
  const [name, secret] of [["no secret", undefined], [
    "the secret of another ring",
    "the secret of another ring",
  ]] as const
) {
  Deno.test(`node given ${name}, when it tries to join, then it stays outside`, async () => {
    await play((transport) => transport, async ({ sim, hosts }) => {
      const other = sim.addHost();
      other.secret = secret;
      other.boot([hosts[0]!.address]);
      await sim.sleep(20_000);
      assert(!other.ready && sim.isSettled(3));
      // Checked above: it is none of the ring.
      other.crash();
      other.gone = true;
    });
  });
}

Deno.test("node of another ring given it lists this ring's addresses, then the two never mix", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const ours = await sim.startRing(2);
    const theirs = [sim.addHost(), sim.addHost()];
    theirs.forEach((host) => host.secret = "the secret of another ring");
    theirs[0]!.boot();
    await sim.until("the other ring is founded", () => theirs[0]!.ready);
    theirs[1]!.boot([theirs[0]!.address]);
    await sim.until("it has two nodes", () => theirs[1]!.ready);
    ours[0]!.crash();
    ours[0]!.secret = "the secret of another ring";
    ours[0]!.boot([theirs[0]!.address]);
    await sim.sleep(20_000);
    const rings = [...ours, ...theirs].map((host) => host.running?.keeper.state.ringId);
    assertEquals(rings[0] === undefined || rings[0] === rings[1], true);
    assertEquals(rings[2], rings[3]);
    assert(rings[1] !== rings[2]);
    for (const host of theirs) assertEquals(host.running!.node.ring().nodes.length, 2);
  });
});

Deno.test("node given it is started again with another secret, then both sides say so, until that is put right", async () => {
  const sim = new Simulation();
  await sim.run(async () => {
    const [a, b, c] = await sim.startRing(3) as [Host, Host, Host];
    const { secret } = c;
    const says = async (host: Host, others: string) =>
      (await nodeAt(host).status()).warnings.some((text) => text.startsWith(`${others} another secret`));
    c.crash();
    c.secret = "the secret of another ring";
    c.boot();
    await sim.sleep(20_000);
    assert(await says(a, `${c.address} has`));
    assert(await says(c, `${a.address} and ${b.address} have`));
    c.crash();
    c.secret = secret;
    c.boot();
    await sim.sleep(20_000);
    assert(!await says(a, `${c.address} has`));
  });
});
