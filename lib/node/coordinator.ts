import { DhtError } from "../core/errors.ts";
import type { HybridLogicalClock, Version } from "../core/hlc.ts";
import { addressOf, type LiveLayouts, type OwnerId, readNeeds, writeNeeds } from "../core/layout.ts";
import { partitionOf } from "../core/partition.ts";
import { allOwners, type QuorumNeed } from "../core/quorum.ts";
import { headOf, type RecordHead, type StoredRecord } from "../core/record.ts";
import { ReadState } from "../core/read_state.ts";
import { WriteState } from "../core/write_state.ts";
import type { Clock } from "../ports/clock.ts";
import { asDhtError, type Peers } from "./peers.ts";
import { type Exchange, isLayoutMismatch } from "./exchange.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { Written } from "./service.ts";

/** How long a request may go on asking, stamping and asking again. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Silence after which a read asks further owners. */
const HEDGE_MS = 250;
/** Why the wait for further owners ended: one value for all, as an error of its own for each read would be costly. */
const SILENCE_BROKEN = new Error("A reply came in time");
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
    const { peers } = this.#deps;
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
    for (const owner of allOwners(needs)) {
      peers.ask(owner, live, "write", { ...place, record, mode: "client" }).then((answer) => {
        seen.existed ||= answer.hadValue;
        if (answer.held !== undefined) state.refuse(owner, answer.held);
        else state.acknowledge(owner);
      }, (error) => {
        failures.push(asDhtError(error));
        state.fail(owner);
      }).then(decide);
    }
    return await promise;
  }
}

type WriteAttempt =
  | { readonly kind: "written"; readonly written: Written }
  | { readonly kind: "stale"; readonly above: Version; readonly error: DhtError }
  | { readonly kind: "mismatch"; readonly error: DhtError }
  | { readonly kind: "failed"; readonly error: DhtError };

/** One quorum read under one pair of live layouts. */
class QuorumReader {
  readonly #deps: CoordinatorDeps;
  readonly #place: Place;
  readonly #live: LiveLayouts;
  readonly #needs: readonly QuorumNeed<OwnerId>[];
  readonly #state: ReadState;
  readonly #retries: { repaired: number };
  readonly #waiting: OwnerId[];
  readonly #records = new Map<OwnerId, StoredRecord>();
  readonly #reasons: string[] = [];
  #asked = 0;
  #mismatch: DhtError | undefined;
  #wake: () => void = () => {};

  constructor(deps: CoordinatorDeps, place: Place, live: LiveLayouts, retries: { repaired: number }) {
    this.#deps = deps;
    this.#place = place;
    this.#live = live;
    this.#retries = retries;
    this.#needs = readNeeds(live, place.partition);
    this.#state = new ReadState(this.#needs);
    this.#waiting = preferred(allOwners(this.#needs), deps.keeper.selfId, deps.peers);
  }

