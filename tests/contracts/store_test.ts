import { MemoryDisk, MemoryStore } from "../../lib/adapters/memory_store.ts";
import { storeContract } from "./store_contract.ts";

storeContract("MemoryStore", () => {
  return Promise.resolve({ store: new MemoryStore(new MemoryDisk()), free: () => Promise.resolve() });
});
