import { assertEquals, assertRejects } from "@std/assert";
import { DhtError } from "../../lib/core/errors.ts";
import { addressOf, type OwnerId } from "../../lib/core/layout.ts";
import { liveLayouts } from "../../lib/core/membership.ts";
import { headOf, type StoredRecord } from "../../lib/core/record.ts";
import type { CoordinatorDeps } from "../../lib/node/coordinator.ts";
import { quickRead } from "../../lib/node/quick_read.ts";
import { QuorumReader } from "../../lib/node/quorum_reader.ts";
import type { Silences, Waiter } from "../../lib/node/silences.ts";
import { syncedRing } from "../support/rings.ts";

const PLACE = { partition: 0, key: "k" };
const OLD = deletion(10);
const NEW = deletion(11);
const DOWN = new DhtError("peer_unreachable", "Cannot reach it");

function deletion(wallMs: number): StoredRecord {
  return { kind: "tombstone", version: { wallMs, counter: 0, writer: "w.1" }, expired: false };
}

/** What an owner does: answers with a record or with none, fails, or says nothing. */
type Holding = StoredRecord | "none" | "silent" | DhtError;

/** Reads while owners do that; `asked` names them in order. */
async function read(holdings: Record<string, Holding>) {
  const live = liveLayouts(syncedRing(["a:1", "b:1", "c:1"]));
  const owners = [...live.newest.owners(0)].sort();
  let asked = "";
  let given = "";
  const ask = (owner: OwnerId, _live: unknown, op: string): Promise<unknown> => {
    const name = addressOf(owner).slice(0, 1);
    asked += name;
    const holding = holdings[name];
    if (holding === undefined || holding === "silent") return new Promise(() => {});
    if (holding instanceof DhtError) return Promise.reject(holding);
    const record = holding === "none" ? undefined : holding;
    return Promise.resolve(op === "read" ? { record } : { heads: [record && headOf(record)], floors: [] });
  };
  const tell = (owner: OwnerId, _live: unknown, op: string, _ask: unknown, settle: (o: unknown) => void) => {
    ask(owner, _live, op).then(
      (answer) => settle({ ok: true, answer }),
      (error) => settle({ ok: false, error }),
    );
  };
  const waiters: Waiter[] = [];
  const silences = {
    watch: (waiter: Waiter) => void waiters.push(waiter),
    forget: (waiter: Waiter) => void waiters.splice(waiters.indexOf(waiter), 1),
  } as unknown as Silences;
  const give = ({ peer }: { peer: OwnerId }) => {
    given += addressOf(peer).slice(0, 1);
    return Promise.resolve(true);
  };
  const deps = {
    keeper: { selfId: owners[0] },
    peers: { ask, tell, isDown: () => false },
    exchange: { give },
    clock: { sleep: () => new Promise(() => {}) },
  } as unknown as CoordinatorDeps;
  const newReader = () => new QuorumReader(deps, PLACE, live, { repaired: 0 });
  const found = quickRead({ peers: deps.peers, silences }, {
    place: PLACE,
    live,
    asked: owners.slice(0, 2),
    newReader,
  });
  for (let i = 0; i < 10; i++) await Promise.resolve();
  for (const waiter of waiters.splice(0)) waiter.onSilence();
  const record = (await found)?.record;
  return { record, asked, given, waiting: waiters.length };
}

const READS: Record<
  string,
  [Record<string, Holding>, StoredRecord | undefined, asked: string, given: string]
> = {
  "two that agree": [{ a: NEW, b: NEW }, NEW, "ab", ""],
  "two that know nothing": [{ a: "none", b: "none" }, undefined, "ab", ""],
  "a second that holds less": [{ a: NEW, b: OLD }, NEW, "ab", "b"],
  "a second that holds nothing": [{ a: NEW, b: "none" }, NEW, "ab", "b"],
  "a second that holds more": [{ a: OLD, b: NEW }, NEW, "ab", "a"],
  "a first that holds nothing": [{ a: "none", b: NEW }, NEW, "ab", "a"],
  "a second that fails": [{ a: NEW, b: DOWN, c: NEW }, NEW, "abc", ""],
  "a first that fails": [{ a: DOWN, b: NEW, c: NEW }, NEW, "abc", ""],
  "a second that is silent": [{ a: NEW, b: "silent", c: NEW }, NEW, "abc", ""],
  "a first that is silent": [{ a: "silent", b: NEW, c: OLD }, NEW, "abc", "c"],
};
for (const [name, [holdings, record, asked, given]] of Object.entries(READS)) {
  Deno.test(`quickRead() given ${name}, then it answers the newest once a quorum holds it`, async () => {
    assertEquals(await read(holdings), { record, asked, given, waiting: 0 });
  });
}

Deno.test("quickRead() given two owners that fail, then the read fails", async () => {
  const error = await assertRejects(() => read({ a: DOWN, b: DOWN, c: NEW }), DhtError);
  assertEquals(error.code, "read_quorum_unreachable");
});
