import { DhtError } from "../core/errors.ts";
import { compareVersions, type Version } from "../core/hlc.ts";
import { addressOf, type LiveLayouts, type OwnerId, ownsInBase } from "../core/layout.ts";
import { allOwners, type QuorumNeed } from "../core/quorum.ts";
import type { StoredRecord } from "../core/record.ts";
import { WriteState } from "../core/write_state.ts";
import type { Answer, Outcome } from "../wire.ts";
import type { Place } from "./coordinator.ts";
import { isLayoutMismatch } from "./layout_mismatch.ts";
import type { HintedHandoff } from "./hinted_handoff.ts";
import type { Peers } from "./peers.ts";
import type { Written } from "./service.ts";
import { writeAsk } from "./write_ask.ts";

/** One version on its way to all owners of a key. */
export interface WriteRoundOptions {
  readonly live: LiveLayouts;
  /** Which owners must have it before it is acknowledged. */
  readonly needs: readonly QuorumNeed<OwnerId>[];
  readonly place: Place;
  readonly record: StoredRecord;
  readonly mode: "client" | "admitted";
  /**
   * What an owner's refusal counts for, that holds a greater version of the key. "refused": nothing, the write must be
   * stamped again. "acknowledged": it holds at least that, if it is an owner in the base; see `lib/node/strong.ts`.
   */
  readonly greater: "refused" | "acknowledged";
  /** Whether to hear all owners out where it fails, so that the error says who has it. */
  readonly patient?: boolean;
}

/** What a round needs of its node. */
export interface WriteRoundDeps {
  readonly peers: Pick<Peers, "ask" | "tell">;
  /** Told which owners missed a write. */
  readonly hints: Pick<HintedHandoff, "missed">;
}

/** How a round ended. `existed`: an owner held a value before. */
export type WriteRoundEnd = { readonly existed: boolean } & WriteVerdict;

type WriteVerdict =
  /** Enough owners have it. */
  | { readonly kind: "written"; readonly acknowledged: readonly string[] }
  /** Owners hold something greater: it must be stamped above that. */
  | { readonly kind: "stale"; readonly above: Version; readonly error: DhtError }
  /** Owners find it too far ahead of their clocks. `above`: what it may be stored as, or what is held. */
  | { readonly kind: "ahead"; readonly above: Version | undefined; readonly error: DhtError }
  /** Owners live by other layouts. */
  | { readonly kind: "mismatch"; readonly error: DhtError }
  /** Owners hold something greater, and may yet give it up, as they still pull their share of a new layout. */
  | { readonly kind: "unsettled"; readonly error: DhtError }
  | { readonly kind: "failed"; readonly error: DhtError };

/**
 * Sends one version to all owners of a key.
 *
 * @returns As soon as the outcome is certain; the rest finishes behind it.
 */
export function writeRound(deps: WriteRoundDeps, options: WriteRoundOptions): Promise<WriteRoundEnd> {
  return new WriteRound(deps, options).run();
}

/** What the client is told of a record that was written. */
export function writtenAs(record: StoredRecord, acknowledged: readonly string[], existed: boolean): Written {
  const valueBytes = record.kind === "value" ? record.valueBytes : 0;
  return { version: record.version, valueBytes, acknowledged, existed };
}

class WriteRound {
  readonly #deps: WriteRoundDeps;
  readonly #options: WriteRoundOptions;
  readonly #owners: readonly OwnerId[];
  readonly #state: WriteState;
  readonly #failures: DhtError[] = [];
  readonly #missed: OwnerId[] = [];
  /** Owners whose clocks are too far behind. */
  readonly #behind: OwnerId[] = [];
  /** Owners that surely did not store it. */
  #refusals = 0;
  #existed = false;
  #unsettled = false;
  #waiting: number;
  readonly #end = Promise.withResolvers<WriteRoundEnd>();
  #hasEnded = false;

  constructor(deps: WriteRoundDeps, options: WriteRoundOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#owners = allOwners(options.needs);
    this.#waiting = this.#owners.length;
    this.#state = new WriteState(options.needs);
  }

