/** What the page says may fail, held against what then happens: a dead node removed, or its disk replaced, while its copies are made anew slowly. */
import { assert, assertEquals } from "@std/assert";
import { DEFAULT_RATES } from "../../lib/core/rates.ts";
import type { StatusView } from "../../lib/node/service.ts";
import type { Host } from "./host.ts";
import { nodeAt, Simulation } from "./simulation.ts";
import { Workload } from "./workload.ts";

const KEYS = Array.from({ length: 40 }, (_, i) => `key-${i}`);
const RATES = { ...DEFAULT_RATES, transfer: 2_000 };
const PROMISE = "Any one node may fail: every key then can still be read and written.";
const THIN =
  /^Keys in [\d,]+ of [\d,]+ partitions have fewer than 3 copies within reach: those of (.*) are missing\.$/;

/** How many of the keys one node can neither read nor write now. */
async function unusable(sim: Simulation, host: Host): Promise<number> {
  const failed = await Promise.all(KEYS.map(async (key) => {
    try {
      await nodeAt(host).get(key, { consistency: "quorum" });
      await nodeAt(host).put(key, new Uint8Array(10), { contentType: "text/plain" });
      return false;
    } catch {
      return true;
    }
  }));
  await sim.sleep(100);
  return failed.filter(Boolean).length;
}

function thinWords({ warnings }: StatusView): string | undefined {
  return warnings.map((warning) => THIN.exec(warning)?.[1]).find((words) => words !== undefined);
}

const LOSSES: Record<
  string,
  { readonly lose: (host: Host, asked: Host) => Promise<unknown>; readonly words: string }
> = {
  "is removed": {
    lose: (dead, asked) => {
      dead.gone = true;
      return nodeAt(asked).remove(dead.address, { force: false });
    },
    words: "removed",
  },
  "starts with an empty disk": {
    lose: (dead, asked) => {
      dead.wipe();
      return Promise.resolve(dead.boot([asked.address]));
    },
    words: "its disk was replaced",
  },
};
for (const [how, { lose, words }] of Object.entries(LOSSES)) {
  Deno.test(`page given a dead node ${how}, then it says that another may fail only once all copies are made, and it may`, async () => {
    const sim = new Simulation({ rates: RATES });
    const work = new Workload(sim, { keys: KEYS });
    await sim.run(async () => {
      const [first, second, , dead] = await sim.startRing(4) as [Host, Host, Host, Host];
      for (const key of KEYS) await work.put("c1", key, { bytes: 2_000 });
      const status = () => nodeAt(first).status();
      assert((await status()).notes.includes(PROMISE));
      const places = KEYS.map((key) => nodeAt(first).whereIs(key));
      const lost = places.filter(({ nodes }) => nodes.includes(dead.address)).map(({ partition }) =>
        partition
      );
      dead.crash();
      await sim.sleep(15_000);
      await lose(dead, first);
      await sim.sleep(3_000);

      const changing = await status();
      assert(changing.ring.changing, "the change was over too soon to see anything");
      assert(!changing.notes.includes(PROMISE), changing.notes.join());
      assertEquals(thinWords(changing), `${dead.address} (${words})`);
      const thin = places.map(({ partition }) => partition).filter((at) => changing.health.thin.has(at));
      assertEquals(thin, lost);
      // And that is no needless worry.
      second.crash();
      await sim.sleep(8_000);
      assert(await unusable(sim, first) > 0);
      assert((await status()).health.unreadable > 0);
      second.boot();
      await sim.untilSettled(how === "is removed" ? 3 : 4, 600_000);

      const settled = await status();
      assert(settled.notes.includes(PROMISE), settled.warnings.join());
      assertEquals(thinWords(settled), undefined);
      second.crash();
      await sim.sleep(8_000);
      assertEquals(await unusable(sim, first), 0);
    });
  });
}
