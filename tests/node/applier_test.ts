import { assert, assertEquals } from "@std/assert";
import { MemoryDisk, MemoryStore } from "../../lib/adapters/memory_store.ts";
import { Applier } from "../../lib/node/applier.ts";
import { ClaimedStore } from "../../lib/node/claimed_store.ts";
import { tableEntry } from "../../lib/node/memory_table.ts";
import { RecordTables } from "../../lib/node/record_tables.ts";
import { version } from "./storage_fixture.ts";

/** More than are applied in one commit, and enough to be applied unasked. */
const RECORDS = 32_768;

/** An applier whose commits that make room wait until `go` is called, and how many of them have begun. */
async function applierOf(tables: RecordTables) {
  const store = await ClaimedStore.open(new MemoryStore(new MemoryDisk(), {}), "owner", () => {});
  let rested = 0;
  let go = () => {};
  const resting = new Promise<void>((resolve) => go = resolve);
  const bulk = {
    async run<T>(work: () => Promise<T>): Promise<T> {
      rested++;
      await resting;
      return await work();
    },
  };
  const applier = new Applier({ store, tables, log: { event() {} }, bulk });
  return { applier, go, rested: () => rested };
}

function fill(tables: RecordTables, contentType: string): void {
  const bytes = new Uint8Array(0);
  const record = { kind: "value", valueBytes: 0, contentType, sha256: new Uint8Array(32) } as const;
  for (let i = 0; i < RECORDS; i++) {
    const key = `k${i}`;
    const entry = tableEntry(0, key, { ...record, version: version(1), body: { kind: "inline", bytes } });
    tables.add([entry], i === 0 ? [{ seq: 1, bytes: 1 }] : []);
  }
}

Deno.test("an apply given nobody waits for it, then each of its commits makes room for requests", async () => {
  const tables = new RecordTables(0, 1);
  fill(tables, "t/t");
  const { applier, go, rested } = await applierOf(tables);
  applier.kick();
  go();
  while (tables.isApplying) await new Promise((resolve) => setTimeout(resolve, 1));
  assert(rested() > 2 * RECORDS / 1_000, `${rested()} commits`);
});

Deno.test("an apply given somebody waits for it, then its commits follow one another", async () => {
  const tables = new RecordTables(0, 1);
  fill(tables, "t/t");
  const { applier, go, rested } = await applierOf(tables);
  applier.kick();
  const flushed = applier.flush();
  go();
  await flushed;
  assertEquals(rested(), 1, "the one that had begun");
});

Deno.test("an apply given the tables have filled up, then its commits follow one another", async () => {
  const tables = new RecordTables(0, 1);
  fill(tables, "t/".padEnd(400, "t"));
  const { applier, rested } = await applierOf(tables);
  applier.kick();
  while (tables.isApplying) await new Promise((resolve) => setTimeout(resolve, 1));
  assertEquals(rested(), 0);
});
