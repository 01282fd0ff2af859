import type { Arena } from "./arena.ts";
import type { RowReport } from "./report.ts";

/** What a row is measured with. */
export interface RowContext {
  readonly arena: Arena;
  /** A tenth of the keys, and short loads. */
  readonly quick: boolean;
  /** Alternating rounds. */
  readonly rounds: number;
  /** Programs that are there. */
  readonly has: { readonly wrk: boolean; readonly etcd: boolean };
  /** Says how far it is. */
  print(line: string): void;
}

/** What a row comes to, beside its name and work. */
export type RowResult = Pick<RowReport, "measures" | "commands" | "notes">;

/** A row of the table. */
export interface Row {
  readonly name: string;
  /** What is done, as a phrase. */
  readonly work: string;
  run(context: RowContext): Promise<RowResult>;
}

/** A row that cannot be measured here. */
export class NotMeasuredError extends Error {
  override readonly name = "NotMeasuredError";
}

/** How long one load lasts, in seconds. */
export function loadSeconds({ quick }: RowContext): number {
  return quick ? 2 : 8;
}

/** Keys in a ring that holds many: a million. */
export function manyKeys({ quick }: RowContext): number {
  return quick ? 100_000 : 1_000_000;
}

/** @throws {NotMeasuredError} Where there is no wrk. */
export function requireWrk({ has }: RowContext): void {
  if (!has.wrk) {
    throw new NotMeasuredError(
      "wrk is not installed, and the load tools on npm are not small: apt-get install wrk",
    );
  }
}
