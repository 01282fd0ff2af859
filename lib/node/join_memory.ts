import { decode, encode } from "@msgpack/msgpack";
import type { StateStore } from "./ring_keeper.ts";

const JOIN_STATE = "join";

/**
 * Writes down through whom a new store is to join a ring, before it begins: should it be started again before it
 * has, and nobody says so once more, it must not found a ring of its own.
 */
export async function rememberServers(store: StateStore, servers: readonly string[]): Promise<void> {
  await store.saveState(JOIN_STATE, encode(servers));
}

/** Through whom this store was to join a ring when it was started before; none where it was not to. */
export async function recallServers(store: StateStore): Promise<readonly string[]> {
  const known = await store.loadState(JOIN_STATE);
  return known === undefined ? [] : decode(known) as string[];
}
