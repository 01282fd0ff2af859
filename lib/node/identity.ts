import { decode, encode } from "@msgpack/msgpack";
import type { Random } from "../ports/random.ts";
import { DatabaseError } from "../ports/store.ts";
import type { Identity, StateStore } from "./ring_keeper.ts";

/** Format of everything this version stores; a database of a greater one was written by a newer version. */
const DATABASE_FORMAT = 1;

const IDENTITY_STATE = "identity";

/**
 * Who a node is, by its database: a store id made when the database was, and
 * the number of starts since, which is raised and on disk before the node says anything.
 *
 * @throws {DatabaseError} "newer" for the database of a newer version, "foreign" for that of a node with another address.
 */
export async function nextIncarnation(store: StateStore, random: Random, address: string): Promise<Identity> {
  const known = await store.loadState(IDENTITY_STATE);
  const [storeId, incarnation] = known === undefined ? [random.hex(8), 0] : readIdentity(known, address);
  const identity = { address, storeId, incarnation: incarnation + 1 };
  await store.saveState(
    IDENTITY_STATE,
    encode([DATABASE_FORMAT, identity.storeId, identity.incarnation, identity.address]),
  );
  return identity;
}

function readIdentity(bytes: Uint8Array, address: string): [storeId: string, incarnation: number] {
  const [format, storeId, incarnation, storedAddress] = decode(bytes) as [number, string, number, string];
  if (format > DATABASE_FORMAT) {
    throw new DatabaseError(
      "newer",
      `Cannot use this database: its format is ${format} and this version knows ${DATABASE_FORMAT}; ` +
        "start it with the version of MyDHT that wrote it, or a later one",
    );
  }
  if (storedAddress !== address) {
    throw new DatabaseError(
      "foreign",
      `Cannot use this database: it belongs to node ${storedAddress}, not to ${address}; ` +
        `start that node with its own address, or name another directory with --data`,
    );
  }
  return [storeId, incarnation];
}
