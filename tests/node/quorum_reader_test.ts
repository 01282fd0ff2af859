import { assertEquals } from "@std/assert";
import type { Version } from "../../lib/core/hlc.ts";
import { addressOf, type OwnerId } from "../../lib/core/layout.ts";
import { liveLayouts } from "../../lib/core/membership.ts";
import { headOf, type StoredRecord } from "../../lib/core/record.ts";
import type { CoordinatorDeps } from "../../lib/node/coordinator.ts";
import type { Peers } from "../../lib/node/peers.ts";
import { quickRead } from "../../lib/node/quick_read.ts";
import { preferred, QuorumReader, type ReadStrength } from "../../lib/node/quorum_reader.ts";
import type { Silences } from "../../lib/node/silences.ts";
import { syncedRing } from "../support/rings.ts";

const PLACE = { partition: 0, key: "k" };
const VALUE = valueOf(10);
const DELETED = { kind: "tombstone", version: version(11), expired: false } as const;

function version(wallMs: number): Version {
  return { wallMs, counter: 0, writer: "w.1" };
}

function valueOf(wallMs: number): StoredRecord {
  const bytes = new Uint8Array(1);
  const head = { kind: "value", valueBytes: 1, contentType: "text/plain", sha256: bytes } as const;
  return { ...head, version: version(wallMs), body: { kind: "inline", bytes } };
}

interface Held {
  readonly record?: StoredRecord;
  readonly floor?: Version;
}

/** Reads at owner "a" while the owners answer, in turn, with what is in their list; the last of it for ever. */
async function read(holdings: Record<string, Held[]>, strength: ReadStrength = "quorum") {
  const ring = syncedRing(["a:1", "b:1", "c:1"]);
  const live = liveLayouts(ring);
  const asked: string[] = [];
  const ask = (owner: OwnerId, _live: unknown, op: string) => {
    const name = addressOf(owner).slice(0, 1);
    const list = holdings[name] ?? [];
    const held = list.length > 1 ? list.shift()! : list[0];
    asked.push(name);
    if (held === undefined) return new Promise(() => {});
    const { record, floor } = held;
    const floors = floor === undefined ? [] : [{ partition: 0, floor }];
    return Promise.resolve(
      op === "read" ? { record } : { heads: [record === undefined ? undefined : headOf(record)], floors },
    );
  };
  const tell: Peers["tell"] = (owner, live, op, _ask, settle) =>
    void ask(owner, live, op).then((answer) => settle({ ok: true, answer }));
  const given: string[] = [];
  const give = ({ peer }: { peer: OwnerId }) => {
    given.push(addressOf(peer).slice(0, 1));
    return Promise.resolve(true);
  };
  const deps = {
    keeper: { selfId: live.newest.ids.find((id) => id.startsWith("a:")) },
    peers: { ask, tell, isDown: (address: string) => address === "c:1" },
    exchange: { give },
    clock: { sleep: () => new Promise(() => {}) },
  } as unknown as CoordinatorDeps;
  const newReader = () => new QuorumReader(deps, PLACE, live, { repaired: 0 }, strength);
  const owners = ["a:", "b:"].map((name) => live.newest.ids.find((id) => id.startsWith(name))!);
  const silences = { watch() {}, forget() {} } as unknown as Silences;
  const found = await quickRead({ peers: deps.peers, silences }, {
    place: PLACE,
    live,
    asked: owners,
    newReader,
  });
  return { found: found?.record, asked: asked.join(""), given: given.join("") };
}

for (const strength of ["quorum", "strong"] as const) {
  Deno.test(`${strength} read given a value from before its deletion, when the other owner has forgotten the deletion, then the first is asked again`, async () => {
    const floor = version(11);
    const after = await read({ a: [{ record: VALUE }, { record: DELETED }], b: [{ floor }] }, strength);
    assertEquals([after.found, after.asked], [DELETED, "aba"]);
    const forgotten = await read({ a: [{ record: VALUE }, { floor }], b: [{ floor }] }, strength);
    assertEquals([forgotten.found, forgotten.given], [undefined, ""]);
  });
}

Deno.test("quorum read given the other owner's floor is of another key, then the value is confirmed once and brought there", async () => {
  assertEquals(await read({ a: [{ record: VALUE }], b: [{ floor: version(11) }] }), {
    found: VALUE,
    asked: "aba",
    given: "b",
  });
});

Deno.test("quorum read given the other owner has missed the value and has no floor above it, then nobody is asked again", async () => {
  assertEquals(await read({ a: [{ record: VALUE }], b: [{ floor: version(9) }] }), {
    found: VALUE,
    asked: "ab",
    given: "b",
  });
});

Deno.test("quorum read given the owner asked for its record holds nothing, then the other's value is confirmed, as it may have been deleted", async () => {
  const forgotten = await read({ a: [{}], b: [{ record: VALUE }, { record: DELETED }] });
  assertEquals(forgotten.found, DELETED);
});

for (
  const [self, expected] of [["a:1/s", "a:1/s b:1/s d:1/s c:1/s"], ["b:1/s", "b:1/s d:1/s a:1/s c:1/s"], [
    "e:1/s",
    "a:1/s b:1/s d:1/s c:1/s",
  ]] as const
) {
  Deno.test(`owners given ${self} asks and c is down, then they are asked in the order ${expected}`, () => {
    const peers = { isDown: (address: string) => address === "c:1" };
    const owners = ["d:1/s", "c:1/s", "a:1/s", "b:1/s"] as unknown as OwnerId[];
    assertEquals(preferred(owners, self as unknown as OwnerId, peers).join(" "), expected);
  });
}
