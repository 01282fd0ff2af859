/**
 * Reads and writes of a key that together are linearizable, whatever any clock shows and whoever fails meanwhile:
 * as Attiya, Bar-Noy and Dolev have it ("Sharing memory robustly in message-passing systems", 1995), with many writers.
 *
 * - A write asks a majority for the greatest version they hold, and writes above it; a read asks a majority, and
 *   has a majority hold what it answers. Whoever comes later meets a majority that holds at least that version, so
 *   in the order of versions no operation comes before one that had ended when it began.
 * - A write has one version for ever. Stamped again, it could take effect twice, with another's write between. So
 *   when the layouts change, the same version is sent again; and where it fails, its outcome is unknown.
 * - An owner that holds a greater version of the key acknowledges: it holds "at least that". The greater one is of a
 *   write that this one did not meet when it asked, so of one that had not ended by then: the two are concurrent, and
 *   this one counts as having come just before, and been overwritten at once. Nobody reads it, or only until the other
 *   is seen, as a majority holds one or the other.
 * - Only an owner in the base does so: one that is to become an owner may hold what it had kept from an earlier time,
 *   and sets it aside once it knows better. The same version is then sent again until the change is done.
 * - That is wrong for keys that are also written otherwise. Such a write is stamped again until a majority takes it as
 *   it is, so the version that an owner holds may be one that is given up: its write comes again, above
 *   everything, also above what was read and written in between.
 * - A floor is no version of this key: an owner that refuses for its floor alone holds nothing, and acknowledges nothing.
 *   The first phase asks for floors, too, so this takes a collection between the two phases.
 * - Majorities are those of writes in each live layout, in both phases: of an even number of owners a read quorum
 *   is smaller, and two of them need not meet.
 */
import type { Version } from "../core/hlc.ts";
import { writeNeeds } from "../core/layout.ts";
import type { Clock } from "../ports/clock.ts";
import type { Place, RecordMaker } from "./coordinator.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Client, Written } from "./service.ts";
import type { Stamper } from "./stamper.ts";
import { survey } from "./survey.ts";
import { writeRound, type WriteRoundDeps, writtenAs } from "./write_round.ts";

/** Wait before a round that met other layouts is made again: the other side is catching up. */
const CATCH_UP_MS = 20;
/** Wait before a round that met owners which still pull their share is made again. */
const SETTLE_MS = 200;

/** What a strong write needs of its coordinator. */
export interface StrongWriteDeps extends WriteRoundDeps {
  readonly keeper: Pick<RingKeeper, "live">;
  readonly clock: Clock;
  readonly stamper: Stamper;
  /** Does work again while it meets nodes that live by other layouts. */
  underLiveLayouts<T>(work: () => Promise<T>): Promise<T>;
}

/** When a write ends whose outcome is still open. */
export interface WriteLimits {
  /** By the monotonic clock. */
  readonly deadlineMs: number;
  readonly client: Client | undefined;
}

/**
 * Writes a record above all that a majority holds, once.
 *
 * @throws {DhtError} "read_quorum_unreachable" if too few owners answered the first phase: nothing was written then;
 * "write_outcome_unknown" if too few acknowledged the second.
 */
export async function writeStrongly(
  deps: StrongWriteDeps,
  place: Place,
  make: RecordMaker,
  limits: WriteLimits,
): Promise<Written> {
  const { keeper, peers, clock } = deps;
  const known = await deps.underLiveLayouts(() => survey(peers, keeper.live, place));
  const record = make(versionAbove(deps.stamper, known));
  for (;;) {
    const { live } = keeper;
    const needs = writeNeeds(live, place.partition);
    const round = { live, needs, place, record, mode: "admitted", greater: "acknowledged" } as const;
    const end = await writeRound(deps, round);
    if (end.kind === "written") return writtenAs(record, end.acknowledged, known.hasValue);
    const late = clock.monotonicMs() >= limits.deadlineMs || limits.client?.signal.aborted === true;
    if (late || (end.kind !== "mismatch" && end.kind !== "unsettled")) throw end.error;
    await clock.sleep(end.kind === "mismatch" ? CATCH_UP_MS : SETTLE_MS);
  }
}

/** What a coordinator that does not know the others' clocks yet has been told by the owners is better than nothing. */
function versionAbove(
  stamper: Stamper,
  { greatest, quorumMs }: { readonly greatest: Version | undefined; readonly quorumMs: number },
): Version {
  return stamper.issue(greatest, stamper.isBlind ? quorumMs : undefined).version;
}
