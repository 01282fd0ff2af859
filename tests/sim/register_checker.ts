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
 * @param operations Of one key, in the order in which they began.
 * @returns A sentence for each violation.
 */
export function checkRegister(operations: readonly Operation[], rules: RegisterRules): string[] {
  return new RegisterCheck(operations, rules).run();
}

class RegisterCheck {
  readonly #operations: readonly Operation[];
  readonly #rules: RegisterRules;
  readonly #writes: readonly Operation[];
  readonly #bounds = new Map<Operation, Bound | undefined>();
  readonly #valueOfVersion = new Map<string, Operation>();
  readonly #violations: string[] = [];

  constructor(operations: readonly Operation[], rules: RegisterRules) {
    this.#operations = operations;
    this.#rules = rules;
    this.#writes = operations.filter(({ kind }) => kind !== "get");
  }

  run(): string[] {
    for (const operation of this.#operations) {
      const { outcome } = operation;
      const before = this.#boundBefore(operation);
      this.#bounds.set(operation, this.#boundOf(operation, before));
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
    const write = this.#writes.find((candidate) => candidate.value === value && candidate.kind === "put");
    if (write === undefined || write.startMs > read.endMs) {
      return this.#report("a value nobody wrote was read", read);
    }
    if (write.outcome.kind === "refused") {
      return this.#report("a value was read whose write had said that nothing was written", read, write);
    }
    const later = this.#replacedBy(write, read);
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
    const acknowledged = this.#writes.filter((write) => isAcknowledged(write) && write.endMs < read.startMs);
    if (acknowledged.length === 0 && before === undefined) return;
    const deletions = this.#writes.filter((write) =>
      write.kind === "delete" && write.startMs < read.endMs && write.outcome.kind !== "refused"
    );
    const possible = deletions.filter((deletion) => this.#replacedBy(deletion, read) === undefined);
    if (possible.length === 0) {
      return this.#report("an acknowledged value was not there", read, acknowledged.at(-1) ?? before!.by);
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

  /** An acknowledged write that came after `write` and was there before `read`: it must have hidden it. */
  #replacedBy(write: Operation, read: Operation): Operation | undefined {
    return this.#writes.find((later) =>
      isAcknowledged(later) && later.startMs > write.endMs && later.endMs < read.startMs
    );
  }

  /** The greatest bound of what had been answered when the operation began. */
  #boundBefore(operation: Operation): Bound | undefined {
    let greatest: Bound | undefined;
    for (const earlier of this.#operations) {
      if (earlier.startMs >= operation.startMs) break;
      if (earlier.endMs >= operation.startMs) continue;
      if (earlier.kind === "get" && !this.#rules.readsStick) continue;
      const bound = this.#bounds.get(earlier);
      if (bound !== undefined && (greatest === undefined || isGreater(bound, greatest))) greatest = bound;
    }
    return greatest;
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
