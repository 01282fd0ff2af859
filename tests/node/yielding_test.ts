import { assertEquals, assertRejects } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import type { Clock } from "../../lib/ports/clock.ts";
import { Yielding } from "../../lib/node/yielding.ts";

const PIECE_MS = 10;

/** A clock that stands still but for what sleeps on it. */
class SleepClock implements Clock {
  ms = 0;
  readonly nowMs = (): number => this.ms;
  readonly monotonicMs = (): number => this.ms;

  sleep(ms: number): Promise<void> {
    this.ms += ms;
    return Promise.resolve();
  }
}

/** When each of three pieces began, asked for at once. */
async function begins(requestsPerPiece: number, pieceMs = PIECE_MS): Promise<number[]> {
  const clock = new SleepClock();
  let served = 0;
  const yielding = new Yielding(clock, () => served);
  const began: number[] = [];
  const piece = async () => {
    began.push(clock.ms);
    served += requestsPerPiece;
    await clock.sleep(pieceMs);
  };
  await Promise.all([yielding.run(piece), yielding.run(piece), yielding.run(piece)]);
  return began;
}

Deno.test("bulk work given requests come meanwhile, then it rests twice as long as each piece took", async () => {
  assertEquals(await begins(1), [0, 30, 60]);
});

Deno.test("bulk work given no requests, then its pieces follow one another at once", async () => {
  assertEquals(await begins(0), [0, 10, 20]);
});

Deno.test("bulk work given a piece took very long, then it does not rest as long", async () => {
  assertEquals(await begins(1, 10_000), [0, 10_250, 20_500]);
});

Deno.test("bulk work given a piece fails, then that one fails and the next is done", async () => {
  const yielding = new Yielding(new SleepClock(), () => 0);
  const failing = yielding.run(() => Promise.reject(new Error("as told")));
  const next = yielding.run(() => Promise.resolve(7));
  await assertRejects(() => failing, Error, "as told");
  assertEquals(await next, 7);
});

Deno.test("bulk work given too much of it waits, then more is refused until there is room", async () => {
  const yielding = new Yielding(new SleepClock(), () => 0);
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiting = Array.from({ length: 64 }, () => yielding.run(() => promise));
  await assertRejects(() => yielding.run(() => promise), DhtError, "64 other messages");
  resolve();
  await Promise.all(waiting);
  assertEquals(await yielding.run(() => Promise.resolve(7)), 7);
});
