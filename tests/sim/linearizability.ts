import { describe, type Operation } from "./history.ts";

/** States that are looked at for one key before the search gives up. */
const MAX_STATES = 200_000;

/** What a search came to. */
export type Linearization =
  | { readonly kind: "linearizable" }
  /** `stuck`: what could come next in the longest order that was found, and does not fit. */
  | { readonly kind: "violated"; readonly done: number; readonly stuck: readonly Operation[] }
  /** Too many orders to try them all: to be taken for a failure. */
  | { readonly kind: "undecided"; readonly states: number };

/**
 * Checks that the operations on one key could have taken effect one after the other, each between its call and its
 * answer.
 *
 * @returns A sentence, or none.
 */
export function checkLinearizable(operations: readonly Operation[]): string[] {
  const result = linearize(operations);
  if (result.kind === "linearizable") return [];
  const head = result.kind === "undecided"
    ? `whether the history of a key is linearizable was not decided within ${result.states} states`
    : `the history of a key is not linearizable: after ${result.done} operations none of these can be the next`;
  const shown = result.kind === "undecided" ? operations.slice(0, 1) : result.stuck;
  return [[head, ...shown.map((operation) => `    ${describe(operation)}`)].join("\n")];
}

/**
 * Searches for an order of the operations on one key that is that of a register, absent at first, and in which
 * none comes before one that had ended when it began: after Wing and Gong, "Testing and Verifying Concurrent
 * Objects", 1993, remembering the states that led nowhere, as Lowe and Porcupine do.
 *
 * Writes of unknown outcome may take effect at any time after their call, or never; unanswered reads and refused
 * writes are left out. What makes it fast, and loses no order:
 *
 * - A read that can be next and fits is next: it changes nothing.
 * - A put of unknown outcome that nobody has read never was; one that was read took effect before that was answered.
 * - A value that is still to be read is not replaced: it is put once, and would not come back.
 * - A deletion of unknown outcome is only worth having right before a read of absence, and of several that
 *   have been called any is as good: they are used in order.
 *
 * @param operations With values that are put once each.
 * @throws {TypeError} If a value is put twice.
 */
export function linearize(operations: readonly Operation[], maxStates = MAX_STATES): Linearization {
  return new Search(operations, maxStates).run();
}

/** An operation that must be in the order. */
interface Step {
  readonly operation: Operation;
  readonly isRead: boolean;
  /** What is written or was read. */
  readonly value: string | undefined;
  readonly startMs: number;
  readonly endMs: number;
}

/** A beginning of an order. */
interface State {
  /** All steps before this one are in it. */
  readonly first: number;
  /** Those after it that are, too, ascending. */
  readonly beyond: readonly number[];
  /** Deletions of unknown outcome that are, the first ones. */
  readonly deletions: number;
  readonly value: string | undefined;
}

