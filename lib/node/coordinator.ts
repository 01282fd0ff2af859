import { DhtError } from "../core/errors.ts";
import type { HybridLogicalClock, Version } from "../core/hlc.ts";
import { addressOf, type LiveLayouts, type OwnerId, readNeeds, writeNeeds } from "../core/layout.ts";
import { partitionOf } from "../core/partition.ts";
import { allOwners, type QuorumNeed } from "../core/quorum.ts";
import type { StoredRecord } from "../core/record.ts";
import { WriteState } from "../core/write_state.ts";
import type { Clock } from "../ports/clock.ts";
import { asDhtError, type Peers } from "./peers.ts";
import { type Exchange, isLayoutMismatch } from "./exchange.ts";
import type { HintedHandoff } from "./hinted_handoff.ts";
import { preferred, QuorumReader } from "./quorum_reader.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Written } from "./service.ts";

/** How long a request may go on asking, stamping and asking again. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Wait before a request that met other layouts is made again: the other side is catching up. */
const CATCH_UP_MS = 20;

/** Where a key is. */
export interface Place {
  readonly partition: number;
  readonly key: string;
}

/** Makes the record to be written, once its version is known. */
export type RecordMaker = (version: Version) => StoredRecord;

/** The newest record of a key, and who of those that were asked holds it. */
export interface QuorumRead {
  readonly record: StoredRecord;
  /** The owner the record came from: the id of its blob is valid there. */
  readonly source: OwnerId;
  readonly holders: readonly OwnerId[];
  readonly live: LiveLayouts;
}

/** What a coordinator needs of its node. */
export interface CoordinatorDeps {
  readonly keeper: RingKeeper;
  readonly peers: Peers;
  readonly exchange: Exchange;
  readonly hlc: HybridLogicalClock;
  readonly clock: Clock;
  /** Told which owners missed a write. */
  readonly hints: Pick<HintedHandoff, "missed">;
}

/** Serves one client's request against the owners of its key. */
export class Coordinator {
  readonly #deps: CoordinatorDeps;
  /** Requests that had to be stamped or asked again, for the metrics. */
  readonly retries = { restamped: 0, layout: 0, repaired: 0 };

  constructor(deps: CoordinatorDeps) {
    this.#deps = deps;
  }

