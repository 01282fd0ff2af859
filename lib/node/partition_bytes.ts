import { addressOf, type Layout } from "../core/layout.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";

/** How long an owner may take to say how many bytes its partitions have. */
const DIGESTS_TIMEOUT_MS = 10_000;

/**
 * Bytes of the values in each of the partitions: the most that any other of its owners in `layout` holds. An owner
 * that does not answer within ten seconds is left out, and so are partitions that no owner has told of.
 */
export async function bytesByPartition(
  { keeper, peers }: { readonly keeper: RingKeeper; readonly peers: Peers },
  layout: Layout,
  partitions: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const { live } = keeper;
  const found = new Map<number, number>();
  const askOwner = async (owner: string) => {
    const owned = partitions.filter((partition) => layout.owners(partition).includes(owner));
    if (owned.length === 0 || peers.isDown(addressOf(owner))) return;
    const options = { lane: "own", timeoutMs: DIGESTS_TIMEOUT_MS } as const;
    const { digests } = await peers.ask(owner, live, "digests", { partitions: owned }, options);
    const held = new Map(digests.map(({ partition, valueBytes }) => [partition, valueBytes]));
    for (const partition of owned) {
      found.set(partition, Math.max(found.get(partition) ?? 0, held.get(partition) ?? 0));
    }
  };
  await Promise.all(layout.ids.map((owner) => askOwner(owner).catch(() => {})));
  return found;
}
