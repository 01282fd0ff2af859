import { assertEquals } from "@std/assert";
import { DhtError, type DhtErrorCode } from "../../lib/core/errors.ts";
import { addressOf, type OwnerId } from "../../lib/core/layout.ts";
import { liveLayouts } from "../../lib/core/membership.ts";
import { Repair, type RepairDeps } from "../../lib/node/repair.ts";
import { syncedRing } from "../support/rings.ts";

/** Repairs node "a" while "b" answers its first comparisons with these errors, and "c" finds no difference. */
async function repairWith(errors: readonly DhtErrorCode[]) {
  const live = liveLayouts(syncedRing(["a:1", "b:1", "c:1"]));
  const left = [...errors];
  const asked: string[] = [];
  const events: string[] = [];
  const pausesMs: number[] = [];
  const ask = (owner: OwnerId) => {
    const name = addressOf(owner).slice(0, 1);
    asked.push(name);
    const code = name === "b" ? left.shift() : undefined;
    if (code !== undefined) return Promise.reject(new DhtError(code, "Cannot compare yet"));
    return Promise.resolve({ hashes: [] });
  };
  const tree = {
    differing: async (hashesOf: (level: number, nodes: number[]) => Promise<unknown>) => {
      await hashesOf(0, [0]);
      return [];
    },
  };
  const deps = {
    keeper: { live, selfId: live.newest.ids.find((id) => id.startsWith("a:")), inRing: true },
    peers: { ask },
    storage: { digests: () => Promise.resolve(new Map()) },
    trees: { isBehind: false, with: () => Promise.resolve(tree) },
    clock: { sleep: (ms: number) => Promise.resolve(void pausesMs.push(ms)) },
    log: { event: (_level: string, name: string) => void events.push(name) },
    hints: { askForMine: () => Promise.resolve() },
    background: { "anti-entropy": { pace: () => Promise.resolve() } },
  } as unknown as RepairDeps;
  await new Repair(deps, new AbortController().signal).catchUp();
  return { asked: asked.join(""), events, pausesMs };
}

Deno.test("repair given a peer that still fetches what it missed, then compares with it again later, and calls it no failure", async () => {
  assertEquals(await repairWith(["overloaded", "overloaded"]), {
    asked: "bcbcbc",
    events: [],
    pausesMs: [5_000, 10_000],
  });
});

Deno.test("repair given a peer that cannot be reached, then says so, and compares with it again later", async () => {
  assertEquals(await repairWith(["peer_unreachable"]), {
    asked: "bcbc",
    events: ["repair_failed"],
    pausesMs: [5_000],
  });
});
