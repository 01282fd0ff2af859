import { DhtError } from "../core/errors.ts";
import type { HybridLogicalClock, Version } from "../core/hlc.ts";
import {
  addressOf,
  allNeeds,
  type LiveLayouts,
  type OwnerId,
  readNeeds,
  writeNeeds,
} from "../core/layout.ts";
import { allOwners, fewestOwners } from "../core/quorum.ts";
import { partitionOf } from "../core/partition.ts";
import type { StoredRecord } from "../core/record.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { ClockSkew } from "./clock_skew.ts";
import { asDhtError } from "./peer_errors.ts";
import type { Peers } from "./peers.ts";
import type { Exchange } from "./exchange.ts";
import { isLayoutMismatch } from "./layout_mismatch.ts";
import { endedIfDue } from "./expiry.ts";
import type { HintedHandoff } from "./hinted_handoff.ts";
import { quickRead } from "./quick_read.ts";
import { HEDGE_MS, preferred, QuorumReader, type ReadStrength } from "./quorum_reader.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Client, WriteConsistency, Written } from "./service.ts";
import { Silences } from "./silences.ts";
import { Stamper } from "./stamper.ts";
import { type WriteLimits, writeStrongly } from "./strong.ts";
import { survey } from "./survey.ts";
import { writeRound, type WriteRoundEnd, writtenAs } from "./write_round.ts";

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
  readonly clockSkew: ClockSkew;
  readonly log: Log;
  /** Told which owners missed a write. */
  readonly hints: Pick<HintedHandoff, "missed">;
}

/** Options of a write. */
export interface WriteOptions {
  readonly consistency?: WriteConsistency | undefined;
  readonly client?: Client | undefined;
}

/** A write that is stamped anew where owners hold something newer. */
interface RestampedWrite {
  readonly place: Place;
  readonly make: RecordMaker;
  readonly consistency: "quorum" | "all";
  readonly limits: WriteLimits;
}

/** A record under one stamp, on its way. */
interface Attempt {
  readonly record: StoredRecord;
  readonly ended: Promise<WriteRoundEnd>;
}

/** Options of a read that asks more than one owner. */
export interface QuorumReadOptions {
  readonly consistency?: ReadStrength;
  readonly client?: Client | undefined;
}

/** Serves one client's request against the owners of its key. */
export class Coordinator {
  readonly #deps: CoordinatorDeps;
  /** Requests that had to be stamped or asked again, for the metrics. */
  readonly retries = { restamped: 0, ahead: 0, layout: 0, repaired: 0 };
  readonly #stamper: Stamper;
  readonly #silences: Silences;

  constructor(deps: CoordinatorDeps) {
    this.#deps = deps;
    this.#stamper = new Stamper(deps);
    this.#silences = new Silences(deps.clock, HEDGE_MS);
  }