  /** Where a key is in this ring. */
  place(key: string): Place {
    return { key, partition: partitionOf(key, this.#deps.keeper.state.partitions) };
  }

  /**
   * Writes a record to all owners of its key; answers when a majority of them, in
   * each live layout, has it on disk.
   *
   * An owner that holds something newer refuses; the record is then stamped above
   * that and sent again, so that no write is acknowledged below an earlier one.
   *
   * @throws {DhtError} "write_outcome_unknown" if too few acknowledged within the deadline.
   */
  async write(place: Place, make: RecordMaker, signal?: AbortSignal): Promise<Written> {
    const { keeper, clock, hlc } = this.#deps;
    const deadline = clock.monotonicMs() + REQUEST_TIMEOUT_MS;
    const seen = { existed: false };
    let above: Version | undefined;
    for (;;) {
      const { live } = keeper;
      const record = make(hlc.issue(clock.nowMs(), above));
      const attempt = await this.#attemptWrite(live, place, record, seen);
      if (attempt.kind === "written") return attempt.written;
      const late = clock.monotonicMs() >= deadline || signal?.aborted === true;
      if (attempt.kind === "failed" || late) throw attempt.error;
      // Never below its own first stamp: that may be on an owner already.
      above = attempt.kind === "stale" ? attempt.above : record.version;
      this.retries[attempt.kind === "stale" ? "restamped" : "layout"]++;
      if (attempt.kind === "mismatch") await clock.sleep(CATCH_UP_MS);
    }
  }

  /**
   * The newest record of a key, as a read quorum of its owners in each live
   * layout knows it. Owners of that quorum that held less are repaired before it is answered.
   *
   * @returns `undefined` where no owner of the quorum knows the key; a deletion is a record.
   * @throws {DhtError} "read_quorum_unreachable"
   */
  read(place: Place, signal?: AbortSignal): Promise<QuorumRead | undefined> {
    const { keeper } = this.#deps;
    const attempt = () => new QuorumReader(this.#deps, place, keeper.live, this.retries).run();
    return this.underLiveLayouts(attempt, signal);
  }

  /** Does `work`, which reads, again while it meets nodes that live by other layouts; both sides catch up meanwhile. */
  async underLiveLayouts<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { clock } = this.#deps;
    const deadline = clock.monotonicMs() + REQUEST_TIMEOUT_MS;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isLayoutMismatch(error) || clock.monotonicMs() >= deadline || signal?.aborted === true) {
          throw error;
        }
        this.retries.layout++;
        await clock.sleep(CATCH_UP_MS);
      }
    }
  }

  /** The record of the first owner that answers with one: fast, and perhaps not the newest. */
  async readOne(place: Place): Promise<QuorumRead | undefined> {
    const { keeper, peers } = this.#deps;
    const { live } = keeper;
    const needs = readNeeds(live, place.partition);
    const owners = preferred(allOwners(needs), keeper.selfId, peers);
    const reasons: string[] = [];
    for (const owner of owners) {
      try {
        const { record } = await peers.ask(owner, live, "read", place);
        if (record !== undefined) return { record, source: owner, holders: [owner], live };
      } catch (error) {
        reasons.push(asDhtError(error).message);
      }
    }
    if (reasons.length < owners.length) return undefined;
    throw new DhtError(
      "read_quorum_unreachable",
      `Cannot read key "${place.key}": none of its owners answered`,
      {
        asked: owners.map(addressOf),
        answered: [],
        required: 1,
        reasons,
      },
    );
  }

  /** Sends one version to all owners; settles as soon as the outcome is certain, the rest finishes behind it. */
  async #attemptWrite(
    live: LiveLayouts,
    place: Place,
    record: StoredRecord,
    seen: { existed: boolean },
  ): Promise<WriteAttempt> {
    const { peers, hints } = this.#deps;
    const needs = writeNeeds(live, place.partition);
    const state = new WriteState(needs);
    const failures: DhtError[] = [];
    const { promise, resolve } = Promise.withResolvers<WriteAttempt>();
    const decide = () => {
      const step = state.step();
      if (step.kind === "wait") return;
      const acknowledged = [...state.acknowledged].map(addressOf);
      if (step.kind === "succeed") {
        const valueBytes = record.kind === "value" ? record.valueBytes : 0;
        const written = { version: record.version, valueBytes, acknowledged, existed: seen.existed };
        return resolve({ kind: "written", written });
      }
      const error = unknownOutcome(place.key, needs, acknowledged, failures);
      if (failures.some(isLayoutMismatch)) return resolve({ kind: "mismatch", error });
      resolve(
        step.kind === "restamp" ? { kind: "stale", above: step.above, error } : { kind: "failed", error },
      );
    };
    const owners = allOwners(needs);
    const missed: OwnerId[] = [];
    let waiting = owners.length;
    // Once all have answered or failed. A write that is stamped or asked anew is looked at then.
    const noteMissed = () => {
      const { kind } = state.step();
      const isFinal = kind === "succeed" || (kind === "fail" && !failures.some(isLayoutMismatch));
      if (--waiting === 0 && isFinal && missed.length > 0) {
        hints.missed(place, { acknowledged: state.acknowledged, missed });
      }
    };
    for (const owner of owners) {
      peers.ask(owner, live, "write", { ...place, record, mode: "client" }).then((answer) => {
        seen.existed ||= answer.hadValue;
        if (answer.held !== undefined) state.refuse(owner, answer.held);
        else state.acknowledge(owner);
      }, (error) => {
        failures.push(asDhtError(error));
        state.fail(owner);
        missed.push(owner);
      }).then(decide).then(noteMissed);
    }
    return await promise;
  }
}

type WriteAttempt =
  | { readonly kind: "written"; readonly written: Written }
  | { readonly kind: "stale"; readonly above: Version; readonly error: DhtError }
  | { readonly kind: "mismatch"; readonly error: DhtError }
  | { readonly kind: "failed"; readonly error: DhtError };

function unknownOutcome(
  key: string,
  needs: readonly QuorumNeed<OwnerId>[],
  acknowledged: readonly string[],
  failures: readonly DhtError[],
): DhtError {
  const required = Math.max(...needs.map((need) => need.required));
  const reasons = failures.map((failure) => failure.message);
  // Named apart from the other causes, because trying again does not cure it.
  const full = failures.length > 0 && failures.every((failure) => failure.code === "disk_full");
  return new DhtError(
    full ? "disk_full" : "write_outcome_unknown",
    `Cannot write key "${key}": received ${acknowledged.length} of ${required} acknowledgements`,
    {
      asked: allOwners(needs).map(addressOf),
      acknowledged,
      required,
      received: acknowledged.length,
      reasons,
    },
  );
}
