/** The claim the whole ring rests on: no change of layout, however it overlaps others, loses an acknowledged write. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { isChanging, liveName } from "../../lib/core/layout.ts";
import {
  admitMember,
  changeMember,
  liveLayouts,
  mergeRings,
  type RingState,
  unsyncedMembers,
} from "../../lib/core/membership.ts";
import { RingModel } from "../support/ring_model.ts";
import { addresses, allReport, report, store, syncedRing } from "../support/rings.ts";
import { SeededRandom } from "../support/seeded_random.ts";

Deno.test("ring given a change overtook one that one node saw completed, then what was written meanwhile is read", () => {
  // All report the layout with d; only a hears all of it, and lives by that layout as its base. The others hear of e
  // first: what they acknowledge now must be in the layout with d, because it is the base once they hear of a's.
  const joining = admitMember(syncedRing(["a", "b", "c"]), store("d"));
  const reported = ["b", "c", "d"].reduce(report, joining);
  const atA = report(reported, "a");
  const elsewhere = admitMember(reported, store("e"));
  const [base, between, newest] = [["a", "b", "c"], ["a", "b", "c", "d"], ["a", "b", "c", "d", "e"]];
  assertEquals(layoutsOf(atA), [between, between]);
  assertEquals(layoutsOf(elsewhere), [base, between, newest]);
  assertEquals(layoutsOf(mergeRings(elsewhere, atA)), [between, newest]);
  // A third change before anybody pulled anew: the written is still in a layout that reads and pulls go by.
  const third = admitMember(mergeRings(elsewhere, atA), store("f"));
  assertEquals(layoutsOf(third)[0], between);
});

Deno.test("ring given a layout came back after another, then what was reported before it does not count", () => {
  // c pulls from b, reports, and nobody hears of it. b hears of d, takes writes for b and d that c never sees, and then
  // that d goes again. All now want the layout they wanted first, and what c holds of it is too old.
  const joining = admitMember(syncedRing(["a", "b"]), store("c"));
  const atC = report(joining, "c");
  const back = changeMember(admitMember(joining, store("d")), "d", { state: "leaving" });
  assertEquals(addresses(liveLayouts(back).newest), addresses(liveLayouts(joining).newest));
  assertNotEquals(liveName(liveLayouts(back)), liveName(liveLayouts(joining)));
  const merged = mergeRings(["a", "b"].reduce(report, back), atC);
  assertEquals(addresses(liveLayouts(merged).base), ["a", "b"]);
  assertEquals(unsyncedMembers(merged, liveLayouts(merged)).map((member) => member.address), ["c"]);
  assert(!isChanging(liveLayouts(allReport(merged))));
});

const RUNS = [
  { replicas: 1, nodes: 3, removals: 0, seeds: 120 },
  { replicas: 2, nodes: 3, removals: 0, seeds: 60 },
  { replicas: 3, nodes: 5, removals: 0, seeds: 60 },
  { replicas: 3, nodes: 5, removals: 1, seeds: 60 },
];

for (const { seeds, ...options } of RUNS) {
  const { replicas, removals } = options;
  Deno.test(`ring given changes that overlap, N=${replicas} and ${removals} removed, then no acknowledged write is missed`, () => {
    for (let seed = 1; seed <= seeds; seed++) {
      try {
        runModel(new RingModel(new SeededRandom(seed), { partitions: 4, ...options }));
      } catch (cause) {
        throw new Error(`Seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause });
      }
    }
  });
}

function runModel(model: RingModel): void {
  for (let step = 0; step < 200; step++) {
    model.step();
    if (step % 5 === 0) model.check();
  }
  model.settle();
  model.check();
}

function layoutsOf(ring: RingState): string[][] {
  const live = liveLayouts(ring);
  return [live.base, ...live.between, live.newest].map(addresses);
}