  async run(): Promise<QuorumRead | undefined> {
    this.#askMinimum();
    for (;;) {
      if (this.#mismatch !== undefined) throw this.#mismatch;
      const step = this.#state.step();
      switch (step.kind) {
        case "absent":
          return undefined;
        case "fail":
          throw unreachable(this.#place.key, this.#needs, [...this.#state.replies.keys()], this.#reasons);
        case "wait":
          await this.#nextReply();
          break;
        case "found": {
          const read = await this.#finish(step.head, step.holders, step.stale);
          if (read !== undefined) return read;
        }
      }
    }
  }

  /** Fetches the bytes if need be, and repairs; `undefined` if that changed what is known, so that it must be judged anew. */
  async #finish(
    newest: RecordHead,
    holders: readonly OwnerId[],
    stale: readonly OwnerId[],
  ): Promise<QuorumRead | undefined> {
    const record = await this.#recordOf(newest, holders);
    if (record === undefined) return undefined;
    const source = holders.find((owner) => this.#records.get(owner) === record)!;
    if (stale.length === 0) return { record, source, holders, live: this.#live };
    await Promise.all(stale.map((owner) => this.#repair(owner, source, record, newest)));
    return undefined;
  }

  async #recordOf(newest: RecordHead, holders: readonly OwnerId[]): Promise<StoredRecord | undefined> {
    for (const owner of holders) {
      const record = this.#records.get(owner);
      if (record !== undefined) return record;
    }
    const owner = holders[0]!;
    if (newest.kind !== "value") {
      const tombstone = {
        kind: "tombstone",
        version: newest.version,
        expired: newest.kind === "expired",
      } as const;
      this.#records.set(owner, tombstone);
      return tombstone;
    }
    await this.#askRecord(owner);
    return undefined;
  }

  async #repair(owner: OwnerId, source: OwnerId, record: StoredRecord, head: RecordHead): Promise<void> {
    try {
      await this.#deps.exchange.give({ peer: owner, live: this.#live, source }, this.#place, record);
      this.#retries.repaired++;
      // What it answered before is not what it holds now: it must not be taken for the newest.
      this.#records.delete(owner);
      this.#state.reply(owner, head);
    } catch (error) {
      this.#lose(owner, error);
    }
  }

  /** Asks as few owners as can suffice: the record of the first, the head of the others. */
  #askMinimum(): void {
    const planned = new Set<string>();
    for (const owner of this.#waiting) {
      const helps = this.#needs.some((need) =>
        need.owners.includes(owner) &&
        need.owners.filter((other) => planned.has(other)).length < need.required
      );
      if (helps) planned.add(owner);
    }
    const first = this.#waiting.filter((owner) => planned.has(owner));
    this.#waiting.splice(0, this.#waiting.length, ...this.#waiting.filter((owner) => !planned.has(owner)));
    first.forEach((owner) => this.#ask(owner));
  }

  #ask(owner: OwnerId): void {
    void (this.#asked++ === 0 ? this.#askRecord(owner) : this.#askHead(owner)).then(() => this.#wake());
  }

  async #askRecord(owner: OwnerId): Promise<void> {
    try {
      const { record } = await this.#deps.peers.ask(owner, this.#live, "read", this.#place);
      if (record !== undefined) this.#records.set(owner, record);
      this.#state.reply(owner, record === undefined ? undefined : headOf(record));
    } catch (error) {
      this.#lose(owner, error);
    }
  }

  async #askHead(owner: OwnerId): Promise<void> {
    try {
      // Strictly: a damaged copy, taken for none, could outvote the deletion or the value that it was.
      const ask = { items: [this.#place], strict: true };
      const { heads } = await this.#deps.peers.ask(owner, this.#live, "heads", ask);
      this.#state.reply(owner, heads[0]);
    } catch (error) {
      this.#lose(owner, error);
    }
  }

  /** Gives an owner up, and asks the next in its place. */
  #lose(owner: OwnerId, error: unknown): void {
    const failure = asDhtError(error);
    if (failure.code === "layout_mismatch") this.#mismatch ??= failure;
    this.#reasons.push(failure.message);
    this.#state.fail(owner);
    this.#records.delete(owner);
    const next = this.#waiting.shift();
    if (next !== undefined) this.#ask(next);
  }

  /** Waits for a reply; after a silence, asks all who have not been asked. */
  async #nextReply(): Promise<void> {
    const reply = new Promise<void>((resolve) => this.#wake = resolve);
    if (this.#waiting.length === 0) return await reply;
    const silence = new AbortController();
    const hedge = this.#deps.clock.sleep(HEDGE_MS, silence.signal).then(
      () => this.#waiting.splice(0).forEach((owner) => this.#ask(owner)),
      () => {},
    );
    await Promise.race([reply, hedge]);
    silence.abort(SILENCE_BROKEN);
  }
}

/** Owners in the order in which they are best asked: this node itself, those that answer, the others. */
function preferred(owners: readonly OwnerId[], self: OwnerId, peers: Peers): OwnerId[] {
  const cost = (owner: OwnerId) => owner === self ? 0 : peers.isDown(addressOf(owner)) ? 2 : 1;
  return [...owners].sort((a, b) => cost(a) - cost(b));
}

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

function unreachable(
  key: string,
  needs: readonly QuorumNeed<OwnerId>[],
  answered: readonly OwnerId[],
  reasons: readonly string[],
): DhtError {
  const required = Math.max(...needs.map((need) => need.required));
  return new DhtError(
    "read_quorum_unreachable",
    `Cannot read key "${key}": ${answered.length} of its owners answered, ${required} are required`,
    { asked: allOwners(needs).map(addressOf), answered: answered.map(addressOf), required, reasons },
  );
}
