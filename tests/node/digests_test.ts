import { assert, assertEquals } from "@std/assert";
import type { ClaimedStore } from "../../lib/node/claimed_store.ts";
import { Digests } from "../../lib/node/digests.ts";
import type { RecordHead } from "../../lib/core/record.ts";
import { recordKey } from "../../lib/node/entries.ts";
import { encodeRecordEntry } from "../../lib/node/record_entry.ts";
import type { StoreRange } from "../../lib/ports/store.ts";

const RECORDS = 1_200;
const VALUE = encodeRecordEntry({
  kind: "tombstone",
  version: { wallMs: 1, counter: 0, writer: "w.1" },
  expired: false,
});

/** Digests of many records of one partition, with what each piece of a scan has read so far. */
function manyRecords() {
  const pieces: number[] = [];
  let read = 0;
  const store = {
    async *list({ after }: StoreRange, { limit }: { limit: number }) {
      const from = after === undefined ? 0 : Number(String(after[2]).slice(1)) + 1;
      begun = memory.generation++;
      for (read = from; read < Math.min(RECORDS, from + limit); read++) {
        yield { key: recordKey(3, `k${read}`), value: VALUE, versionstamp: "" };
      }
    },
  };
  const remembered = new Set<number>();
  const memory = {
    generation: 0,
    remember: (_key: string, _head: RecordHead, { generation }: { generation: number }) =>
      void remembered.add(generation - begun),
    noteStored: () => {},
    notedAll: () => {},
  };
  let begun = 0;
  const digests = new Digests({
    memory,
    store: store as unknown as ClaimedStore,
    damage: { has: () => false, add: () => {} } as never,
    settle: () => Promise.resolve(new Map()),
    bulk: {
      run: async (work) => {
        pieces.push(read);
        return await work();
      },
    },
  });
  return { digests, pieces, remembered };
}

Deno.test("digests given many records, then they are scanned in pieces, so that requests can go between", async () => {
  const { digests, pieces } = manyRecords();
  assertEquals((await digests.current()).get(3)?.records, RECORDS);
  assertEquals(pieces.length, 3);
  assert(pieces.every((read, i) => i === 0 || read - pieces[i - 1]! <= 500), `${pieces}`);
});

Deno.test("digests given records change while a piece is read, then memory is told that they may have", async () => {
  const { digests, remembered } = manyRecords();
  await digests.current();
  // All were of the generation in which the reading of their piece began.
  assertEquals([...remembered], [0]);
});
