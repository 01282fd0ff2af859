import { assertEquals, assertRejects } from "@std/assert";
import { DenoKvStore } from "../../lib/adapters/deno_kv_store.ts";
import { type Mutation, StoreFullError, StoreUnknownError } from "../../lib/ports/store.ts";
import { withDirectory } from "./database_fixture.ts";

const CHANGE: Mutation[] = [{ kind: "set", key: ["a"], value: Uint8Array.of(1) }];

/** A store whose handle fails its commits, one after another, with these messages, before it works. */
async function failingStore(options: { messages: string[]; remote?: boolean }): Promise<DenoKvStore> {
  const kv = await Deno.openKv(":memory:");
  const failures = [...options.messages];
  const atomic = kv.atomic.bind(kv);
  kv.atomic = () => {
    const operation = atomic();
    const commit = operation.commit.bind(operation);
    operation.commit = () => {
      const message = failures.shift();
      return message === undefined ? commit() : Promise.reject(new TypeError(message));
    };
    return operation;
  };
  return new DenoKvStore(kv, { remote: options.remote ?? false });
}

const rows = [
  ["a full disk", false, "database or disk is full", StoreFullError, "the disk is full"],
  ["another failure", false, "disk I/O error", Error, "Cannot commit: disk I/O error"],
  ["a lost connection of a remote database", true, "connection reset", StoreUnknownError, "connection reset"],
  ["a full disk of a remote database", true, "database or disk is full", StoreFullError, "the disk is full"],
] as const;
for (const [what, remote, message, kind, expected] of rows) {
  Deno.test(`DenoKvStore given ${what}, when committing, then throws ${kind.name}`, async () => {
    const store = await failingStore({ messages: [message], remote });
    const error = await assertRejects(() => store.commit(CHANGE), kind, expected);
    assertEquals(error.constructor, kind);
    assertEquals(await store.commit(CHANGE), true);
    await store.close();
  });
}

Deno.test("DenoKvStore given a file locked for a moment, when committing, then tries again", async () => {
  const store = await failingStore({ messages: ["database is locked", "database is locked"] });
  assertEquals(await store.commit(CHANGE), true);
  await store.close();
});

Deno.test("DenoKvStore given an entry that is not bytes, when reading it, then says it is not MyDHT's", async () => {
  const kv = await Deno.openKv(":memory:");
  await kv.set(["a"], "text");
  const store = new DenoKvStore(kv, { remote: false });
  await assertRejects(() => store.getMany([["a"]]), Error, 'Cannot read entry ["a"]');
  await store.close();
});

Deno.test("DenoKvStore given writers of two handles on one file, then every raise of a counter counts", () =>
  withDirectory(async (directory) => {
    const open = async () => new DenoKvStore(await Deno.openKv(`${directory}/node.db`), { remote: false });
    const stores = [await open(), await open()];
    const raise = async (store: DenoKvStore): Promise<void> => {
      for (;;) {
        const [entry] = await store.getMany([["count"]]);
        const value = Uint8Array.of((entry?.value[0] ?? 0) + 1);
        const check = { key: ["count"], versionstamp: entry?.versionstamp };
        if (await store.commit([{ kind: "set", key: ["count"], value }], [check])) return;
      }
    };
    await Promise.all(stores.map(async (store) => {
      for (let i = 0; i < 20; i++) await raise(store);
    }));
    assertEquals((await stores[0]?.getMany([["count"]]))?.[0]?.value, Uint8Array.of(40));
    for (const store of stores) await store.close();
  }));
