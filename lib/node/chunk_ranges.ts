/** Runs of chunks that may lie apart; whoever uploads in order makes one. */
const MAX_RANGES = 256;

/** An immutable set of chunk indexes, kept as runs. */
export class ChunkRanges {
  static readonly none: ChunkRanges = new ChunkRanges([]);

  /** The set with these bounds. */
  static of(bounds: readonly number[]): ChunkRanges {
    return new ChunkRanges(bounds);
  }

  /** Start and end (excluded) of each run, ascending and apart. */
  readonly bounds: readonly number[];

  private constructor(bounds: readonly number[]) {
    this.bounds = bounds;
  }

  /** With the indexes from `start` to before `end`, too; `undefined` where that makes too many runs. */
  add(start: number, end: number): ChunkRanges | undefined {
    const before: number[] = [];
    const after: number[] = [];
    let from = start;
    let to = end;
    for (let i = 0; i + 1 < this.bounds.length; i += 2) {
      const runStart = this.bounds[i]!;
      const runEnd = this.bounds[i + 1]!;
      if (runEnd < start) before.push(runStart, runEnd);
      else if (runStart > end) after.push(runStart, runEnd);
      else {
        from = Math.min(from, runStart);
        to = Math.max(to, runEnd);
      }
    }
    const bounds = [...before, from, to, ...after];
    return bounds.length > 2 * MAX_RANGES ? undefined : new ChunkRanges(bounds);
  }

  /** One past the greatest index, or 0. */
  get end(): number {
    return this.bounds.at(-1) ?? 0;
  }

  /** Whether these are the indexes from 0 to before `count`, and no others. */
  isExactly(count: number): boolean {
    return this.bounds.length === 2 && this.bounds[0] === 0 && this.bounds[1] === count;
  }
}
