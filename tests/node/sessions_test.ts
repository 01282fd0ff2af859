import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { createHmac } from "node:crypto";
import { DhtError } from "../../lib/core/errors.ts";
import { type Gate, plainOnly, SessionGuard } from "../../lib/node/session_guard.ts";
import { Mac } from "../../lib/node/session_keys.ts";
import { Sessions } from "../../lib/node/sessions.ts";
import type { Transport } from "../../lib/ports/transport.ts";
import { decodeFrame, encodeFrame, FRAME_HEAD_BYTES, frameHead } from "../../lib/wire/frames.ts";
import { transportContract } from "../contracts/transport_contract.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const SECRET = "the secret of this ring";
const AMPLE = { timeoutMs: 10_000 };
const PING = Uint8Array.of(1, 2, 3);

/** A clock that moves only by hand; whoever sleeps wakes at once where `wakes`, else never. */
function clockAt(wakes = false) {
  const clock = {
    ms: 1_000,
    nowMs: () => {
      throw new Error("sessions use no wall clock");
    },
    monotonicMs: () => clock.ms,
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        if (wakes) resolve();
        signal?.addEventListener("abort", () => reject(signal.reason));
      }),
  };
  return clock;
}

/** A network of guards in one process, on which everything is seen and may be changed. */
function setUp() {
  const clock = clockAt();
  const random = new SeededRandom("sessions");
  const nodes = new Map<string, (frame: Uint8Array) => Promise<Uint8Array>>();
  const frames: { address: string; frame: Uint8Array; reply?: Uint8Array }[] = [];
  const acted: string[] = [];
  const wire: {
    change?: (frame: Uint8Array, send: (frame: Uint8Array) => Promise<Uint8Array>) => Promise<Uint8Array>;
  } = {};
  const network: Transport = {
    async call(address, message) {
      const seen: { address: string; frame: Uint8Array; reply?: Uint8Array } = { address, frame: message };
      frames.push(seen);
      const send = async (frame: Uint8Array) => await nodes.get(address)!(frame);
      return seen.reply = await (wire.change?.(message, send) ?? send(message));
    },
  };
  const start = (self: string, secret = SECRET) => {
    const guard = new SessionGuard({
      secret,
      self,
      clock,
      random,
      receive: (message) => {
        acted.push(`${self} ${message.join()}`);
        return Promise.resolve(message.toReversed());
      },
    });
    nodes.set(self, (frame) => guard.receive(frame));
    return guard;
  };
  const caller = (self = "a:1", { secret = SECRET, mustBe = (_: string): boolean => true } = {}) =>
    new Sessions({ transport: network, secret, self, clock, random, mustBe });
  return { clock, nodes, frames, acted, wire, start, caller, network };
}

async function refused(work: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(work, DhtError)).code;
}

/** Delivers a frame as a route does: cut to what the gate wants of it. */
async function deliver(gate: Gate, frame: Uint8Array): Promise<Uint8Array> {
  return await gate.receive(frame.slice(0, gate.bytesToKeep(frame.subarray(0, FRAME_HEAD_BYTES))));
}

for (const bytes of [0, 1, 63, 64, 65, 200]) {
  Deno.test(`Mac given a key of ${bytes} bytes, then it is HMAC-SHA256`, () => {
    const key = new Uint8Array(bytes).fill(7);
    const expected = createHmac("sha256", key).update("one").update("two").digest();
    const encoder = new TextEncoder();
    const mac = new Mac(key);
    for (let i = 0; i < 2; i++) {
      assertEquals([...mac.of(encoder.encode("one"), encoder.encode("two"))], [...expected]);
    }
  });
}

