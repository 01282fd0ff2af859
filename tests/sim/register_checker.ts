import { compareVersions, formatVersion, type Version } from "../../lib/core/hlc.ts";
import { describe, type Operation } from "./history.ts";

/** Options of a check. */
export interface RegisterRules {
  /**
   * Whether also what only a read has shown, and nobody has acknowledged, must stay visible. True for
   * three copies or more; of two, a read asks one owner, which may be the only one that has it.
   */
  readonly readsStick: boolean;
}

/** What is known to be held at least: by a later reader, and exceeded by a later writer. */
interface Bound {
  readonly version: Version;
  /** Whether what is held is greater than that version: a deletion whose own version nobody was told. */
  readonly exceeded: boolean;
  readonly by: Operation;
}

/**
 * Checks what clients saw of one key against what they were promised. In
 * words, each sentence in real time, whatever the clocks say:
 *
 * - A read returns a value that somebody wrote, and did not call off.
 * - It does not return a value, or absence, that an acknowledged write had replaced before it began.
 * - It does not return less than an earlier read or write had: versions never go back.
 * - A write is acknowledged above everything acknowledged before it began.
 *
 * A write of unknown outcome may land at any later time.
 *
 * Takes a time that is that of sorting the operations.
 *
 * @param operations Of one key, in the order in which they began.
 * @returns A sentence for each violation.
 */
export function checkRegister(operations: readonly Operation[], rules: RegisterRules): string[] {
  return new RegisterCheck(operations, rules).run();
}

/** How many reads of a key were answered. */
export interface ReadCounts {
  readonly answered: number;
  /** Of these, after a deletion of unknown outcome, which explains absence for ever: absence would have passed. */
  readonly blind: number;
}

/** Counts reads by what the check could say of them. @param operations Of one key, in the order they began. */
export function countReads(operations: readonly Operation[]): ReadCounts {
  const answered = operations.filter(({ outcome }) => outcome.kind === "read");
  const { endless } = new Deletions(operations);
  const isBlind = ({ endMs }: Operation) => endless !== undefined && endless.startMs < endMs;
  return { answered: answered.length, blind: answered.filter(isBlind).length };
}

class RegisterCheck {
  readonly #operations: readonly Operation[];
  readonly #rules: RegisterRules;
  readonly #puts: ReadonlyMap<string, Operation>;
  readonly #deletions: Deletions;
  readonly #bounds = new Map<Operation, Bound>();
  readonly #valueOfVersion = new Map<string, Operation>();
  readonly #violations: string[] = [];
  /** Operations by their end; how many of them had ended before the present one began, and what these say. */
  readonly #byEnd: readonly Operation[];
  #ended = 0;
  #greatest: Bound | undefined;
  /** Of the acknowledged writes that had ended, the one that began last. */
  #latest: Operation | undefined;

  constructor(operations: readonly Operation[], rules: RegisterRules) {
    this.#operations = operations;
    this.#rules = rules;
    const puts = operations.filter(({ kind }) => kind === "put");
    this.#puts = new Map(puts.map((put) => [put.value ?? "", put]));
    this.#deletions = new Deletions(operations);
    this.#byEnd = operations.filter(({ endMs }) => endMs < Infinity).sort((a, b) => a.endMs - b.endMs);
  }

  run(): string[] {
    for (const operation of this.#operations) {
      const { outcome } = operation;
      this.#advanceTo(operation.startMs);
      const before = this.#greatest;
      const bound = this.#boundOf(operation, before);
      if (bound !== undefined) this.#bounds.set(operation, bound);
      if (outcome.kind === "acknowledged") this.#checkWrite(operation, outcome.version, before);
      if (outcome.kind !== "read") continue;
      if (outcome.version === undefined) this.#checkAbsence(operation, before);
      else this.#checkFound(operation, { value: outcome.value, version: outcome.version }, before);
    }
    return this.#violations;
  }

