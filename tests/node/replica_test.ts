import { assertEquals } from "@std/assert";
import { CLOCK_BOUND_MS } from "../../lib/core/clock_bound.ts";
import { partitionOf } from "../../lib/core/partition.ts";
import { Replica, type ReplicaDeps } from "../../lib/node/replica.ts";
import { writeAsk } from "../../lib/node/write_ask.ts";
import type { Answer } from "../../lib/wire.ts";
import { openStorage } from "./storage_fixture.ts";

const PLACE = { partition: partitionOf("k", 64), key: "k" };

/** The part of a replica that needs no ring but its name. */
async function openReplica() {
  const { storage, clock } = await openStorage();
  const deps = {
    storage,
    clock,
    keeper: { liveName: "live" },
    hasEntered: () => true,
  } as unknown as ReplicaDeps;
  const replica = new Replica(deps);
  const write = async (aheadMs: number, mode: "client" | "admitted" | "merge") => {
    const version = { wallMs: clock.nowMs() + aheadMs, counter: 0, writer: "w.1" };
    const record = { kind: "tombstone", version, expired: false } as const;
    const answer = await replica.handle("live", { op: "write", ask: writeAsk(PLACE, record, mode) });
    return (answer as Answer<"write">).kind;
  };
  const survey = async () => await replica.handle("live", { op: "survey", ask: PLACE }) as Answer<"survey">;
  return { write, survey, storage, clock };
}

const ADMITTED: Record<string, ["client" | "admitted" | "merge", aheadMs: number, kind: string]> = {
  "a client's write that is an hour ahead": ["client", 3_600_000, "stored"],
  "a client's write at the bound": ["client", CLOCK_BOUND_MS, "stored"],
  "a client's write past the bound": ["client", CLOCK_BOUND_MS + 1, "ahead"],
  "a client's write past the bound that goes above what is held": ["admitted", CLOCK_BOUND_MS + 1, "stored"],
  "a repair past the bound": ["merge", 100 * CLOCK_BOUND_MS, "stored"],
};
for (const [name, [mode, aheadMs, kind]] of Object.entries(ADMITTED)) {
  Deno.test(`replica given ${name}, then it is ${kind}`, async () => {
    const { write, survey, storage } = await openReplica();
    assertEquals(await write(aheadMs, mode), kind);
    assertEquals((await survey()).held !== undefined, kind === "stored");
    await storage.close();
  });
}

Deno.test("replica given a survey, then it says what is held, the floor and its time", async () => {
  const { write, survey, storage, clock } = await openReplica();
  const nowMs = clock.nowMs();
  assertEquals(await survey(), { held: undefined, hasValue: false, floor: undefined, nowMs });
  await write(5, "client");
  const floor = { wallMs: 7, counter: 0, writer: "w.1" };
  await storage.tombstones.raiseFloor(PLACE.partition, floor);
  const held = { wallMs: nowMs + 5, counter: 0, writer: "w.1" };
  assertEquals(await survey(), { held, hasValue: false, floor, nowMs });
  await storage.close();
});
