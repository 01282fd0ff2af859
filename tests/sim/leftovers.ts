import { MemoryStore } from "../../lib/adapters/memory_store.ts";
import { decodeRecordEntry } from "../../lib/node/record_entry.ts";
import type { Host } from "./host.ts";
import { runningAt, type Simulation } from "./simulation.ts";

/** Virtual time after which nobody waits for the rest of an upload any more, and what it left has been collected. */
const COLLECTED_MS = 12 * 60_000;

/** Entries that stand for work that is not done: with no client and no fault, there must be none. */
const UNFINISHED: ReadonlySet<unknown> = new Set(["upload", "garbage", "hint", "journal"]);
/** Hints that were delivered while the disk was full stay on it until the next start, by intent. */
const KEPT_BY_FULL_DISK = "hint";

/**
 * Waits until everything that clients and faults left behind is due to be gone, and looks for it on the disks:
 * what stays now would stay for ever, and add up.
 *
 * @param diskWasFull Whether a disk was full at any time.
 * @returns A sentence for each violation.
 */
export async function checkNothingLeft(sim: Simulation, diskWasFull: boolean): Promise<string[]> {
  await sim.sleep(COLLECTED_MS);
  const violations: string[] = [];
  for (const host of sim.ready) {
    const { storage } = runningAt(host);
    await storage.flush();
    const { queued, openUploads, garbageBlobs, tableRecords, journalBytes } = storage.stats();
    const open = Object.entries({ queued, openUploads, garbageBlobs, tableRecords, journalBytes })
      .filter(([, count]) => count > 0);
    for (const [what, count] of open) {
      violations.push(`${host.address} still has ${what} ${count} when nothing is left to do`);
    }
    violations.push(...await leftOn(host, diskWasFull));
  }
  return violations;
}

async function leftOn(host: Host, diskWasFull: boolean): Promise<string[]> {
  const records = new Set<string>();
  const indexed = new Set<string>();
  const named = new Set<string>();
  const chunked = new Set<string>();
  const left: string[] = [];
  for await (const { key, value } of new MemoryStore(host.disk).list({ prefix: [] })) {
    const [kind, second, third] = key;
    const isUnfinished = UNFINISHED.has(kind) && !(diskWasFull && kind === KEPT_BY_FULL_DISK);
    if (isUnfinished) left.push(`${host.address} still has the entry ${key.join("/")}`);
    if (kind === "key") indexed.add(String(second));
    if (kind === "chunk") chunked.add(String(second));
    if (kind !== "record") continue;
    records.add(String(third));
    const record = decodeRecordEntry(value);
    if (record.kind === "value" && record.body.kind === "blob") named.add(record.body.id);
  }
  const orphans = difference(chunked, named).map((id) => `chunks of blob ${id}, which no record names`);
  const missing = difference(named, chunked).map((id) => `a record of blob ${id}, and none of its chunks`);
  const unlisted = difference(records, indexed).map((key) => `a record of key ${key} that it would not list`);
  const dangling = difference(indexed, records).map((key) => `key ${key} in its index, and no record of it`);
  return [
    ...left,
    ...[orphans, missing, unlisted, dangling].flat().map((what) => `${host.address} has ${what}`),
  ];
}

function difference(a: ReadonlySet<string>, b: ReadonlySet<string>): string[] {
  return [...a].filter((item) => !b.has(item));
}
