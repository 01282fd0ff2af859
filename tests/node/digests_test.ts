import { assert, assertEquals } from "@std/assert";
import type { ClaimedStore } from "../../lib/node/claimed_store.ts";
import { Digests } from "../../lib/node/digests.ts";
import { recordKey } from "../../lib/node/entries.ts";
import { encodeRecordEntry } from "../../lib/node/record_entry.ts";

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
  let closed = false;
  const store = {
    async *list() {
      try {
        for (; read < RECORDS; read++) {
          yield { key: recordKey(3, `k${read}`), value: VALUE, versionstamp: "" };
        }
      } finally {
        closed = true;
      }
    },
  };
  const keys = { noteStored: () => {}, notedAll: () => {} };
  const digests = new Digests({
    keys,
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
  return { digests, pieces, isClosed: () => closed };
}

Deno.test("digests given many records, then they are scanned in pieces, so that requests can go between", async () => {
  const { digests, pieces, isClosed } = manyRecords();
  assertEquals((await digests.current()).get(3)?.records, RECORDS);
  assertEquals(pieces.length, 3);
  assert(isClosed());
  assert(pieces.every((read, i) => i === 0 || read - pieces[i - 1]! <= 500), `${pieces}`);
});
