import type { Clock } from "../ports/clock.ts";
import type { ClaimedStore } from "./claimed_store.ts";
import { countOf } from "./entries.ts";
import { Floors } from "./floors.ts";
import { GarbageBlobs } from "./garbage.ts";
import { JournalReplay } from "./journal.ts";
import { MemoryTable } from "./memory_table.ts";
import { StateBlobs } from "./state_blobs.ts";
import { Uploads } from "./uploads.ts";
import type { Books } from "./write_change.ts";

/** All of a database that is kept in memory. */
export interface StoredState {
  readonly books: Books;
  readonly blobs: StateBlobs;
  /** The journal, replayed. */
  readonly table: MemoryTable;
}

/** Reads it. The database must be claimed, and nobody may write it meanwhile. */
export async function loadStoredState(store: ClaimedStore, clock: Clock): Promise<StoredState> {
  return {
    books: {
      uploads: await Uploads.load(store, clock),
      garbage: await GarbageBlobs.load(store, clock),
      floors: await Floors.load(store),
      damaged: new Map(),
    },
    blobs: await StateBlobs.load(store),
    table: await replayJournal(store),
  };
}

async function replayJournal(store: ClaimedStore): Promise<MemoryTable> {
  const table = new MemoryTable();
  const replay = new JournalReplay();
  for await (const { key, value } of store.list({ prefix: ["journal"] })) {
    replay.add(value);
    table.addJournalValue(countOf(key[1]), value.length);
  }
  for (const entry of replay.entries()) table.put(entry);
  return table;
}
