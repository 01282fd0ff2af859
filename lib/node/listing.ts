import { DhtError } from "../core/errors.ts";
import { compareKeys } from "../core/key_order.ts";
import { isDue } from "../core/expiry.ts";
import { addressOf, liveIds, type LiveLayouts, type OwnerId, ownsInBase, readNeeds } from "../core/layout.ts";
import { isMet } from "../core/quorum.ts";
import { compareHeads, type RecordHead } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import { asDhtError, type Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { KeyPage, ListedKey } from "./service.ts";

const LIST_TIMEOUT_MS = 15_000;
/** Keys asked of each node at a time, at least: deletions among them take room and are not shown. */
const MIN_FETCH = 64;
/** Rounds after which a page is handed out though not full, so that a million deletions hold up nobody. */
const MAX_ROUNDS = 20;

interface IndexPage {
  readonly owner: OwnerId;
  readonly entries: readonly {
    readonly key: string;
    readonly partition: number;
    readonly head: RecordHead;
  }[];
  readonly next: string | undefined;
  /** Partitions of which a key was left out because its record is damaged. */
  readonly damaged: readonly number[];
}

interface Merged {
  readonly partition: number;
  readonly head: RecordHead;
}

/**
 * Lists the keys of the whole ring: the newest version of each, over a read
 * quorum of every partition's owners in each live layout.
 *
 * @throws {DhtError} "read_quorum_unreachable" rather than a silent gap.
 */
export async function listKeys(
  deps: { readonly keeper: RingKeeper; readonly peers: Peers; readonly clock: Clock },
  options: { readonly prefix: string; readonly after?: string; readonly limit: number },
): Promise<KeyPage> {
  const { live } = deps.keeper;
  const keys: ListedKey[] = [];
  let after = options.after;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const wanted = options.limit - keys.length;
    const pages = await askAll(deps, live, {
      prefix: options.prefix,
      after,
      limit: Math.max(MIN_FETCH, wanted),
    });
    // What lies behind the first page that was cut off is not known completely yet.
    const horizon = pages.map((page) => page.next).filter((next) => next !== undefined).sort(compareKeys)[0];
    const merged = merge(live, pages, horizon);
    const sorted = [...merged].sort(([a], [b]) => compareKeys(a, b));
    for (const [key, { partition, head }] of sorted) {
      if (head.kind !== "value" || isDue(head, deps.clock.nowMs())) continue;
      if (keys.length === options.limit) return { keys, next: keys.at(-1)!.key };
      keys.push(listed(live, key, partition, head));
    }
    if (horizon === undefined) return { keys };
    after = horizon;
  }
  return { keys, ...(after === undefined ? {} : { next: after }) };
}

/**
 * The same page of every member's index; throws unless each partition's owners are among those that answered. One
 * that has left out a damaged key has not answered for its partition.
 */
async function askAll(
  deps: { readonly keeper: RingKeeper; readonly peers: Peers },
  live: LiveLayouts,
  ask: { readonly prefix: string; readonly after: string | undefined; readonly limit: number },
): Promise<IndexPage[]> {
  const members = liveIds(live);
  const failures: DhtError[] = [];
  const pages = await Promise.all(members.map(async (owner): Promise<IndexPage | undefined> => {
    try {
      const options = { lane: "own", timeoutMs: LIST_TIMEOUT_MS } as const;
      return { owner, ...await deps.peers.ask(owner, live, "listKeys", ask, options) };
    } catch (error) {
      failures.push(asDhtError(error));
      return undefined;
    }
  }));
  const answered = pages.filter((page) => page !== undefined);
  const mismatch = failures.find((failure) => failure.code === "layout_mismatch");
  if (mismatch !== undefined) throw mismatch;
  if (failures.length > 0 || answered.some(({ damaged }) => damaged.length > 0)) {
    requireCoverage(live, deps.keeper.state.partitions, members, answered, failures);
  }
  return answered;
}

function requireCoverage(
  live: LiveLayouts,
  partitions: number,
  asked: readonly OwnerId[],
  answered: readonly IndexPage[],
  failures: readonly DhtError[],
): void {
  const have = new Map<string, ReadonlySet<number>>(
    answered.map(({ owner, damaged }) => [owner, new Set(damaged)]),
  );
  const answers = (owner: string, partition: number) => have.get(owner)?.has(partition) === false;
  for (let partition = 0; partition < partitions; partition++) {
    if (isMet(readNeeds(live, partition), (owner) => answers(owner, partition))) continue;
    throw new DhtError(
      "read_quorum_unreachable",
      `Cannot list keys: ${answered.length} of ${asked.length} nodes answered, too few to know every partition`,
      {
        asked: asked.map(addressOf),
        answered: answered.map((page) => addressOf(page.owner)),
        partition,
        reasons: failures.map((failure) => failure.message),
      },
    );
  }
}

/**
 * The newest of every key up to the horizon. Only owners of the base count: leftovers elsewhere, also at nodes that
 * are about to be owners, may be older than a forgotten deletion. What was acknowledged is on a quorum of the base.
 */
function merge(
  live: LiveLayouts,
  pages: readonly IndexPage[],
  horizon: string | undefined,
): Map<string, Merged> {
  const merged = new Map<string, Merged>();
  for (const page of pages) {
    for (const { key, partition, head } of page.entries) {
      if (horizon !== undefined && compareKeys(key, horizon) > 0) break;
      const held = merged.get(key);
      if (held !== undefined && compareHeads(head, held.head) <= 0) continue;
      if (ownsInBase(live, partition, page.owner)) merged.set(key, { partition, head });
    }
  }
  return merged;
}

function listed(live: LiveLayouts, key: string, partition: number, head: RecordHead): ListedKey {
  const { version, valueBytes, contentType, expiresMs } = head;
  return {
    ...(expiresMs === undefined ? {} : { expiresMs }),
    key,
    partition,
    version,
    valueBytes,
    contentType,
    nodes: live.newest.owners(partition).map(addressOf),
  };
}
