import { zonesOf } from "./advice.ts";
import { addressOf, type LiveLayouts, type OwnerId, readNeeds, writeNeeds } from "./layout.ts";
import { isReachable, type QuorumNeed } from "./quorum.ts";

/** What a ring can bear now. */
export interface Health {
  /** Partitions of which a read quorum, and a write quorum, is out of reach. */
  readonly unreadable: number;
  readonly unwritable: number;
  /** Partitions with fewer copies within reach than they have owners, and the stores that miss. */
  readonly thin: ReadonlySet<number>;
  readonly missing: readonly OwnerId[];
  /** Nodes that may fail, whichever they are, with every key readable still; and writable, too. */
  readonly spareToRead: number;
  readonly spareToWrite: number;
  /** Whether all nodes of any one zone may fail at once; false where fewer than two zones are named. */
  readonly zoneMayFail: boolean;
}

/** Looks at every partition. `isDown` tells which stores do not answer: now, or never again. */
export function healthOf(
  live: LiveLayouts,
  partitions: number,
  isDown: (owner: OwnerId) => boolean,
): Health {
  const missing = new Set<OwnerId>();
  const thin = new Set<number>();
  const health = { unreadable: 0, unwritable: 0, spareToRead: Infinity, spareToWrite: Infinity };
  for (let partition = 0; partition < partitions; partition++) {
    // The base's owners are those that hold all of it.
    const lost = live.base.owners(partition).filter(isDown);
    if (lost.length > 0) thin.add(partition);
    for (const owner of lost) missing.add(owner);
    const toRead = spareOf(readNeeds(live, partition), isDown);
    const toWrite = spareOf(writeNeeds(live, partition), isDown);
    if (toRead < 0) health.unreadable++;
    if (toWrite < 0) health.unwritable++;
    health.spareToRead = Math.min(health.spareToRead, Math.max(0, toRead));
    health.spareToWrite = Math.min(health.spareToWrite, Math.max(0, toWrite));
  }
  return {
    ...health,
    thin,
    missing: [...missing].sort(),
    zoneMayFail: zoneMayFail(live, partitions, isDown),
  };
}

/** How many more owners may go before some need is out of reach; negative where one is. */
function spareOf(needs: readonly QuorumNeed<OwnerId>[], isDown: (owner: OwnerId) => boolean): number {
  return Math.min(...needs.map(({ owners, required }) => {
    const up = owners.filter((owner) => !isDown(owner)).length;
    return up - required;
  }));
}

function zoneMayFail(live: LiveLayouts, partitions: number, isDown: (owner: OwnerId) => boolean): boolean {
  const zones = zonesOf(live.newest.data.members);
  if (zones.size < 2) return false;
  return [...zones.values()].every((members) => {
    const zone = new Set(members.map(({ address }) => address));
    const isLost = (owner: string) => isDown(owner) || zone.has(addressOf(owner));
    for (let partition = 0; partition < partitions; partition++) {
      if (!isReachable(writeNeeds(live, partition), isLost)) return false;
    }
    return true;
  });
}
