import { formatVersion, type Version } from "../../lib/core/hlc.ts";

/** How an operation ended, as its client knows it. */
export type Outcome =
  | { readonly kind: "pending" }
  /** A write that was acknowledged. */
  | { readonly kind: "acknowledged"; readonly version: Version }
  /** A read that was answered; `value` and `version` are absent where there is no such key. */
  | { readonly kind: "read"; readonly value?: string; readonly version?: Version }
  /** A write that surely did not happen. */
  | { readonly kind: "refused"; readonly reason: string }
  /** A write that may have happened or may happen yet, or a read that was not answered. */
  | { readonly kind: "unknown"; readonly reason: string };

/** One operation of one client, with the virtual times of its call and its answer. */
export interface Operation {
  readonly id: number;
  readonly client: string;
  readonly kind: "put" | "get" | "delete";
  readonly key: string;
  /** Id of the value that a put writes. */
  readonly value?: string;
  /** Whether the put gave its value an end. */
  readonly expires?: boolean;
  readonly coordinator: string;
  readonly startMs: number;
  /** Infinity until it is answered, and for ever where that never was. */
  endMs: number;
  /** When the client of an operation of unknown outcome stopped waiting. Checkers must not go by it. */
  gaveUpMs?: number;
  outcome: Outcome;
}

/** All that the clients did and were told. */
export class History {
  readonly operations: Operation[] = [];
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Notes the call. */
  begin(call: Pick<Operation, "client" | "kind" | "key" | "value" | "expires" | "coordinator">): Operation {
    const operation: Operation = {
      ...call,
      id: this.operations.length,
      startMs: this.#nowMs(),
      endMs: Infinity,
      outcome: { kind: "pending" },
    };
    this.operations.push(operation);
    return operation;
  }

  /** Notes the answer. An unknown outcome has none: the operation goes on for ever. */
  end(operation: Operation, outcome: Outcome): void {
    operation.outcome = outcome;
    if (outcome.kind === "unknown") operation.gaveUpMs = this.#nowMs();
    else operation.endMs = this.#nowMs();
  }

  /** Operations by key. */
  byKey(): Map<string, Operation[]> {
    const groups = new Map<string, Operation[]>();
    for (const operation of this.operations) {
      const group = groups.get(operation.key);
      if (group === undefined) groups.set(operation.key, [operation]);
      else group.push(operation);
    }
    return groups;
  }

  /**
   * Share of the operations that overlapped another one of their key, each from its call until its client stopped
   * waiting: where there are none, little is tested.
   */
  overlapShare(): number {
    let overlapping = 0;
    for (const operations of this.byKey().values()) {
      let latestEnd = -Infinity;
      operations.forEach((operation, i) => {
        const next = operations[i + 1];
        const endMs = operation.gaveUpMs ?? operation.endMs;
        if (operation.startMs < latestEnd || (next !== undefined && next.startMs < endMs)) overlapping++;
        latestEnd = Math.max(latestEnd, endMs);
      });
    }
    return this.operations.length === 0 ? 0 : overlapping / this.operations.length;
  }
}

/** An operation in one line. */
export function describe(operation: Operation): string {
  const { id, client, kind, key, value, coordinator, startMs, endMs, outcome } = operation;
  const what = `${kind}${value === undefined ? "" : ` ${value}`}${operation.expires ? " that expires" : ""}`;
  const times = `${(startMs / 1000).toFixed(4)} to ${
    Number.isFinite(endMs) ? (endMs / 1000).toFixed(4) : "never"
  }`;
  return `${times}  #${id} ${client} at ${coordinator}: ${what} of ${key}: ${outcomeText(outcome)}`;
}

function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case "pending":
      return "pending";
    case "acknowledged":
      return `acknowledged as ${formatVersion(outcome.version)}`;
    case "read":
      return outcome.version === undefined
        ? "absent"
        : `found ${outcome.value} of version ${formatVersion(outcome.version)}`;
    case "refused":
    case "unknown":
      return `${outcome.kind}: ${outcome.reason}`;
  }
}