  #checkWrite(write: Operation, version: Version, before: Bound | undefined): void {
    if (before !== undefined && compareVersions(version, before.version) <= 0) {
      this.#report("a write was acknowledged, but not above what was there", write, before.by);
    }
    this.#checkVersion(write, write.value, version);
  }

  #checkFound(
    read: Operation,
    found: { readonly value: string | undefined; readonly version: Version },
    before: Bound | undefined,
  ): void {
    const { value, version } = found;
    const write = this.#puts.get(value ?? "");
    if (write === undefined || write.startMs > read.endMs) {
      return this.#report("a value nobody wrote was read", read);
    }
    if (write.outcome.kind === "refused") {
      return this.#report("a value was read whose write had said that nothing was written", read, write);
    }
    const later = this.#replacedBy(write);
    if (later !== undefined) {
      const what = later.kind === "delete" ? "a deleted value came back" : "an acknowledged write was lost";
      this.#report(what, read, write, later);
    } else if (before !== undefined && isBelow(version, before)) {
      this.#report("a read went back behind what was there before it began", read, before.by);
    }
    if (write.outcome.kind === "acknowledged" && compareVersions(version, write.outcome.version) > 0) {
      this.#report("a value was read with a version later than its write's last", read, write);
    }
    this.#checkVersion(read, value, version);
  }

  #checkAbsence(read: Operation, before: Bound | undefined): void {
    if (this.#latest === undefined && before === undefined) return;
    const possible = this.#deletions.possibleFor(read, this.#latest);
    if (possible.length === 0) {
      return this.#report("an acknowledged value was not there", read, this.#latest ?? before!.by);
    }
    const reaches = ({ outcome }: Operation) =>
      outcome.kind !== "acknowledged" || before === undefined || !isBelow(outcome.version, before);
    if (!possible.some(reaches)) {
      this.#report("a read went back to absence behind what was there before it began", read, before!.by);
    }
  }

  /** One version is one value, for ever. */
  #checkVersion(operation: Operation, value: string | undefined, version: Version): void {
    const name = formatVersion(version);
    const first = this.#valueOfVersion.get(name);
    if (first === undefined) this.#valueOfVersion.set(name, operation);
    else if (valueOf(first) !== value) this.#report("one version stands for two values", first, operation);
  }

  /** An acknowledged write that came after `write` and was there before the present read: it must have hidden it. */
  #replacedBy(write: Operation): Operation | undefined {
    return this.#latest !== undefined && this.#latest.startMs > write.endMs ? this.#latest : undefined;
  }

  /** Takes in what had been answered before that time: its bounds are known, as it began earlier still. */
  #advanceTo(startMs: number): void {
    for (;;) {
      const ended = this.#byEnd[this.#ended];
      if (ended === undefined || ended.endMs >= startMs) return;
      this.#ended++;
      if (isAcknowledged(ended) && (this.#latest === undefined || ended.startMs >= this.#latest.startMs)) {
        this.#latest = ended;
      }
      if (ended.kind === "get" && !this.#rules.readsStick) continue;
      const bound = this.#bounds.get(ended);
      if (bound !== undefined && (this.#greatest === undefined || isGreater(bound, this.#greatest))) {
        this.#greatest = bound;
      }
    }
  }

  #boundOf(operation: Operation, before: Bound | undefined): Bound | undefined {
    const { outcome } = operation;
    if (outcome.kind !== "acknowledged" && outcome.kind !== "read") return undefined;
    if (outcome.version !== undefined) return { version: outcome.version, exceeded: false, by: operation };
    if (before === undefined) return undefined;
    // Absence right after an acknowledged deletion says no more than that; after a value it says that one is gone.
    return before.by.kind === "delete" ? before : { version: before.version, exceeded: true, by: operation };
  }

  #report(what: string, ...operations: readonly Operation[]): void {
    this.#violations.push([what, ...operations.map((operation) => `    ${describe(operation)}`)].join("\n"));
  }
}

/** The deletions of a key that may have been made. */
class Deletions {
  /** Those that have ended, as they began; and the latest end of each and all before it. */
  readonly #ended: readonly Operation[];
  readonly #latestEnds: readonly number[];
  /** Of those that go on for ever, the first. */
  readonly endless: Operation | undefined;

  constructor(operations: readonly Operation[]) {
    const made = operations.filter(({ kind, outcome }) => kind === "delete" && outcome.kind !== "refused");
    this.endless = made.find(({ endMs }) => endMs === Infinity);
    this.#ended = made.filter(({ endMs }) => endMs < Infinity);
    let latestMs = -Infinity;
    this.#latestEnds = this.#ended.map(({ endMs }) => latestMs = Math.max(latestMs, endMs));
  }

  /** Those that a read of absence may have seen: begun before it ended, and not replaced by the write `latest`. */
  possibleFor(read: Operation, latest: Operation | undefined): Operation[] {
    const sinceMs = latest?.startMs ?? -Infinity;
    const found: Operation[] = [];
    if (this.endless !== undefined && this.endless.startMs < read.endMs) found.push(this.endless);
    for (let i = this.#begunBefore(read.endMs) - 1; i >= 0 && this.#latestEnds[i]! >= sinceMs; i--) {
      if (this.#ended[i]!.endMs >= sinceMs) found.push(this.#ended[i]!);
    }
    return found;
  }

  /** How many of those that have ended began before that time. */
  #begunBefore(ms: number): number {
    let [low, high] = [0, this.#ended.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ended[middle]!.startMs < ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isAcknowledged(operation: Operation): boolean {
  return operation.outcome.kind === "acknowledged";
}

function isBelow(version: Version, bound: Bound): boolean {
  const order = compareVersions(version, bound.version);
  return order < 0 || (order === 0 && bound.exceeded);
}

function isGreater(a: Bound, b: Bound): boolean {
  return compareVersions(a.version, b.version) > 0 ||
    (compareVersions(a.version, b.version) === 0 && a.exceeded && !b.exceeded);
}

function valueOf(operation: Operation): string | undefined {
  return operation.outcome.kind === "read" ? operation.outcome.value : operation.value;
}