transportContract("Sessions over a network in memory", () => {
  const nodes = new Map<string, (frame: Uint8Array) => Promise<Uint8Array>>();
  const clock = { ...clockAt(true), monotonicMs: () => 0 };
  const random = new SeededRandom("contract");
  const fail = (address: string, why: string) =>
    new DhtError("peer_unreachable", `Cannot reach ${address}: ${why}`);
  const transport: Transport = {
    async call(address, message, { timeoutMs, signal }) {
      const receive = nodes.get(address);
      if (receive === undefined) throw fail(address, "nobody there");
      if (signal?.aborted) throw fail(address, "the caller gave up");
      const { promise, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(() => reject(fail(address, `timed out after ${timeoutMs} ms`)), timeoutMs);
      signal?.addEventListener("abort", () => reject(fail(address, "the caller gave up")));
      try {
        return await Promise.race([promise, receive(message)]);
      } catch (error) {
        throw error instanceof DhtError ? error : fail(address, "failed");
      } finally {
        clearTimeout(timer);
      }
    },
  };
  const sleep = (_ms: number, signal?: AbortSignal) =>
    new Promise<void>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  const ports = { clock: { ...clock, sleep }, random, secret: SECRET };
  return {
    transport: new Sessions({ ...ports, transport, self: "a:1", mustBe: () => true }),
    nobody: "nobody:1",
    serve(handler) {
      const self = `b:${nodes.size + 1}`;
      const receive = async (message: Uint8Array) => await handler(message);
      const guard = new SessionGuard({ ...ports, self, receive });
      nodes.set(self, (frame) => guard.receive(frame));
      return self;
    },
    free: () => Promise.resolve(),
  };
});

Deno.test("Sessions given calls to a peer, then one handshake, and neither the secret nor a clock travels", async () => {
  const { start, caller, frames, acted } = setUp();
  start("b:1");
  const sessions = caller();
  const replies = await Promise.all([1, 2, 3].map((i) => sessions.call("b:1", Uint8Array.of(i, 9), AMPLE)));
  assertEquals(replies.map((reply) => [...reply]), [[9, 1], [9, 2], [9, 3]]);
  assertEquals(acted.length, 3);
  assertEquals(frames.length, 4);
  const text = frames.map(({ frame }) => new TextDecoder("latin1").decode(frame)).join();
  assert(!text.includes(SECRET));
});

Deno.test("SessionGuard given a frame once more, then refuses it, and the node does not see it", async () => {
  const { start, caller, frames, acted, nodes } = setUp();
  start("b:1");
  await caller().call("b:1", PING, AMPLE);
  assertEquals(await refused(() => nodes.get("b:1")!(frames.at(-1)!.frame)), "bad_message");
  assertEquals(acted.length, 1);
});

Deno.test("SessionGuard given frames that overtook one another, then answers each", async () => {
  const { start, caller, acted, wire } = setUp();
  start("b:1");
  const sessions = caller();
  await sessions.call("b:1", PING, AMPLE);
  const held: (() => void)[] = [];
  wire.change = async (frame, send) => {
    await new Promise<void>((resolve) => held.push(resolve));
    return await send(frame);
  };
  const calls = [1, 2, 3].map((i) => sessions.call("b:1", Uint8Array.of(i), AMPLE));
  await Promise.resolve();
  while (held.length < 3) await Promise.resolve();
  held.toReversed().forEach((go) => go());
  await Promise.all(calls);
  assertEquals(acted.slice(1), ["b:1 3", "b:1 2", "b:1 1"]);
});

const elsewhere: [string, (world: ReturnType<typeof setUp>) => string][] = [
  ["to the same node after its restart", ({ start }) => {
    start("b:1");
    return "b:1";
  }],
  ["to another node", ({ start }) => {
    start("c:1");
    return "c:1";
  }],
  ["back to its sender", ({ start }) => {
    start("a:1");
    return "a:1";
  }],
];
for (const [where, arrange] of elsewhere) {
  Deno.test(`SessionGuard given a recorded frame ${where}, then the node does not see it`, async () => {
    const world = setUp();
    world.start("b:1");
    await world.caller().call("b:1", PING, AMPLE);
    const target = arrange(world);
    for (const { frame } of world.frames) await world.nodes.get(target)!(frame).catch(() => {});
    assertEquals(world.acted.length, 1);
  });
}

Deno.test("SessionGuard given frames whose parts were exchanged or changed, then refuses each", async () => {
  const { start, caller, frames, acted, nodes } = setUp();
  start("b:1");
  const sessions = caller();
  await sessions.call("b:1", Uint8Array.of(1, 1, 1), AMPLE);
  await sessions.call("b:1", Uint8Array.of(2, 2, 2), AMPLE);
  const [first, second] = frames.slice(-2).map(({ frame }) => frame) as [Uint8Array, Uint8Array];
  const mixed = [
    new Uint8Array([...first.subarray(0, 34), ...second.subarray(34)]),
    new Uint8Array([...first.subarray(0, 18), ...second.subarray(18)]),
    new Uint8Array([...first, 0]),
    first.subarray(0, first.length - 1),
    ...Array.from({ length: first.length }, (_, i) => first.with(i, first[i]! ^ 1)),
  ];
  for (const frame of mixed) await nodes.get("b:1")!(frame).then(() => {}, () => {});
  assertEquals(acted.length, 2);
});

Deno.test("Sessions given the reply to another call of the session, then does not take it", async () => {
  const { start, caller, frames, wire } = setUp();
  start("b:1");
  const sessions = caller();
  await sessions.call("b:1", PING, AMPLE);
  const { reply } = frames.at(-1)!;
  wire.change = async (frame, send) => {
    await send(frame);
    return reply!;
  };
  assertEquals(await refused(() => sessions.call("b:1", Uint8Array.of(4), AMPLE)), "peer_unreachable");
});

Deno.test("Sessions given a reply that was changed anywhere, then does not take it", async () => {
  const { start, caller, wire } = setUp();
  start("b:1");
  const sessions = caller();
  for (let i = 0; i < 37; i++) {
    wire.change = (frame, send) => send(frame);
    await sessions.call("b:1", PING, AMPLE);
    wire.change = async (frame, send) => {
      const reply = await send(frame);
      return reply.with(i, reply[i]! ^ 1);
    };
    assertEquals(await refused(() => sessions.call("b:1", PING, AMPLE)), "peer_unreachable");
  }
});

Deno.test("Sessions given a reply that is not genuine, then greets anew at the next call", async () => {
  const { start, caller, wire, frames } = setUp();
  start("b:1");
  const sessions = caller();
  await sessions.call("b:1", PING, AMPLE);
  wire.change = (frame) => Promise.resolve(frame);
  await refused(() => sessions.call("b:1", PING, AMPLE));
  wire.change = (frame, send) => send(frame);
  const before = frames.length;
  assertEquals([...await sessions.call("b:1", PING, AMPLE)], [3, 2, 1]);
  assertEquals(frames.slice(before).map(({ frame }) => decodeFrame(frame)?.kind), ["hello", "message"]);
});

Deno.test("Sessions given its own frame as the reply, then does not take it", async () => {
  const { start, caller, wire } = setUp();
  start("b:1");
  const sessions = caller();
  await sessions.call("b:1", PING, AMPLE);
  wire.change = (frame) => Promise.resolve(frame);
  assertEquals(await refused(() => sessions.call("b:1", PING, AMPLE)), "peer_unreachable");
});

Deno.test("Sessions given the peer was restarted, then opens a new one and makes the call once more", async () => {
  const { start, caller, acted, frames } = setUp();
  start("b:1");
  const sessions = caller();
  await sessions.call("b:1", PING, AMPLE);
  start("b:1");
  assertEquals([...await sessions.call("b:1", PING, AMPLE)], [3, 2, 1]);
  assertEquals([acted.length, frames.length], [2, 5]);
});

Deno.test("Sessions given a peer that forgets at once, then gives up after the second try", async () => {
  const { start, caller, frames, wire, acted } = setUp();
  start("b:1");
  wire.change = (frame, send) => {
    if (decodeFrame(frame)?.kind === "message") start("b:1");
    return send(frame);
  };
  assertEquals(await refused(() => caller().call("b:1", PING, AMPLE)), "peer_unreachable");
  assertEquals([frames.length, acted.length], [4, 0]);
});

Deno.test("Sessions given a frame came twice and the refusal of the second is the answer, then does not repeat the call, and keeps its session", async () => {
  const { start, caller, acted, frames, wire } = setUp();
  start("b:1");
  const sessions = caller();
  await sessions.call("b:1", PING, AMPLE);
  wire.change = async (frame, send) => {
    await send(frame);
    // As the transport tells of a refusal.
    return await send(frame).catch((error) => {
      throw new DhtError("peer_unreachable", "Cannot reach b:1: answered 400", {}, { cause: error });
    });
  };
  for (let i = 0; i < 3; i++) {
    assertEquals(await refused(() => sessions.call("b:1", PING, AMPLE)), "peer_unreachable");
  }
  delete wire.change;
  await sessions.call("b:1", PING, AMPLE);
  assertEquals([acted.length, frames.length], [5, 6]);
});

Deno.test("Sessions given a refusal that another node made, then does not repeat the call", async () => {
  const { start, caller, wire, nodes, acted } = setUp();
  start("b:1");
  start("c:1");
  const sessions = caller();
  await sessions.call("b:1", PING, AMPLE);
  wire.change = async (frame, send) => {
    await send(frame);
    return await nodes.get("c:1")!(frame);
  };
  assertEquals(await refused(() => sessions.call("b:1", PING, AMPLE)), "peer_unreachable");
  assertEquals(acted.length, 2);
});

Deno.test("Sessions given a refusal of an earlier call, then does not repeat the call", async () => {
  const { start, caller, frames, wire, nodes, acted } = setUp();
  start("b:1");
  const sessions = caller();
  await sessions.call("b:1", PING, AMPLE);
  start("b:1");
  await sessions.call("b:1", PING, AMPLE);
  const refusal = frames.at(-3)!.reply!;
  wire.change = async (frame, send) => {
    await send(frame);
    return refusal;
  };
  assertEquals(await refused(() => sessions.call("b:1", PING, AMPLE)), "peer_unreachable");
  assertEquals([acted.length, nodes.size], [3, 1]);
});

Deno.test("SessionGuard given another secret, or none, then says so and the node does not see it", async () => {
  const { start, caller, acted, nodes } = setUp();
  start("b:1");
  assertEquals(
    await refused(() => caller("a:1", { secret: "of another ring" }).call("b:1", PING, AMPLE)),
    "unauthorized",
  );
  assertEquals(await refused(() => nodes.get("b:1")!(Uint8Array.of(0x97, 1))), "unauthorized");
  assertEquals(acted, []);
});

Deno.test("Sessions given a stranger who answers in a node's place, then says that it lacks the secret", async () => {
  const { start, caller } = setUp();
  start("b:1", "of another ring");
  const { caller: other, nodes, wire, start: startThere } = setUp();
  startThere("b:1");
  wire.change = async (_frame, send) => await send(PING).catch(() => Uint8Array.of(1, 2, 3));
  assertEquals(await refused(() => other().call("b:1", PING, AMPLE)), "unauthorized");
  assertEquals([await refused(() => caller().call("b:1", PING, AMPLE)), nodes.size], ["unauthorized", 1]);
});

Deno.test("plainOnly() given a frame, then says that this node has no secret", async () => {
  const { start, caller, nodes } = setUp();
  start("b:1");
  nodes.set("b:1", plainOnly((message) => Promise.resolve(message)).receive);
  const error = await assertRejects(
    () => caller().call("b:1", PING, AMPLE),
    DhtError,
    "this node has no secret",
  );
  assertEquals(error.code, "unauthorized");
});

Deno.test("Sessions given another node answers at a member's address, then does not speak to it", async () => {
  const { start, caller, nodes, acted } = setUp();
  start("c:1");
  nodes.set("b:1", nodes.get("c:1")!);
  await assertRejects(() => caller().call("b:1", PING, AMPLE), DhtError, "c:1 answers there");
  assertEquals(acted, []);
  assertEquals([...await caller("a:1", { mustBe: () => false }).call("b:1", PING, AMPLE)], [3, 2, 1]);
});

Deno.test("Sessions given one was idle for long, then opens a new one; the peer has forgotten the old one", async () => {
  const { start, caller, frames, clock } = setUp();
  const guard = start("b:1");
  const sessions = caller();
  await sessions.call("b:1", PING, AMPLE);
  clock.ms += 12 * 60_000;
  await sessions.call("b:1", PING, AMPLE);
  assertEquals([frames.length, guard.size], [4, 1]);
  assertNotEquals(frames[1]!.frame.subarray(2, 10), frames[3]!.frame.subarray(2, 10));
});

Deno.test("SessionGuard given long messages of strangers, then keeps no more than a head or a greeting of each", async () => {
  const { start } = setUp();
  const guard = start("b:1");
  const long = new Uint8Array(1_000_000);
  const kinds = [["message", FRAME_HEAD_BYTES], ["hello", 1_024], ["reply", FRAME_HEAD_BYTES]] as const;
  for (const [kind, most] of kinds) {
    const forged = encodeFrame(frameHead(kind, 7n, 1), new Uint8Array(16), long);
    assertEquals(guard.bytesToKeep(forged), most, kind);
    const answer = await deliver(guard, forged).then((reply) => decodeFrame(reply)?.kind, () => "refused");
    assertEquals(answer, kind === "message" ? "gone" : "refused");
  }
  assertEquals(guard.bytesToKeep(long), FRAME_HEAD_BYTES);
  assertEquals(guard.size, 0);
});

Deno.test("SessionGuard given a long message by a peer of before its restart, then its head is enough for the peer to begin anew", async () => {
  const { start, caller, nodes, acted } = setUp();
  const first = start("b:1");
  nodes.set("b:1", (frame) => deliver(first, frame));
  const sessions = caller();
  const long = new Uint8Array(5_000);
  await sessions.call("b:1", long, AMPLE);
  const second = start("b:1");
  nodes.set("b:1", (frame) => deliver(second, frame));
  assertEquals((await sessions.call("b:1", long, AMPLE)).length, 5_000);
  assertEquals([acted.length, second.size], [2, 1]);
});

Deno.test("SessionGuard given a peer that starts again and again, then keeps a few of its sessions", async () => {
  const { start, caller } = setUp();
  const guard = start("b:1");
  for (let i = 0; i < 20; i++) await caller().call("b:1", PING, AMPLE);
  assertEquals(guard.size, 4);
});

Deno.test("SessionGuard given a recorded greeting again and again, then sessions in use stay, and it soon is too busy", async () => {
  const { start, caller, frames, nodes, acted, clock } = setUp();
  const guard = start("b:1");
  const sessions = caller();
  await sessions.call("b:1", PING, AMPLE);
  const hello = frames[0]!.frame;
  const kinds = new Map<number, number>();
  for (let i = 0; i < 1_000; i++) {
    const answer = await nodes.get("b:1")!(hello);
    kinds.set(answer[1]!, (kinds.get(answer[1]!) ?? 0) + 1);
  }
  assertEquals([kinds.get(4), kinds.get(6)], [399, 601]);
  assert(guard.size <= 257, `${guard.size} sessions`);
  await sessions.call("b:1", PING, AMPLE);
  assertEquals([acted.length, frames.length], [2, 3]);
  assertEquals(await refused(() => caller("d:1").call("b:1", PING, AMPLE)), "overloaded");
  clock.ms += 1_000;
  await caller("d:1").call("b:1", PING, AMPLE);
});