class Search {
  readonly #steps: readonly Step[];
  /** Reads by what they read. */
  readonly #readsOf = new Map<string | undefined, number[]>();
  readonly #deletionStarts: readonly number[];
  readonly #maxStates: number;
  readonly #seen = new Set<string>();
  #stuck: { readonly done: number; readonly state: State } = {
    done: -1,
    state: { first: 0, beyond: [], deletions: 0, value: undefined },
  };

  constructor(operations: readonly Operation[], maxStates: number) {
    this.#steps = stepsOf(operations);
    this.#maxStates = maxStates;
    this.#steps.forEach(({ isRead, value }, i) => {
      if (isRead) this.#readsOf.set(value, [...this.#readsOf.get(value) ?? [], i]);
    });
    this.#deletionStarts = operations
      .filter((operation) => operation.kind === "delete" && isOpen(operation))
      .map(({ startMs }) => startMs)
      .sort((a, b) => a - b);
  }

  run(): Linearization {
    const open: State[] = [{ first: 0, beyond: [], deletions: 0, value: undefined }];
    for (let state = open.pop(); state !== undefined; state = open.pop()) {
      const read = this.#withReads(state);
      if (read.first === this.#steps.length) return { kind: "linearizable" };
      const name = `${read.first} ${read.beyond} ${read.deletions} ${read.value}`;
      if (this.#seen.has(name)) continue;
      if (this.#seen.size >= this.#maxStates) return { kind: "undecided", states: this.#maxStates };
      this.#seen.add(name);
      this.#note(read);
      open.push(...this.#after(read));
    }
    const { done, state } = this.#stuck;
    return { kind: "violated", done, stuck: this.#next(state).map((i) => this.#steps[i]!.operation) };
  }

  /** Steps that can be the next: begun before any other that is left had ended. */
  #next({ first, beyond }: State): number[] {
    const left: number[] = [];
    let endMs = Infinity;
    for (let i = first; i < this.#steps.length && this.#steps[i]!.startMs <= endMs; i++) {
      if (beyond.includes(i)) continue;
      left.push(i);
      endMs = Math.min(endMs, this.#steps[i]!.endMs);
    }
    return left.filter((i) => this.#steps[i]!.startMs <= endMs);
  }

  #withReads(state: State): State {
    for (;;) {
      const { value } = state;
      const read = this.#next(state).find((i) => this.#steps[i]!.isRead && this.#steps[i]!.value === value);
      if (read === undefined) return state;
      state = this.#with(state, read);
    }
  }

  /** What a beginning can be continued to; the most likely last. */
  #after(state: State): State[] {
    if (this.#isStillRead(state)) return [];
    const next = this.#next(state);
    const states = next.filter((i) => !this.#steps[i]!.isRead)
      .sort((a, b) => this.#steps[b]!.endMs - this.#steps[a]!.endMs)
      .map((i) => this.#with(state, i));
    const absent = next.some((i) => this.#steps[i]!.isRead && this.#steps[i]!.value === undefined);
    const deletionMs = this.#deletionStarts[state.deletions];
    const endMs = Math.min(...next.map((i) => this.#steps[i]!.endMs));
    if (absent && deletionMs !== undefined && deletionMs <= endMs) {
      states.push({ ...state, deletions: state.deletions + 1, value: undefined });
    }
    return states;
  }

  #isStillRead({ first, beyond, value }: State): boolean {
    return value !== undefined &&
      this.#readsOf.get(value)?.some((i) => i >= first && !beyond.includes(i)) === true;
  }

  #with(state: State, step: number): State {
    const beyond = new Set([...state.beyond, step]);
    let { first } = state;
    while (beyond.delete(first)) first++;
    const { isRead, value } = this.#steps[step]!;
    const sorted = [...beyond].sort((a, b) => a - b);
    return { ...state, first, beyond: sorted, value: isRead ? state.value : value };
  }

  #note(state: State): void {
    const done = state.first + state.beyond.length;
    if (done > this.#stuck.done) this.#stuck = { done, state };
  }
}

function stepsOf(operations: readonly Operation[]): Step[] {
  const readMs = new Map<string | undefined, number>();
  for (const { kind, outcome, endMs } of operations) {
    if (kind !== "get" || outcome.kind !== "read") continue;
    readMs.set(outcome.value, Math.min(endMs, readMs.get(outcome.value) ?? Infinity));
  }
  const steps = operations.flatMap((operation) => stepOf(operation, readMs) ?? []);
  const values = steps.flatMap(({ isRead, value }) => isRead || value === undefined ? [] : [value]);
  if (new Set(values).size < values.length) throw new TypeError("linearize() takes each value put once");
  return steps.sort((a, b) => a.startMs - b.startMs || a.endMs - b.endMs);
}

function stepOf(operation: Operation, readMs: ReadonlyMap<string | undefined, number>): Step | undefined {
  const { kind, outcome, startMs, endMs, value } = operation;
  const times = { operation, startMs, endMs };
  if (kind === "get") {
    return outcome.kind === "read" ? { ...times, isRead: true, value: outcome.value } : undefined;
  }
  if (outcome.kind === "acknowledged") return { ...times, isRead: false, value };
  if (kind === "delete" || !isOpen(operation) || !readMs.has(value)) return undefined;
  return { ...times, isRead: false, value, endMs: readMs.get(value)! };
}

/** Whether a write may have taken effect or not. */
function isOpen({ outcome }: Operation): boolean {
  return outcome.kind === "unknown" || outcome.kind === "pending";
}
