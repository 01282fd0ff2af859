import { DhtError } from "../core/errors.ts";
import { compareOptionalVersions, type Version } from "../core/hlc.ts";
import {
  addressOf,
  allNeeds,
  type LiveLayouts,
  type OwnerId,
  ownsInBase,
  readNeeds,
  writeNeeds,
} from "../core/layout.ts";
import { allOwners, isMet, type QuorumNeed } from "../core/quorum.ts";
import { headOf, type RecordHead, type StoredRecord } from "../core/record.ts";
import { ReadState } from "../core/read_state.ts";
import type { CoordinatorDeps, Place, QuorumRead } from "./coordinator.ts";
import { asDhtError } from "./peer_errors.ts";
import type { Peers } from "./peers.ts";
import type { Answer } from "../wire.ts";

/** Silence after which a read asks further owners. */
export const HEDGE_MS = 250;
/** Why the wait for further owners ended: one value for all, as an error of its own for each read would be costly. */
const SILENCE_BROKEN = new Error("A reply came in time");

/**
 * Whom a read asks, and who must hold what it answers. "quorum": owners enough to meet every acknowledged write;
 * "strong": a majority; "all": every owner. In each live layout.
 */
export type ReadStrength = "quorum" | "strong" | "all";

/** One quorum read under some live layouts, from where `quickRead` has left it. */
export class QuorumReader {
  readonly #deps: CoordinatorDeps;
  readonly #place: Place;
  readonly #live: LiveLayouts;
  readonly #needs: readonly QuorumNeed<OwnerId>[];
  /** Who must hold what is answered. */
  readonly #holding: readonly QuorumNeed<OwnerId>[];
  readonly #state: ReadState;
  readonly #retries: { repaired: number };
  readonly #waiting: OwnerId[];
  readonly #records = new Map<OwnerId, StoredRecord>();
  /** When each owner was asked last, and has answered, by a count of both. */
  readonly #askedAt = new Map<OwnerId, number>();
  readonly #answeredAt = new Map<OwnerId, number>();
  #moments = 0;
  /** Floors that came with an answer; one that came without may be any. */
  readonly #floors = new Map<OwnerId, Version | undefined>();
  readonly #reasons: string[] = [];
  #mismatch: DhtError | undefined;
  #wake: () => void = () => {};

  constructor(
    deps: CoordinatorDeps,
    place: Place,
    live: LiveLayouts,
    retries: { repaired: number },
    strength: ReadStrength = "quorum",
  ) {
    this.#deps = deps;
    this.#place = place;
    this.#live = live;
    this.#retries = retries;
    this.#holding = (strength === "all" ? allNeeds : writeNeeds)(live, place.partition);
    this.#needs = strength === "quorum" ? readNeeds(live, place.partition) : this.#holding;
    this.#state = new ReadState(this.#needs, (owner) => this.#isBaseOwner(owner));
    this.#waiting = preferred(allOwners(this.#needs), deps.keeper.selfId, deps.peers);
  }

  /** Takes over a read for which these owners have been asked: the record of the first, the heads of the others. */
  adopt(asked: readonly OwnerId[]): void {
    for (const owner of asked) this.#askedAt.set(owner, ++this.#moments);
    this.#waiting.splice(0, this.#waiting.length, ...this.#waiting.filter((owner) => !asked.includes(owner)));
  }

  /** Asks all who have not been asked. */
  askRest(): void {
    this.#waiting.splice(0).forEach((owner) => void this.#askHead(owner));
  }

