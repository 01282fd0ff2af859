import { DhtError } from "../core/errors.ts";
import { isDue } from "../core/expiry.ts";
import { unpackIndexEntry } from "../core/index_entry.ts";
import { compareKeys } from "../core/key_order.ts";
import { KeyPageCursor } from "../core/key_page.ts";
import { addressOf, liveIds, type LiveLayouts, type OwnerId, readNeeds } from "../core/layout.ts";
import { isMet } from "../core/quorum.ts";
import { type ReadCover, readCover } from "../core/read_cover.ts";
import { isNewer, type RecordHead } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import { horizonOf, type MergedKey, mergedKeys, type OwnerPage } from "./listing_pages.ts";
import { asDhtError } from "./peer_errors.ts";
import type { Peers } from "./peers.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { KeyPage, ListedKey } from "./service.ts";

const OWN_LANE = { lane: "own", timeoutMs: 15_000 } as const;
/** Keys asked of each node at a time, at least: deletions among them take room and are not shown. */
const MIN_FETCH = 64;
/** Rounds after which a page is handed out though not full, so that a million deletions hold up nobody. */
const MAX_ROUNDS = 20;

interface ListingDeps {
  readonly keeper: RingKeeper;
  readonly peers: Peers;
  readonly clock: Clock;
}

interface PageAsk {
  readonly prefix: string;
  readonly after: string | undefined;
  readonly limit: number;
}

/**
 * Lists the keys of the whole ring: the newest version of each, over a read
 * quorum of every partition's owners in each live layout.
 *
 * A full page names a key to go on behind even where there are no more.
 *
 * @throws {DhtError} "read_quorum_unreachable" rather than a silent gap.
 */
export async function listKeys(
  deps: ListingDeps,
  options: { readonly prefix: string; readonly after?: string; readonly limit: number },
): Promise<KeyPage> {
  const { live } = deps.keeper;
  const keys: ListedKey[] = [];
  let after = options.after;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const wanted = options.limit - keys.length;
    const limit = Math.max(MIN_FETCH, wanted);
    const page = { prefix: options.prefix, after, limit };
    const pages = await askEnough(deps, live, page);
    const horizon = horizonOf(pages);
    const found = take(deps, mergedKeys(live, deps.keeper.state.partitions, pages), { horizon, wanted });
    for (const merged of await confirmed(deps, live, page, found)) keys.push(listed(live, merged));
    if (found.length === wanted) return { keys, next: found.at(-1)!.key };
    if (horizon === undefined) return { keys };
    after = horizon;
  }
  return { keys, ...(after === undefined ? {} : { next: after }) };
}

/** The first keys with a value, as many as are wanted; none behind the horizon. */
function take(
  { clock }: ListingDeps,
  keys: Iterable<MergedKey>,
  { horizon, wanted }: { readonly horizon: string | undefined; readonly wanted: number },
): MergedKey[] {
  const found: MergedKey[] = [];
  const nowMs = clock.nowMs();
  for (const merged of keys) {
    if (horizon !== undefined && compareKeys(merged.key, horizon) > 0) break;
    if (!isShown(merged.head, nowMs)) continue;
    found.push(merged);
    if (found.length === wanted) break;
  }
  return found;
}

function isShown(head: RecordHead, nowMs: number): boolean {
  return head.kind === "value" && !isDue(head, nowMs);
}

/**
 * Has the holders of keys that another owner lacks say again what they hold. An owner may have answered before it
 * heard of a deletion, and another after it had forgotten that: it forgets only what all owners have confirmed, so
 * by now the first holds the deletion, or nothing.
 */
async function confirmed(
  deps: ListingDeps,
  live: LiveLayouts,
  page: PageAsk,
  found: readonly MergedKey[],
): Promise<readonly MergedKey[]> {
  const missed = found.filter(({ isMissed }) => isMissed);
  if (missed.length === 0) return found;
  const newest = new Map<string, RecordHead>();
  const asks = liveIds(live).map(async (owner) => {
    const items = missed.filter(({ holders }) => holders.includes(owner));
    if (items.length === 0) return;
    const heads = await headsNow(deps, live, owner, items).catch((error: unknown) => {
      if (asDhtError(error).code !== "corrupt_value") throw error;
      return headsInIndex(deps, live, owner, { page, items });
    });
    items.forEach(({ key }, i) => {
      const head = heads[i];
      if (isNewerHead(head, newest.get(key))) newest.set(key, head);
    });
  });
  await Promise.all(asks);
  const nowMs = deps.clock.nowMs();
  return found.flatMap((merged) => {
    if (!merged.isMissed) return [merged];
    const head = newest.get(merged.key);
    return head !== undefined && isShown(head, nowMs) ? [{ ...merged, head }] : [];
  });
}

