import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import type { Transport } from "../../lib/ports/transport.ts";

/** What a peer makes of a message. It may throw, and may take its time. */
export type PeerHandler = (message: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** A transport, and a network of peers for it to call. */
export interface TransportUnderTest {
  readonly transport: Transport;
  /** Starts a peer and returns its address. */
  serve(handler: PeerHandler): string;
  /** An address at which no peer is. */
  readonly nobody: string;
  free(): Promise<void>;
}

/** Long enough for a peer that answers at once. */
const AMPLE_MS = 10_000;

/** Holds an adapter of the Transport port to the port's contract. */
export function transportContract(name: string, newTransport: () => TransportUnderTest): void {
  const given = (behaviour: string, body: (subject: TransportUnderTest) => Promise<void>): void => {
    Deno.test(`${name} ${behaviour}`, async () => {
      const subject = newTransport();
      try {
        await body(subject);
      } finally {
        await subject.free();
      }
    });
  };

  for (const bytes of [0, 1, 1_000, 3 * 1024 * 1024]) {
    given(`given a message of ${bytes} bytes, then it and its answer arrive as they are`, async (subject) => {
      const address = subject.serve((message) => message.map((byte) => byte ^ 0xff));
      const message = Uint8Array.from({ length: bytes }, (_, i) => i % 256);
      const answer = await subject.transport.call(address, message, { timeoutMs: AMPLE_MS });
      assertEquals(answer, message.map((byte) => byte ^ 0xff));
    });
  }

  given("given a message that is part of a buffer, then just that part arrives", async (subject) => {
    const address = subject.serve((message) => message);
    const message = Uint8Array.of(9, 1, 2, 9).subarray(1, 3);
    assertEquals(
      await subject.transport.call(address, message, { timeoutMs: AMPLE_MS }),
      Uint8Array.of(1, 2),
    );
  });

  given("given calls at the same time to two peers, then each gets its own answer", async (subject) => {
    const addresses = [subject.serve((message) => message), subject.serve((message) => message.toReversed())];
    const calls = Array.from({ length: 40 }, (_, i) => {
      return subject.transport.call(addresses[i % 2] ?? "", Uint8Array.of(i, 200), { timeoutMs: AMPLE_MS });
    });
    const expected = calls.map((_, i) => i % 2 === 0 ? [i, 200] : [200, i]);
    assertEquals((await Promise.all(calls)).map((answer) => [...answer]), expected);
  });

  given("given nobody at an address, then fails as unreachable and names it", async (subject) => {
    await assertUnreachable(subject, subject.nobody, {});
  });

  given("given a peer that fails, then fails as unreachable and names it", async (subject) => {
    const address = subject.serve(() => {
      throw new Error("the peer's own trouble");
    });
    await assertUnreachable(subject, address, {});
  });

  given("given a peer that does not answer, when the time is up, then says so", async (subject) => {
    const peer = silentPeer();
    const error = await assertUnreachable(subject, subject.serve(peer.handler), { timeoutMs: 20 });
    assertStringIncludes(error.message, "timed out after 20 ms");
    peer.answer();
  });

  given(
    "given a peer that does not answer, when the caller gives up, then fails at once",
    async (subject) => {
      const peer = silentPeer();
      const controller = new AbortController();
      const failed = assertUnreachable(subject, subject.serve(peer.handler), { signal: controller.signal });
      await peer.asked;
      controller.abort(new Error("the client has gone"));
      assertStringIncludes((await failed).message, "the caller gave up");
      peer.answer();
    },
  );

  given("given a caller that gave up before, then fails without a call", async (subject) => {
    let asked = false;
    const address = subject.serve((message) => {
      asked = true;
      return message;
    });
    await assertUnreachable(subject, address, { signal: AbortSignal.abort() });
    assert(!asked);
  });

  given("given a call that failed, then the next one is answered", async (subject) => {
    let tries = 0;
    const address = subject.serve((message) => {
      if (tries++ === 0) throw new Error("the first time only");
      return message;
    });
    await assertUnreachable(subject, address, {});
    const answer = await subject.transport.call(address, Uint8Array.of(7), { timeoutMs: AMPLE_MS });
    assertEquals(answer, Uint8Array.of(7));
  });
}

/** A peer that answers only when told to. */
function silentPeer(): { handler: PeerHandler; asked: Promise<void>; answer: () => void } {
  const asked = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<Uint8Array>();
  const handler = (): Promise<Uint8Array> => {
    asked.resolve();
    return answered.promise;
  };
  return { handler, asked: asked.promise, answer: () => answered.resolve(new Uint8Array()) };
}

async function assertUnreachable(
  { transport }: TransportUnderTest,
  address: string,
  options: { timeoutMs?: number; signal?: AbortSignal },
): Promise<DhtError> {
  const call = () => transport.call(address, Uint8Array.of(1), { timeoutMs: AMPLE_MS, ...options });
  const error = await assertRejects(call, DhtError);
  assertEquals(error.code, "peer_unreachable");
  assertStringIncludes(error.message, address);
  return error;
}