  /** Where a key is in this ring. */
  place(key: string): Place {
    return { key, partition: partitionOf(key, this.#deps.keeper.state.partitions) };
  }

  /**
   * Writes a record to all owners of its key; answers when a majority of them, in
   * each live layout, has it on disk; with "all" when each of them has.
   *
   * An owner that holds something newer refuses; the record is then stamped above
   * that and sent again, so that no write is acknowledged below an earlier one. A strong write never is: see `strong.ts`.
   *
   * @throws {DhtError} "write_outcome_unknown" if too few acknowledged within the deadline.
   */
  write(
    place: Place,
    make: RecordMaker,
    { consistency = "quorum", client }: WriteOptions = {},
  ): Promise<Written> {
    const deadlineMs = this.#deps.clock.monotonicMs() + REQUEST_TIMEOUT_MS;
    const limits = { deadlineMs, client };
    if (consistency !== "strong") return this.#writeRestamping({ place, make, consistency, limits });
    const underLiveLayouts = <T>(work: () => Promise<T>) => this.underLiveLayouts(work, client);
    const deps = { ...this.#deps, stamper: this.#stamper, underLiveLayouts };
    return writeStrongly(deps, place, make, limits);
  }

  /** Short where the first attempt is taken, which is nearly always. */
  #writeRestamping(write: RestampedWrite): Promise<Written> {
    // A node that has just started may be far ahead unawares, and would take its own stamp for a good one.
    if (this.#stamper.isBlind) return this.#writeBlindly(write);
    const first = this.#attempt(write);
    return first.ended.then((end) =>
      end.kind === "written"
        ? writtenAs(first.record, end.acknowledged, end.existed)
        : this.#goOn(write, first, end, undefined)
    );
  }

  async #writeBlindly(write: RestampedWrite): Promise<Written> {
    const quorumMs = await this.#quorumMs(write.place, write.limits.client);
    const first = this.#attempt(write, undefined, quorumMs);
    return await this.#goOn(write, first, await first.ended, quorumMs);
  }

  #attempt({ place, make, consistency }: RestampedWrite, above?: Version, quorumMs?: number): Attempt {
    const { live } = this.#deps.keeper;
    const { version, mode } = this.#stamper.issue(above, quorumMs);
    const record = make(version);
    const patient = consistency === "all";
    const needs = (patient ? allNeeds : writeNeeds)(live, place.partition);
    const round = { live, needs, place, record, mode, greater: "refused", patient } as const;
    return { record, ended: writeRound(this.#deps, round) };
  }

  /** Stamps anew until the record is taken, or it cannot be. */
  async #goOn(
    write: RestampedWrite,
    { record, ended }: Attempt,
    end: WriteRoundEnd,
    quorumMs: number | undefined,
  ): Promise<Written> {
    const { clock } = this.#deps;
    const { place, limits: { deadlineMs, client } } = write;
    let existed = false;
    for (;; end = await ended) {
      existed ||= end.existed;
      if (end.kind === "written") return writtenAs(record, end.acknowledged, existed);
      const late = clock.monotonicMs() >= deadlineMs || client?.signal.aborted === true;
      if (end.kind === "failed" || late) throw end.error;
      this.retries[RETRY_OF[end.kind]]++;
      // Never below its own first stamp: that may be on an owner already.
      const above = "above" in end ? end.above : record.version;
      if (end.kind === "mismatch") await clock.sleep(CATCH_UP_MS);
      if (end.kind === "ahead") {
        quorumMs = await this.#quorumMs(place, client);
        if (quorumMs === undefined) throw end.error;
      }
      ({ record, ended } = this.#attempt(write, above, quorumMs));
    }
  }

  /**
   * The newest record of a key, as a read quorum of its owners in each live
   * layout knows it. Owners of that quorum that held less are repaired before it is answered.
   *
   * @param options.consistency "strong": of a majority, which then holds it; "all": of all owners, which then hold it.
   * @returns `undefined` where no owner of the quorum knows the key; a deletion is a record.
   * @throws {DhtError} "read_quorum_unreachable"
   */
  read(
    place: Place,
    { consistency = "quorum", client }: QuorumReadOptions = {},
  ): Promise<QuorumRead | undefined> {
    const { keeper } = this.#deps;
    const attempt = () => {
      const { live } = keeper;
      return endedIfDue(this.#deps, place, () => this.#readUnder(live, place, consistency));
    };
    return this.underLiveLayouts(attempt, client);
  }

  #readUnder(
    live: LiveLayouts,
    place: Place,
    strength: ReadStrength,
  ): Promise<QuorumRead | undefined> {
    const newReader = () => new QuorumReader(this.#deps, place, live, this.retries, strength);
    const { keeper, peers } = this.#deps;
    const needs = NEEDS[strength](live, place.partition);
    const order = preferred(allOwners(needs), keeper.selfId, peers);
    const asked = fewestOwners(needs, order, (owner) => peers.isDown(addressOf(owner)));
    const deps = { peers, silences: this.#silences };
    return quickRead(deps, { place, live, asked, newReader });
  }

  /** Does `work`, which reads, again while it meets nodes that live by other layouts; both sides catch up meanwhile. */
  async underLiveLayouts<T>(work: () => Promise<T>, client?: Client): Promise<T> {
    const { clock } = this.#deps;
    const deadline = clock.monotonicMs() + REQUEST_TIMEOUT_MS;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isLayoutMismatch(error) || clock.monotonicMs() >= deadline || client?.signal.aborted === true) {
          throw error;
        }
        this.retries.layout++;
        await clock.sleep(CATCH_UP_MS);
      }
    }
  }

  /** The record of the first owner that answers with one: fast, and perhaps not the newest. */
  readOne(place: Place): Promise<QuorumRead | undefined> {
    return this.underLiveLayouts(() => this.#readFirst(place));
  }

  async #readFirst(place: Place): Promise<QuorumRead | undefined> {
    const { keeper, peers } = this.#deps;
    const { live } = keeper;
    // Who is only about to own the key may have leftovers of what was deleted long ago.
    const owners = preferred(live.base.owners(place.partition), keeper.selfId, peers);
    const reasons: string[] = [];
    let mismatch: unknown;
    for (const owner of owners) {
      try {
        const { record } = await peers.ask(owner, live, "read", place);
        if (record !== undefined) return { record, source: owner, holders: [owner], live };
      } catch (error) {
        if (isLayoutMismatch(error)) mismatch = error;
        reasons.push(asDhtError(error).message);
      }
    }
    if (reasons.length < owners.length) return undefined;
    if (mismatch !== undefined) throw mismatch;
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

  /** What the clocks of a quorum have reached; `undefined` where too few owners answer. */
  async #quorumMs(place: Place, client: Client | undefined): Promise<number | undefined> {
    const { keeper, peers } = this.#deps;
    try {
      return (await this.underLiveLayouts(() => survey(peers, keeper.live, place), client)).quorumMs;
    } catch {
      return undefined;
    }
  }
}

/** Whom a read asks. */
const NEEDS = { quorum: readNeeds, strong: writeNeeds, all: allNeeds } as const;

/** What a failed round is counted as. */
const RETRY_OF = { stale: "restamped", ahead: "ahead", mismatch: "layout", unsettled: "layout" } as const;
