import { assert, assertEquals } from "@std/assert";
import { MemoryDisk } from "../../lib/adapters/memory_store.ts";
import { compareVersions, type Version } from "../../lib/core/hlc.ts";
import { unpackIndexEntry } from "../../lib/core/index_entry.ts";
import { compareHeads, headOf, type StoredRecord, type Tombstone } from "../../lib/core/record.ts";
import type { WriteOutcome } from "../../lib/node/storage.ts";
import {
  assertReadable,
  blob,
  keysOnDisk,
  listKeys,
  ManualClock,
  type Opened,
  openStorage,
  partitionOfTest,
  place,
  read,
  tombstone,
  upload,
  value,
  version,
  write,
} from "./storage_fixture.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const KEYS = Array.from({ length: 24 }, (_, i) => `key ${i}`);
const BLOB_BYTES = 70_000;

/** What a storage must answer: the rules of a write over a plain map, one change after another. */
class Model {
  readonly records = new Map<string, StoredRecord>();
  readonly floors = new Map<number, Version>();

  write(key: string, record: StoredRecord, mode: "client" | "merge"): WriteOutcome {
    const held = this.records.get(key);
    const hadValue = held?.kind === "value";
    const floor = this.floors.get(partitionOfTest(key));
    const verdict = mode === "client" ? judgeClient(record, held, floor) : judgeMerge(record, held, floor);
    if (verdict === "stored") this.records.set(key, record);
    if (verdict === "stored" || verdict === "duplicate") return { kind: verdict, hadValue };
    const outdone = held !== undefined && compareVersions(held.version, record.version) >= 0;
    return { kind: outdone ? "stale" : "collected", held: verdict, hadValue };
  }

  drop(key: string, dropped: Version): boolean {
    const held = this.records.get(key);
    if (held === undefined || compareVersions(held.version, dropped) !== 0) return false;
    return this.records.delete(key);
  }

  raiseFloor(partition: number, floor: Version): void {
    const before = this.floors.get(partition);
    if (before === undefined || compareVersions(before, floor) < 0) this.floors.set(partition, floor);
  }

  collect(key: string, { version, expired }: Tombstone): number {
    const held = this.records.get(key);
    const kind = expired ? "expired" : "tombstone";
    if (held !== undefined && compareHeads(headOf(held), { version, kind }) > 0) return 0;
    this.raiseFloor(partitionOfTest(key), version);
    return Number(this.records.delete(key));
  }
}

type Verdict = "stored" | "duplicate" | Version;

function judgeClient(
  record: StoredRecord,
  held: StoredRecord | undefined,
  floor: Version | undefined,
): Verdict {
  if (held !== undefined && compareVersions(record.version, held.version) === 0) return "duplicate";
  const bars = [held?.version, floor].filter((bar) => bar !== undefined);
  const bar = bars.sort(compareVersions).at(-1);
  return bar === undefined || compareVersions(record.version, bar) > 0 ? "stored" : bar;
}

function judgeMerge(
  record: StoredRecord,
  held: StoredRecord | undefined,
  floor: Version | undefined,
): Verdict {
  const order = held === undefined ? 1 : compareHeads(headOf(record), headOf(held));
  if (order === 0) return "duplicate";
  if (order < 0) return held!.version;
  const isCovered = floor !== undefined && compareVersions(record.version, floor) <= 0;
  return isCovered && record.kind === "value" ? floor : "stored";
}

/** Submits random changes, each with the outcome that the model expects of it in this order. */
class Workload {
  readonly model = new Model();
  readonly #random: SeededRandom;
  #blobs = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** One change, begun before this returns. */
  async step(opened: Opened): Promise<void> {
    const { storage, clock } = opened;
    const key = this.#pick(KEYS);
    const wallMs = 1 + this.#random.below(60);
    switch (this.#random.below(17)) {
      case 0:
        return await this.#drop(opened, key, wallMs);
      case 1:
        return await storage.flush();
      case 2:
        clock.advance(this.#random.below(90_000));
        return void await storage.collectGarbage();
      case 3:
        return await this.#floor(opened, key, this.#random.below(12));
      case 4:
      case 5:
        return await this.#blob(opened, key, wallMs);
      case 6:
        return void (await read(storage, key));
      case 7:
        return void (await storage.digests());
      case 8:
        return await this.#write(opened, key, tombstone(wallMs, this.#random.below(3) === 0), "merge");
      case 9:
        return await this.#write(opened, key, tombstone(wallMs), "client");
      case 10:
        return await this.#collect(opened, key, tombstone(1 + this.#random.below(20)));
      default: {
        const writer = this.#pick(["w.1", "w.2"]);
        return await this.#write(opened, key, value(wallMs, `${key} ${wallMs}`, writer), this.#mode());
      }
    }
  }

  async #write(
    { storage }: Opened,
    key: string,
    record: StoredRecord,
    mode: "client" | "merge",
  ): Promise<void> {
    const expected = this.model.write(key, record, mode);
    assertEquals(
      await write(storage, key, record, mode),
      expected,
      `${mode} ${key} ${record.version.wallMs}`,
    );
  }