  /** Reads on, from what has been asked and answered. */
  async goOn(): Promise<QuorumRead | undefined> {
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
    const read = { record, source, holders, live: this.#live };
    if (stale.length === 0) return read;
    // Another owner pulls it from one of the base: only those surely hold nothing that was deleted and forgotten.
    const giver = this.#isBaseOwner(source) ? source : holders.find((owner) => this.#isBaseOwner(owner))!;
    if (this.#isWritten(holders)) {
      // No later read can miss it: the others may catch up behind the answer.
      stale.forEach((owner) => void this.#give(owner, giver, record).catch(() => {}));
      return read;
    }
    const doubtful = newest.kind === "value" ? this.#doubtful(newest, holders, stale) : [];
    if (doubtful.length > 0) await Promise.all(doubtful.map((owner) => this.#askAgain(owner)));
    else if (newest.chunked && this.#waiting.length > 0) await this.#askOthers();
    else await Promise.all(stale.map((owner) => this.#repair(owner, giver, record, newest)));
    return undefined;
  }

  /**
   * Holders that were asked before one that holds less had answered, where that may have forgotten a deletion of what
   * they hold: they have confirmed it meanwhile, and what they answered is from before.
   */
  #doubtful(newest: RecordHead, holders: readonly OwnerId[], stale: readonly OwnerId[]): OwnerId[] {
    const forgetful = stale.filter((owner) =>
      !this.#floors.has(owner) || compareOptionalVersions(newest.version, this.#floors.get(owner)) <= 0
    );
    const since = Math.max(-1, ...forgetful.map((owner) => this.#answeredAt.get(owner) ?? -1));
    return holders.filter((owner) => (this.#askedAt.get(owner) ?? 0) < since);
  }

  async #askAgain(owner: OwnerId): Promise<void> {
    if (!this.#records.delete(owner)) return await this.#askHead(owner);
    await this.#askRecord(owner);
  }

  #isBaseOwner(owner: OwnerId): boolean {
    return ownsInBase(this.#live, this.#place.partition, owner);
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
      await this.#give(owner, source, record);
      // What it answered before is not what it holds now: it must not be taken for the newest.
      this.#records.delete(owner);
      this.#askedAt.set(owner, ++this.#moments);
      this.#state.reply(owner, head);
    } catch (error) {
      this.hearFailure(owner, error);
    }
  }

  async #give(owner: OwnerId, source: OwnerId, record: StoredRecord): Promise<void> {
    const to = { peer: owner, live: this.#live, source };
    if (!await this.#deps.exchange.give(to, this.#place, record)) {
      const message = `Cannot repair ${
        addressOf(owner)
      }: it could not make sure that the key was not deleted`;
      throw new DhtError("peer_unreachable", message);
    }
    this.#retries.repaired++;
  }

  /** Whether enough owners hold it for a write of it to have been acknowledged. */
  #isWritten(holders: readonly OwnerId[]): boolean {
    return isMet(this.#holding, (owner) => holders.includes(owner));
  }

  /** A large value takes long to repair: an owner that was not asked yet may make that needless. */
  async #askOthers(): Promise<void> {
    const patience = new AbortController();
    const replies = Promise.all(this.#waiting.splice(0).map((owner) => this.#askHead(owner)));
    const silence = this.#deps.clock.sleep(HEDGE_MS, patience.signal).catch(() => {});
    await Promise.race([replies, silence]);
    patience.abort(SILENCE_BROKEN);
  }

  async #askRecord(owner: OwnerId): Promise<void> {
    this.#askedAt.set(owner, ++this.#moments);
    await this.#deps.peers.ask(owner, this.#live, "read", this.#place).then(
      (answer) => this.hearRecord(owner, answer),
      (error) => this.hearFailure(owner, error),
    );
  }

  async #askHead(owner: OwnerId): Promise<void> {
    this.#askedAt.set(owner, ++this.#moments);
    // Strictly: a damaged copy, taken for none, could outvote the deletion or the value that it was.
    const ask = { items: [this.#place], strict: true };
    await this.#deps.peers.ask(owner, this.#live, "heads", ask).then(
      (answer) => this.hearHead(owner, answer),
      (error) => this.hearFailure(owner, error),
    );
  }

  /** An owner has answered with its record. */
  hearRecord(owner: OwnerId, { record }: Answer<"read">): void {
    this.#answeredAt.set(owner, ++this.#moments);
    this.#floors.delete(owner);
    if (record !== undefined) this.#records.set(owner, record);
    this.#state.reply(owner, record === undefined ? undefined : headOf(record));
    this.#wake();
  }

  /** An owner has answered with its head. */
  hearHead(owner: OwnerId, { heads, floors }: Answer<"heads">): void {
    this.#answeredAt.set(owner, ++this.#moments);
    this.#floors.set(owner, floors[0]?.floor);
    this.#state.reply(owner, heads[0]);
    this.#wake();
  }

  /** An owner is given up, and the next asked in its place. */
  hearFailure(owner: OwnerId, error: unknown): void {
    const failure = asDhtError(error);
    if (failure.code === "layout_mismatch") this.#mismatch ??= failure;
    this.#reasons.push(failure.message);
    this.#state.fail(owner);
    this.#records.delete(owner);
    const next = this.#waiting.shift();
    if (next !== undefined) void this.#askHead(next);
    this.#wake();
  }

  /** Waits for a reply; after a silence, asks all who have not been asked. */
  async #nextReply(): Promise<void> {
    const reply = new Promise<void>((resolve) => this.#wake = resolve);
    if (this.#waiting.length === 0) return await reply;
    const silence = new AbortController();
    const hedge = this.#deps.clock.sleep(HEDGE_MS, silence.signal).then(
      () => this.askRest(),
      () => {},
    );
    await Promise.race([reply, hedge]);
    silence.abort(SILENCE_BROKEN);
  }
}

/**
 * Owners in the order in which they are best asked: this node itself, those that answer, the others.
 *
 * Each kind begins with who comes next behind this node, in the order of the names: so what one node asks goes to few
 * others, many questions to a message, and what all nodes ask is spread over all of them.
 */
export function preferred(
  owners: readonly OwnerId[],
  self: OwnerId,
  peers: Pick<Peers, "isDown">,
): OwnerId[] {
  const best: OwnerId[] = [];
  const down: OwnerId[] = [];
  for (const owner of owners) {
    if (owner !== self) (peers.isDown(addressOf(owner)) ? down : best).push(owner);
  }
  const behindSelf = (a: OwnerId, b: OwnerId) => Number(a < self) - Number(b < self) || (a < b ? -1 : 1);
  best.sort(behindSelf);
  if (owners.includes(self)) best.unshift(self);
  return down.length === 0 ? best : best.concat(down.sort(behindSelf));
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
