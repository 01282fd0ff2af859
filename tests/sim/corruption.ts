import { afterAllBelow, orderedText } from "../../lib/adapters/key_order.ts";
import type { MemoryDisk } from "../../lib/adapters/memory_store.ts";
import { DhtError } from "../../lib/core/errors.ts";
import { recordKey } from "../../lib/node/entries.ts";
import { decodeRecordEntry } from "../../lib/node/record_entry.ts";
import type { StoreEntry, StoreKey } from "../../lib/ports/store.ts";
import type { SeededRandom } from "../support/seeded_random.ts";
import type { Host } from "./host.ts";
import type { Simulation } from "./simulation.ts";

/** Virtual time within which what is damaged must be found and mended. */
const MEND_MS = 300_000;
const LOOK_MS = 500;

/**
 * A failing disk: a record of a node, or a chunk of its value, is changed in silence, and half the time the node
 * starts anew, so that it remembers nothing. Resolves once the record was mended: until then another owner of the
 * key must not be away.
 */
export async function corrupt(
  { sim, random }: { readonly sim: Simulation; readonly random: SeededRandom },
  host: Host,
): Promise<void> {
  // A node that has left meanwhile mends nothing any more, and its disk may come back in another's machine.
  if (!await flushed(host) || !host.ready) return;
  const records = entriesBelow(host.disk, ["record"]);
  if (records.length === 0) return;
  const record = random.pick(records);
  const target = random.chance(0.5) ? random.pick(chunksOf(host.disk, record) ?? [record.key]) : record.key;
  host.disk.corrupt(target, (bytes) => flipped(bytes, random));
  sim.trace.note(`${host.address} has damage in ${JSON.stringify(target)}`);
  if (random.chance(0.5)) {
    host.crash();
    await sim.sleep(random.exponential(1_000));
    host.boot();
  }
  await mended(sim, host, record);
}

/** What is in the journal only is not read from the records' own entries. False where the node is about to stop. */
async function flushed(host: Host): Promise<boolean> {
  try {
    await host.running?.storage.flush();
    return true;
  } catch (error) {
    if (error instanceof DhtError && error.code === "stopping") return false;
    throw error;
  }
}

/** Resolves once a record is another than this one on the node's disk. @throws {Error} If it stays. */
export async function mended(sim: Simulation, host: Host, record: StoreEntry): Promise<void> {
  const deadlineMs = sim.nowMs + MEND_MS;
  const { disk } = host;
  // A node that left, or has another disk by now, has nothing to mend.
  while (!host.gone && host.disk === disk) {
    await host.running?.storage.flush().catch(() => {});
    if (disk.read(record.key)?.versionstamp !== record.versionstamp) break;
    if (sim.nowMs > deadlineMs) {
      throw new Error(
        `not within ${MEND_MS} virtual ms: ${host.address} mends ${JSON.stringify(record.key)}`,
      );
    }
    await sim.sleep(LOOK_MS);
  }
  sim.trace.note(`${host.address} has no damage in ${JSON.stringify(record.key)} any more`);
}

/** The record entry of a key on the disk of a host. */
export async function recordOnDisk(host: Host, partition: number, key: string): Promise<StoreEntry> {
  await host.running?.storage.flush();
  const entry = host.disk.read(recordKey(partition, key));
  if (entry === undefined) throw new Error(`${host.address} holds nothing of key ${key}`);
  return entry;
}

/** Keys of the chunks of a record, where its value is in chunks. */
export function chunksOf(disk: MemoryDisk, { value }: StoreEntry): StoreKey[] | undefined {
  const record = decodeRecordEntry(value);
  if (record.kind !== "value" || record.body.kind !== "blob") return undefined;
  return entriesBelow(disk, ["chunk", record.body.id]).map(({ key }) => key);
}

function entriesBelow(disk: MemoryDisk, prefix: StoreKey): StoreEntry[] {
  const text = orderedText(prefix);
  return disk.readBetween(text, afterAllBelow(text), 10_000, false);
}

function flipped(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  // Not the first two: they say of which format the entry is, which nothing but the format's own number guards.
  const at = 2 + random.below(bytes.length - 2);
  bytes[at]! ^= 1 << random.below(8);
  return bytes;
}