async function headsNow(
  { peers }: ListingDeps,
  live: LiveLayouts,
  owner: OwnerId,
  items: readonly MergedKey[],
): Promise<readonly (RecordHead | undefined)[]> {
  const places = items.map(({ partition, key }) => ({ partition, key }));
  const { heads } = await peers.ask(owner, live, "heads", { items: places, strict: true }, OWN_LANE);
  return heads;
}

/**
 * What an owner's index says by now: it tells of a key whose record is damaged as well, and of all others the same
 * as the records. More than one page only where keys were added to it since.
 */
async function headsInIndex(
  deps: ListingDeps,
  live: LiveLayouts,
  owner: OwnerId,
  { page, items }: { readonly page: PageAsk; readonly items: readonly MergedKey[] },
): Promise<readonly (RecordHead | undefined)[]> {
  const said = new Map<string, RecordHead>();
  const last = items.at(-1)!.key;
  let after = page.after;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { cursor, next, damaged } = await askOne(deps, live, owner, { ...page, after });
    if (items.some(({ partition }) => damaged.includes(partition))) break;
    for (; !cursor.isDone; cursor.next()) said.set(cursor.key, unpackIndexEntry(cursor.packed).head);
    if (next === undefined || compareKeys(next, last) >= 0) return items.map(({ key }) => said.get(key));
    after = next;
  }
  throw new DhtError(
    "corrupt_value",
    `Cannot list keys: what ${addressOf(owner)} holds of some is damaged, and its index does not tell`,
  );
}

function isNewerHead(head: RecordHead | undefined, than: RecordHead | undefined): head is RecordHead {
  return head !== undefined && isNewer(head, than);
}

/** The same page of the index of as many members as it takes; of all, where one of those does not answer. */
async function askEnough(deps: ListingDeps, live: LiveLayouts, ask: PageAsk): Promise<OwnerPage[]> {
  const { asked, spared } = coverOf(deps, live);
  const failures: DhtError[] = [];
  const askThose = async (owners: readonly OwnerId[]) => {
    const pages = await Promise.all(owners.map(async (owner): Promise<OwnerPage | undefined> => {
      try {
        return await askOne(deps, live, owner, ask);
      } catch (error) {
        failures.push(asDhtError(error));
        return undefined;
      }
    }));
    const mismatch = failures.find((failure) => failure.code === "layout_mismatch");
    if (mismatch !== undefined) throw mismatch;
    return pages.filter((page) => page !== undefined);
  };
  const pages = await askThose(asked);
  if (failures.length === 0 && pages.every(({ damaged }) => damaged.length === 0)) return pages;
  pages.push(...await askThose(spared));
  requireCoverage(live, deps.keeper.state.partitions, pages, failures);
  return pages;
}

async function askOne(
  { peers }: ListingDeps,
  live: LiveLayouts,
  owner: OwnerId,
  ask: PageAsk,
): Promise<OwnerPage> {
  const { page, next, damaged } = await peers.ask(owner, live, "listKeys", ask, OWN_LANE);
  return { owner, cursor: new KeyPageCursor(page), next, damaged };
}

const COVERS = new WeakMap<LiveLayouts, { readonly order: string; readonly cover: ReadCover }>();

/** Whom to ask, kept while nothing changes. Those that are down are spared first, this node never. */
function coverOf({ keeper, peers }: ListingDeps, live: LiveLayouts): ReadCover {
  const ids = liveIds(live);
  const self = ids.indexOf(keeper.selfId);
  // Behind this node in the ring, so that nodes spare different ones.
  const others = [...ids.slice(self + 1), ...ids.slice(0, Math.max(0, self))];
  const isDown = (owner: OwnerId) => peers.isDown(addressOf(owner));
  const candidates = [...others.filter(isDown), ...others.filter((owner) => !isDown(owner))];
  const order = candidates.join(" ");
  const known = COVERS.get(live);
  if (known?.order === order) return known.cover;
  const cover = readCover(live, keeper.state.partitions, candidates);
  COVERS.set(live, { order, cover });
  return cover;
}

/**
 * Throws unless each partition's owners are among those that answered. One that has left out a damaged key has not
 * answered for its partition.
 */
function requireCoverage(
  live: LiveLayouts,
  partitions: number,
  answered: readonly OwnerPage[],
  failures: readonly DhtError[],
): void {
  const asked = liveIds(live);
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

function listed(live: LiveLayouts, { key, partition, head }: MergedKey): ListedKey {
  const { version, valueBytes, contentType, expiresMs } = head;
  const nodes = live.newest.addresses(partition);
  const found = { key, partition, version, valueBytes, contentType, nodes };
  return expiresMs === undefined ? found : { ...found, expiresMs };
}
