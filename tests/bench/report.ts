import type { Figures } from "./statistics.ts";

/** What one side used while it was measured. */
export interface Use {
  /** The most memory one of its processes has had, in bytes. */
  readonly peakBytes: number;
  /** CPU seconds of all its processes together, for 1,000 operations. */
  readonly cpuPer1000: number;
}

/** What one side came to. */
export interface SideFigures extends Figures {
  readonly name: string;
  readonly use?: Use;
}

/** A figure that was to be reached. */
export interface Target {
  readonly text: string;
  readonly reached: boolean;
}

/** One figure of a row, of this project and of what it is compared with. */
export interface Measure {
  readonly what: string;
  /** `/s`, `ms`, `s`, `MiB`, `%` and the like. */
  readonly unit: string;
  readonly ours: SideFigures;
  readonly theirs?: SideFigures;
  /** Of the medians: ours by theirs. */
  readonly ratio?: number;
  readonly target?: Target;
}

/** What a row came to. */
export interface RowReport {
  readonly name: string;
  readonly work: string;
  readonly measures: readonly Measure[];
  readonly commands: readonly string[];
  /** What a reader must know beside the figures; what was read back, too. */
  readonly notes: readonly string[];
  /** Why it could not be measured. */
  readonly failure?: string;
}

/** A run of the benchmark. */
export interface Report {
  readonly machine: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string>>;
  readonly rows: readonly RowReport[];
}

/** A target that a ratio is to reach at least. */
export function atLeast(ratio: number | undefined, wanted: number, text: string): Target | undefined {
  return ratio === undefined ? undefined : { text: `at least ${text}`, reached: ratio >= wanted };
}

/** A target that a figure is to stay at or below. */
export function atMost(figure: number | undefined, wanted: number, text: string): Target | undefined {
  return figure === undefined ? undefined : { text: `at most ${text}`, reached: figure <= wanted };
}

/** A figure with what it is compared with, and what was to be reached, where there are such. */
export function measure(
  { what, unit, ours, theirs, target }: {
    readonly what: string;
    readonly unit: string;
    readonly ours: SideFigures;
    readonly theirs?: SideFigures | undefined;
    readonly target?: ((ratio: number | undefined, ours: number) => Target | undefined) | undefined;
  },
): Measure {
  const ratio = theirs === undefined || theirs.median === 0 ? undefined : ours.median / theirs.median;
  const reached = target?.(ratio, ours.median);
  return {
    what,
    unit,
    ours,
    ...(theirs === undefined ? {} : { theirs }),
    ...(ratio === undefined ? {} : { ratio }),
    ...(reached === undefined ? {} : { target: reached }),
  };
}