  run(): Promise<WriteRoundEnd> {
    const { live, place, record, mode } = this.#options;
    const ask = writeAsk(place, record, mode);
    for (const owner of this.#owners) {
      this.#deps.peers.tell(owner, live, "write", ask, (outcome) => this.#hear(owner, outcome));
    }
    return this.#end.promise;
  }

  #hear(owner: OwnerId, outcome: Outcome): void {
    if (outcome.ok) this.#note(owner, outcome.answer as Answer<"write">);
    else this.#miss(owner, outcome.error);
    this.#waiting--;
    const { kind } = this.#state.step();
    if (kind === "succeed") this.#endAsJudged();
    // What else came in the same turn is heard first: the more refusals are known, the better the next stamp.
    else if (kind !== "wait") void Promise.resolve().then(() => this.#endInFailure());
    if (this.#waiting === 0) this.#mend();
  }

  #endInFailure(): void {
    if (this.#waiting === 0 || this.#options.patient !== true) this.#endAsJudged();
  }

  #endAsJudged(): void {
    if (this.#hasEnded) return;
    const verdict = this.#judge();
    if (verdict === undefined) return;
    this.#hasEnded = true;
    this.#end.resolve({ ...verdict, existed: this.#existed });
  }

  #miss(owner: OwnerId, error: DhtError): void {
    this.#failures.push(error);
    this.#missed.push(owner);
    this.#state.fail(owner);
  }

  #note(owner: OwnerId, answer: Answer<"write">): void {
    this.#existed ||= answer.hadValue;
    const { greater, live, place } = this.#options;
    const holdsGreater = answer.kind === "stale" && greater === "acknowledged";
    const keepsGreater = holdsGreater && ownsInBase(live, place.partition, owner);
    if (answer.kind === "stored" || answer.kind === "duplicate" || keepsGreater) {
      return this.#state.acknowledge(owner);
    }
    this.#refusals++;
    this.#unsettled ||= holdsGreater;
    if (answer.kind === "ahead") this.#behind.push(owner);
    if (answer.held === undefined || greater === "acknowledged") this.#state.fail(owner);
    else this.#state.refuse(owner, answer.held);
  }

  #judge(): WriteVerdict | undefined {
    const { needs, place, record } = this.#options;
    const step = this.#state.step();
    if (step.kind === "wait") return undefined;
    const acknowledged = this.#state.acknowledged.map(addressOf);
    if (step.kind === "succeed") return { kind: "written", acknowledged };
    const error = unknownOutcome(place.key, needs, acknowledged, this.#failures);
    if (this.#failures.some(isLayoutMismatch)) return { kind: "mismatch", error };
    if (this.#unsettled) return { kind: "unsettled", error };
    const held = step.kind === "restamp" ? step.above : undefined;
    if (this.#behind.length > 0) {
      // Where it may be stored, or may be yet, a lower stamp would leave this one behind as the newest there.
      const isNowhere = this.#refusals === this.#owners.length;
      return { kind: "ahead", above: isNowhere ? held : greatest(record.version, held), error };
    }
    return held === undefined ? { kind: "failed", error } : { kind: "stale", above: held, error };
  }

  /** Once all have answered or failed: a write that is made anew is looked at then. */
  #mend(): void {
    const { live, place, record } = this.#options;
    const verdict = this.#judge();
    if (verdict?.kind !== "written" && verdict?.kind !== "failed") return;
    const { acknowledged } = this.#state;
    if (this.#missed.length > 0) this.#deps.hints.missed(place, { acknowledged, missed: this.#missed });
    // An owner whose clock is behind refuses a client's write, not a repair.
    for (const owner of this.#behind) {
      this.#deps.peers.ask(owner, live, "write", writeAsk(place, record, "merge"))
        .catch(() => this.#deps.hints.missed(place, { acknowledged, missed: [owner] }));
    }
  }
}

function greatest(version: Version, other: Version | undefined): Version {
  return other !== undefined && compareVersions(other, version) > 0 ? other : version;
}

/** Too few owners acknowledged: it may or may not land later. */
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
