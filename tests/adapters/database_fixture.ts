import { DatabaseSync } from "node:sqlite";
import { openDatabase } from "../../lib/adapters/database.ts";
import type { Log } from "../../lib/ports/log.ts";
import type { Mutation, Store } from "../../lib/ports/store.ts";

export const SILENT: Log = { event: () => {} };

/** Runs `body` with an empty directory that is gone afterwards. */
export async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "mydht-database-" });
  try {
    await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A cleanly closed database of some 1.5 MB; returns its file. */
export async function filledDatabase(directory: string): Promise<string> {
  const store = await openDatabase(directory, SILENT);
  await fill(store, "first");
  await store.close();
  return `${directory}/node.db`;
}

/** The same database, then stopped uncleanly: copied to `to` while a write is only in the log beside it. */
export async function uncleanDatabase(directory: string, to: string): Promise<string> {
  const path = await filledDatabase(directory);
  const store = await openDatabase(directory, SILENT);
  await store.commit([{ kind: "set", key: ["last"], value: Uint8Array.of(1) }]);
  await Deno.mkdir(to);
  for (const suffix of ["", "-wal"]) await Deno.copyFile(path + suffix, `${to}/node.db${suffix}`);
  await store.close();
  return `${to}/node.db`;
}

/** Overwrites pages of a file, counted from 1, with bytes that mean nothing. */
export async function overwritePages(path: string, pages: number[]): Promise<void> {
  const PAGE_BYTES = 4096;
  using file = await Deno.open(path, { write: true });
  for (const page of pages) {
    await file.seek((page - 1) * PAGE_BYTES, Deno.SeekMode.Start);
    await file.write(new Uint8Array(PAGE_BYTES).fill(0xab));
  }
}

/** The first page of a table or an index. */
export function rootPage(path: string, name: string): number {
  using database = new DatabaseSync(path, { readOnly: true });
  return Number(database.prepare("SELECT rootpage FROM sqlite_master WHERE name = ?").get(name)?.rootpage);
}

async function fill(store: Store, name: string): Promise<void> {
  const value = new Uint8Array(200).fill(7);
  for (let part = 0; part < 10; part++) {
    const batch = Array.from(
      { length: 500 },
      (_, i): Mutation => ({ kind: "set", key: [name, part, i], value }),
    );
    await store.commit(batch);
  }
}
