import { DenoKvStore } from "../../lib/adapters/deno_kv_store.ts";
import { MemoryDisk, MemoryStore } from "../../lib/adapters/memory_store.ts";
import { storeContract } from "./store_contract.ts";

storeContract("MemoryStore", () => {
  return Promise.resolve({ store: new MemoryStore(new MemoryDisk()), free: () => Promise.resolve() });
});

storeContract("DenoKvStore", async () => {
  const directory = await Deno.makeTempDir({ prefix: "mydht-store-" });
  const store = new DenoKvStore(await Deno.openKv(`${directory}/node.db`), { remote: false });
  return { store, free: () => Deno.remove(directory, { recursive: true }) };
});