  async #collect({ storage }: Opened, key: string, collected: Tombstone): Promise<void> {
    const removed = this.model.collect(key, collected);
    assertEquals(await storage.tombstones.collect(partitionOfTest(key), [{ key, ...collected }]), removed);
  }

  async #blob(opened: Opened, key: string, wallMs: number): Promise<void> {
    const id = `blob${++this.#blobs}`;
    const { record, chunks } = blob(wallMs, id, BLOB_BYTES);
    await upload(opened.storage, id, chunks);
    await this.#write(opened, key, record, this.#mode());
    await opened.storage.blobs.abortUpload(id);
  }

  async #drop({ storage }: Opened, key: string, wallMs: number): Promise<void> {
    const held = this.model.records.get(key)?.version ?? version(wallMs);
    const dropped = this.#random.below(2) === 0 ? held : version(wallMs);
    const expected = this.model.drop(key, dropped);
    assertEquals(await storage.drop(place(key).partition, key, dropped), expected, `drop ${key}`);
  }

  async #floor({ storage }: Opened, key: string, wallMs: number): Promise<void> {
    const { partition } = place(key);
    this.model.raiseFloor(partition, version(wallMs));
    await storage.tombstones.raiseFloor(partition, version(wallMs));
  }

  #mode(): "client" | "merge" {
    return this.#random.below(2) === 0 ? "client" : "merge";
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#random.below(items.length)]!;
  }
}

/** Compares all that can be read with the model, while nothing is under way. */
async function compare({ storage }: Opened, model: Model): Promise<void> {
  for (const key of KEYS) {
    const record = await read(storage, key);
    assertEquals(record, model.records.get(key), key);
    if (record !== undefined) await assertReadable(storage, record);
  }
  const expected = [...model.records].map(([key, record]) => ({ key, head: headOf(record) }));
  expected.sort((a, b) => a.key < b.key ? -1 : 1);
  const { entries } = await listKeys(storage, { prefix: "key", limit: 1_000 });
  assertEquals(
    entries.map(({ key, packed }) => ({ key, ...unpackIndexEntry(packed) })),
    expected.map(({ key, head }) => ({ ...place(key), head })),
  );
  const digests = await storage.digests();
  for (const partition of new Set(KEYS.map(partitionOfTest))) {
    const own = expected.filter(({ key }) => partitionOfTest(key) === partition);
    const page = await storage.scan(partition, { limit: 1_000 });
    assertEquals(page.entries, own);
    assertEquals(page.floor, model.floors.get(partition));
    assertEquals(digests.get(partition)?.records ?? 0, own.length);
  }
}

async function runSeed(seed: number): Promise<string> {
  const random = new SeededRandom(seed);
  const workload = new Workload(random);
  const disk = new MemoryDisk();
  const clock = new ManualClock();
  const delay = async () => {
    for (let turns = random.below(12); turns > 0; turns--) await null;
  };
  const reopen = () => openStorage({ disk, clock, hooks: { delay }, cacheBytes: 6_000 });
  let opened = await reopen();
  for (let round = 0; round < 6; round++) {
    const steps: Promise<void>[] = [];
    for (let i = 0; i < 60; i++) {
      steps.push(workload.step(opened));
      for (let turns = random.below(8); turns > 0; turns--) await null;
    }
    await Promise.all(steps);
    await compare(opened, workload.model);
    const digests = await opened.storage.digests();
    if (random.below(2) === 0) await opened.storage.close();
    else opened.store.crash();
    opened = await reopen();
    assertEquals(await opened.storage.digests(), digests);
    await compare(opened, workload.model);
  }
  await assertNothingLeaked(opened, disk, workload.model);
  const digests = await opened.storage.digests();
  return JSON.stringify([...digests].sort(([a], [b]) => a - b));
}

async function assertNothingLeaked(
  { storage, clock }: Opened,
  disk: MemoryDisk,
  model: Model,
): Promise<void> {
  for (let i = 0; i < 3; i++) {
    clock.advance(11 * 60_000);
    await storage.collectGarbage();
  }
  const live = new Set<string>();
  for (const record of model.records.values()) {
    if (record.kind === "value" && record.body.kind === "blob") live.add(record.body.id);
  }
  const left = new Set((await keysOnDisk(disk, ["chunk"])).map(([, id]) => String(id)));
  assertEquals(left, live);
}

Deno.test("storage given random changes at once, restarts and crashes, then it agrees with a plain map", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    await runSeed(seed).catch((cause) => {
      throw new Error(`seed ${seed}: ${cause.message}`, { cause });
    });
  }
});

Deno.test("storage given the same seed twice, then the same comes out", async () => {
  const [first, second] = [await runSeed(99), await runSeed(99)];
  assert(first.length > 100);
  assertEquals(first, second);
});
