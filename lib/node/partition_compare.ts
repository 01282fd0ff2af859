import { compareOptionalVersions } from "../core/hlc.ts";
import { type LiveLayouts, type OwnerId, ownsInBase } from "../core/layout.ts";
import type { Answer } from "../wire.ts";
import type { Pace } from "./background.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Storage } from "./storage.ts";
import type { Task } from "./tasks.ts";
import type { Yielding } from "./yielding.ts";

/**
 * How long scanning or digesting may take: a lost message holds up a pull for as long, and with it reads for which
 * the puller has to be repaired. Where more time is needed, as by the first digest after a start, which reads all heads
 * from the disk, the work goes on there, and who asks again finds it further on.
 */
const LOOK_TIMEOUT_MS = 10_000;

/** How messages are sent that look at whole partitions. */
export const LOOK = { lane: "own", timeoutMs: LOOK_TIMEOUT_MS } as const;

/** Partitions compared, and looked at, per message. */
const PARTITIONS_PER_ASK = 512;

/** What moving records needs of its node. */
export interface ExchangeDeps {
  readonly storage: Storage;
  readonly peers: Peers;
  readonly keeper: RingKeeper;
  /** Has requests go before what is fetched in the background is stored. */
  readonly bulk: Pick<Yielding, "run">;
}

/** One side of an exchange with one peer, under one pair of live layouts. */
export interface ExchangeScope {
  readonly peer: OwnerId;
  readonly live: LiveLayouts;
  readonly partitions: readonly number[];
  readonly signal: AbortSignal;
  readonly task: Task;
  /** Awaited before that many bytes are fetched or sent: keeps a background task to its rate. */
  readonly pace?: Pace;
  /** Called once all the peer holds newer of a partition is here. */
  readonly pulled?: (partition: number) => void;
}

/** A partition of which two owners do not hold the same. */
export interface Difference {
  readonly partition: number;
  /** Records here and at the peer, as far as they are whole. */
  readonly ours: number;
  readonly theirs: number;
}

/** Partitions in the parts in which they are compared, so that no message takes long to make up. */
export function inSlices(partitions: readonly number[]): number[][] {
  const slices: number[][] = [];
  for (let at = 0; at < partitions.length; at += PARTITIONS_PER_ASK) {
    slices.push(partitions.slice(at, at + PARTITIONS_PER_ASK));
  }
  return slices;
}

/** Those of a slice of partitions in which the two sides do not hold the same. Takes over floors of the peer's. */
export async function differences(
  deps: ExchangeDeps,
  scope: ExchangeScope,
  partitions: readonly number[],
): Promise<Difference[]> {
  const { peers, storage } = deps;
  const ask = { partitions };
  const { digests, floors } = await peers.ask(scope.peer, scope.live, "digests", ask, LOOK);
  await adoptFloors(deps, scope.live, floors);
  const theirs = new Map(digests.map((digest) => [digest.partition, digest]));
  const ours = await storage.digests(partitions);
  return partitions.flatMap((partition) => {
    const [own, other] = [ours.get(partition), theirs.get(partition)];
    if (own?.hash !== other?.hash || (other?.damaged ?? 0) > 0) {
      return [{ partition, ours: own?.records ?? 0, theirs: other?.records ?? 0 }];
    }
    scope.task.compared += own?.records ?? 0;
    return [];
  });
}

/** A node that is about to own a partition must refuse what its owners would. */
async function adoptFloors(
  { keeper, storage }: ExchangeDeps,
  live: LiveLayouts,
  floors: Answer<"digests">["floors"],
): Promise<void> {
  const higher = floors.filter(({ partition, floor }) =>
    !ownsInBase(live, partition, keeper.selfId) &&
    compareOptionalVersions(floor, storage.tombstones.floor(partition)) > 0
  );
  await Promise.all(
    higher.map(({ partition, floor }) => storage.tombstones.raiseFloor(partition, floor)),
  );
}
