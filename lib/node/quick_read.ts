import type { LiveLayouts, OwnerId } from "../core/layout.ts";
import { compareHeads, headOf, type RecordHead, type StoredRecord } from "../core/record.ts";
import type { Answer, Outcome } from "../wire.ts";
import type { Place, QuorumRead } from "./coordinator.ts";
import type { Peers } from "./peers.ts";
import type { QuorumReader } from "./quorum_reader.ts";
import type { Silences, Waiter } from "./silences.ts";

/** What a quick read needs of its node. */
export interface QuickReadDeps {
  readonly peers: Peers;
  readonly silences: Silences;
}

/** Whom a read begins with. */
export interface QuickReadOptions {
  readonly place: Place;
  readonly live: LiveLayouts;
  /** Owners enough for a quorum in each live layout, one of which is asked for the record: the first. */
  readonly asked: readonly OwnerId[];
  /** Makes what goes on where this is not enough. */
  readonly newReader: () => QuorumReader;
}

/**
 * A read as it mostly goes: as few owners as suffice are asked, the record of one and the heads of the others, and all
 * answer the same, those of the base among them. In every other case what was answered is handed to a
 * `QuorumReader`, which goes on.
 */
export function quickRead(deps: QuickReadDeps, options: QuickReadOptions): Promise<QuorumRead | undefined> {
  return new QuickRead(deps, options).run();
}

class QuickRead implements Waiter {
  readonly #deps: QuickReadDeps;
  readonly #options: QuickReadOptions;
  readonly #asked: readonly OwnerId[];
  readonly #outcomes: (Outcome | undefined)[];
  readonly #end = Promise.withResolvers<QuorumRead | undefined>();
  #pending: number;
  #reader: QuorumReader | undefined;

  constructor(deps: QuickReadDeps, options: QuickReadOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#asked = options.asked;
    this.#pending = options.asked.length;
    this.#outcomes = this.#asked.map(() => undefined);
  }

  run(): Promise<QuorumRead | undefined> {
    const { peers, silences } = this.#deps;
    const { place, live } = this.#options;
    const [first, ...others] = this.#asked;
    peers.tell(first!, live, "read", place, (outcome) => this.#hear(0, outcome));
    others.forEach((owner, i) => {
      // Strictly: a damaged copy, taken for none, could outvote the deletion or the value that it was.
      const ask = { items: [place], strict: true };
      peers.tell(owner, live, "heads", ask, (outcome) => this.#hear(i + 1, outcome));
    });
    silences.watch(this);
    return this.#end.promise;
  }

  onSilence(): void {
    this.#goOn(true);
  }

  #hear(i: number, outcome: Outcome): void {
    if (this.#reader !== undefined) return this.#handOn(this.#reader, i, outcome);
    this.#outcomes[i] = outcome;
    this.#pending--;
    if (!outcome.ok) return this.#goOn(false);
    if (this.#pending > 0) return;
    const { record } = answerOf<"read">(this.#outcomes[0]!);
    const head = record && headOf(record);
    for (let at = 1; at < this.#outcomes.length; at++) {
      if (!isSame(head, answerOf<"heads">(this.#outcomes[at]!).heads[0])) return this.#goOn(false);
    }
    this.#deps.silences.forget(this);
    this.#end.resolve(record && this.#found(record));
  }

  #found(record: StoredRecord): QuorumRead {
    return { record, source: this.#asked[0]!, holders: this.#asked, live: this.#options.live };
  }

  /** Leaves the rest to a reader that knows what to do about whatever it was. */
  #goOn(isSilent: boolean): void {
    this.#deps.silences.forget(this);
    const reader = this.#options.newReader();
    this.#reader = reader;
    reader.adopt(this.#asked);
    this.#outcomes.forEach((outcome, i) => {
      if (outcome !== undefined) this.#handOn(reader, i, outcome);
    });
    if (isSilent) reader.askRest();
    reader.goOn().then(this.#end.resolve, this.#end.reject);
  }

  #handOn(reader: QuorumReader, i: number, outcome: Outcome): void {
    const owner = this.#asked[i]!;
    if (!outcome.ok) reader.hearFailure(owner, outcome.error);
    else if (i === 0) reader.hearRecord(owner, answerOf<"read">(outcome));
    else reader.hearHead(owner, answerOf<"heads">(outcome));
  }
}

function answerOf<Op extends "read" | "heads">(outcome: Outcome): Answer<Op> {
  return (outcome as Extract<Outcome, { ok: true }>).answer as Answer<Op>;
}

function isSame(a: RecordHead | undefined, b: RecordHead | undefined): boolean {
  return a === undefined || b === undefined ? a === b : compareHeads(a, b) === 0;
}
