import { isTooFarAhead } from "../core/clock_bound.ts";
import { DhtError } from "../core/errors.ts";
import type { OwnerId } from "../core/layout.ts";
import { packKeyPage } from "../core/key_page.ts";
import { partitionOf } from "../core/partition.ts";
import type { ValueRecord } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Answer, Ask, Handlers, KeyedRecord } from "../wire.ts";
import { isDamage } from "./entries.ts";
import type { HintedHandoff } from "./hinted_handoff.ts";
import { movedBytes } from "./moved_bytes.ts";
import { ANSWER_BYTES, ANSWER_RECORDS, floorsOf } from "./partition_handlers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Storage, WriteOutcome } from "./storage.ts";
import { receivedRecord } from "./write_ask.ts";

/** What answers about records need of a node. */
export interface RecordHandlerDeps {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly keeper: RingKeeper;
  readonly hints: Pick<HintedHandoff, "keep" | "deliverOnRequest">;
  /** Fetches a chunked record from the owner that holds it; resolves to whether it is held afterwards. */
  pullRecord(
    source: OwnerId,
    place: { partition: number; key: string },
    record: ValueRecord,
  ): Promise<boolean>;
}

/** What a node answers about single records, and about what others missed of them. */
export function recordHandlers(deps: RecordHandlerDeps) {
  const { storage } = deps;
  return {
    write: (ask) => {
      const { record, encoded } = receivedRecord(ask);
      // Only here, where a client's write comes in: what others hold is taken whatever its stamp says.
      if (ask.mode === "client" && isTooFarAhead(record.version, deps.clock.nowMs())) {
        return Promise.resolve({ kind: "ahead", held: undefined, hadValue: false });
      }
      const { partition, key } = ask;
      const mode = ask.mode === "merge" ? "merge" : "client";
      return storage.write({ partition, key, record, encoded, mode }).then(answerToWrite);
    },
    read: async ({ partition, key }) => ({ record: await storage.read(partition, key) }),
    readRecords: ({ items }) => readRecords(storage, items),
    mergeRecords: async ({ records }) => ({
      outcomes: await Promise.all(records.map((one) => merge(storage, one))),
    }),
    survey: (place) => survey(deps, place),
    heads: async ({ items, strict }) => {
      const heads = await storage.heads(items, strict === undefined ? {} : { strict });
      // Not before: a tombstone that is collected meanwhile shows in one of the two at least.
      return { heads, floors: floorsOf(storage, new Set(items.map(({ partition }) => partition))) };
    },
    pullRecord: async ({ partition, key, record, source }) => {
      if (record.kind !== "value") {
        throw new DhtError("bad_message", "Cannot pull a deletion: it is sent as it is");
      }
      return { held: await deps.pullRecord(source, { partition, key }, record) };
    },
    hint: ({ target, items }) => {
      deps.hints.keep(target, items);
      return Promise.resolve({});
    },
    handoff: async ({ target }) => {
      return { left: await deps.hints.deliverOnRequest(target) };
    },
    listKeys: async ({ prefix, after, limit }) => {
      const { partitions } = deps.keeper.state;
      const page = await storage.listKeys({
        prefix,
        limit,
        partitionOf: (key) => partitionOf(key, partitions),
        ...(after === undefined ? {} : { after }),
      });
      return { page: packKeyPage(page.entries), next: page.next, damaged: page.damaged };
    },
  } satisfies Partial<Handlers>;
}

/** What a node answers about the chunks of large values. */
export function chunkHandlers({ storage }: Pick<RecordHandlerDeps, "storage">) {
  return {
    readChunks: async ({ blobId, first, count, place }) => ({
      chunks: await storage.blobs.readChunks(blobId, first, count, place),
    }),
    openUpload: async ({ id }) => {
      await storage.blobs.openUpload(id);
      return {};
    },
    writeChunks: async ({ id, first, chunks }) => {
      await storage.blobs.writeChunks(id, first, chunks);
      return {};
    },
    abortUpload: async ({ id }) => {
      await storage.blobs.abortUpload(id);
      return {};
    },
  } satisfies Partial<Handlers>;
}

function answerToWrite(outcome: WriteOutcome): Answer<"write"> {
  const { kind, hadValue } = outcome;
  return { kind, held: "held" in outcome ? outcome.held : undefined, hadValue };
}

/** The records of the first keys, as far as they fit one answer. */
async function readRecords(
  storage: Storage,
  items: Ask<"readRecords">["items"],
): Promise<Answer<"readRecords">> {
  const found = await storage.readMany(items.slice(0, ANSWER_RECORDS));
  const records: KeyedRecord[] = [];
  const damaged: number[] = [];
  let answered = 0;
  let bytes = 0;
  for (const record of found) {
    if (bytes >= ANSWER_BYTES) break;
    const { partition, key } = items[answered++]!;
    if (record === undefined) continue;
    if (record === "damaged") damaged.push(partition);
    else {
      records.push({ partition, key, record });
      bytes += movedBytes(key, record);
    }
  }
  return { answered, records, damaged };
}

async function merge(
  storage: Storage,
  record: KeyedRecord,
): Promise<Answer<"mergeRecords">["outcomes"][number]> {
  try {
    return (await storage.write({ ...record, mode: "merge" })).kind;
  } catch (error) {
    // Of one record alone; what else fails, fails for all.
    if (isDamage(error)) return "damaged";
    throw error;
  }
}

async function survey(
  { storage, clock }: RecordHandlerDeps,
  place: Ask<"survey">,
): Promise<Answer<"survey">> {
  const [head] = await storage.heads([place], { strict: true });
  // After the record: what is collected in between is at or below the floor that is read now.
  const floor = storage.tombstones.floor(place.partition);
  const nowMs = Math.max(0, Math.floor(clock.nowMs()));
  return { held: head?.version, hasValue: head?.kind === "value", floor, nowMs };
}
