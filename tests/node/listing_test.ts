import { assertEquals, assertRejects } from "@std/assert";
import { packIndexEntry } from "../../lib/core/index_entry.ts";
import { packKeyPage } from "../../lib/core/key_page.ts";
import { addressOf, type OwnerId } from "../../lib/core/layout.ts";
import { liveLayouts } from "../../lib/core/membership.ts";
import { headOf } from "../../lib/core/record.ts";
import { DhtError } from "../../lib/core/errors.ts";
import { listKeys } from "../../lib/node/listing.ts";
import { syncedRing } from "../support/rings.ts";
import { ManualClock, tombstone, value } from "./storage_fixture.ts";

const PARTITION = 0;

interface Page {
  readonly keys: Readonly<Record<string, "value" | "tombstone">>;
  readonly next?: string;
  readonly damaged?: readonly number[];
}

/**
 * Lists at a node "a" that holds nothing. "b" answers with these pages, one for each time its index is asked, and
 * cannot say what it holds of the keys one by one.
 */
async function listWith(pages: readonly Page[]) {
  const state = syncedRing(["a:1", "b:1", "c:1"]);
  const live = liveLayouts(state);
  const self = live.newest.ids.find((id) => id.startsWith("a:"))!;
  const asked: string[] = [];
  const left = [...pages];
  const ask = (owner: OwnerId, _live: unknown, op: string, { after }: { after?: string }) => {
    const name = addressOf(owner).slice(0, 1);
    if (name !== "b") return Promise.resolve({ page: packKeyPage([]), next: undefined, damaged: [] });
    asked.push(after === undefined ? op : `${op} after ${after}`);
    if (op === "heads") return Promise.reject(new DhtError("corrupt_value", "One of them is damaged"));
    const { keys, next, damaged = [] } = left.shift()!;
    const entries = Object.entries(keys).map(([key, kind]) => {
      const head = headOf(kind === "value" ? value(1) : tombstone(2));
      return { key, packed: packIndexEntry(key, { partition: PARTITION, head }) };
    });
    return Promise.resolve({ page: packKeyPage(entries), next, damaged });
  };
  const deps = {
    keeper: { selfId: self, live, state },
    peers: { ask, isDown: (address: string) => address === "c:1" },
    clock: new ManualClock(),
  } as unknown as Parameters<typeof listKeys>[0];
  const { keys } = await listKeys(deps, { prefix: "", limit: 10 });
  return { keys: keys.map(({ key }) => key), asked };
}

const FIRST = { keys: { damaged: "value", deleted: "value", forgotten: "value", z: "value" } } as const;

Deno.test("listing given keys that only an owner with a damaged record holds, when others of them were deleted and forgotten meanwhile, then its index tells which", async () => {
  const { keys, asked } = await listWith([FIRST, {
    keys: { damaged: "value", deleted: "tombstone", z: "value" },
  }]);
  assertEquals(keys, ["damaged", "z"]);
  assertEquals(asked, ["listKeys", "heads", "listKeys"]);
});

Deno.test("listing given keys were added since an owner was asked, when its index is asked again, then as far as the last of them", async () => {
  const { keys, asked } = await listWith([
    FIRST,
    { keys: { added: "value", damaged: "value" }, next: "damaged" },
    { keys: { z: "value" } },
  ]);
  assertEquals(keys, ["damaged", "z"]);
  assertEquals(asked.at(-1), "listKeys after damaged");
});

Deno.test("listing given the index of an owner with a damaged record does not tell any more either, then it fails", async () => {
  const error = await assertRejects(
    () => listWith([FIRST, { keys: { deleted: "tombstone", z: "value" }, damaged: [PARTITION] }]),
    DhtError,
  );
  assertEquals(error.code, "corrupt_value");
});
