/** What many seeds came to. */
import type { SwarmReport } from "./swarm.ts";

/** Share of the seeds in which a node must crash in the middle of a change of layout. */
const MIN_CRASHED_IN_CHANGE = 0.5;
/** Share of the operations that must overlap another one of their key. */
const MIN_OVERLAP = 0.1;
/** Seeds below which these shares say nothing. */
const MIN_SEEDS = 40;

/** What is counted of one seed. */
export type SeedFigures =
  & Pick<SwarmReport, "seed" | "operations" | "overlapShare" | "reads" | "virtualMs" | "longestReadMs">
  & { readonly injected: Iterable<readonly [string, number]> };

/** Adds up what seeds came to, and judges whether they tested anything. */
export class Summary {
  readonly #injected = new Map<string, number>();
  #seeds = 0;
  #operations = 0;
  #overlapping = 0;
  #reads = 0;
  #blindReads = 0;
  #virtualMs = 0;
  #longestReadMs = 0;
  #crashedInChange = 0;

  get seeds(): number {
    return this.#seeds;
  }

  /** Counts a seed. */
  add(figures: SeedFigures): void {
    const injected = new Map(figures.injected);
    for (const [what, times] of injected) this.#injected.set(what, (this.#injected.get(what) ?? 0) + times);
    if (injected.has("crashes in a layout change")) this.#crashedInChange++;
    this.#seeds++;
    this.#operations += figures.operations;
    this.#overlapping += figures.operations * figures.overlapShare;
    this.#reads += figures.reads.answered;
    this.#blindReads += figures.reads.blind;
    this.#virtualMs += figures.virtualMs;
    this.#longestReadMs = Math.max(this.#longestReadMs, figures.longestReadMs);
  }

  /** For people. @param seconds Real ones that it took. */
  text(seconds: number): string {
    const injected = [...this.#injected].sort(([a], [b]) => (a < b ? -1 : 1));
    return [
      `${this.#seeds} seeds, ${Math.round(60 * this.#seeds / seconds)} a minute, ` +
      `${Math.round(this.#virtualMs / 1_000 / seconds)} virtual seconds a second`,
      `${this.#operations} operations, ${
        percent(this.#overlapping, this.#operations)
      } overlapped another on ` +
      `their key; a key could not be read for ${
        (this.#longestReadMs / 1_000).toFixed(1)
      } virtual s at most while the ring was whole`,
      `${
        percent(this.#blindReads, this.#reads)
      } of ${this.#reads} reads came after a deletion of unknown outcome ` +
      "of their key, and could have shown its absence",
      `${this.#crashedInChange} seeds (${
        percent(this.#crashedInChange, this.#seeds)
      }) had a crash in the middle ` +
      "of a change of layout",
      `injected: ${injected.map(([what, times]) => `${what} ${times}`).join(", ")}`,
    ].join("\n");
  }

  /** Why these seeds test too little, in one sentence each; nothing where they are too few to tell. */
  get weaknesses(): string[] {
    if (this.#seeds < MIN_SEEDS) return [];
    const weaknesses: string[] = [];
    if (this.#crashedInChange < MIN_CRASHED_IN_CHANGE * this.#seeds) {
      weaknesses.push("Fewer than half of the seeds had a crash in the middle of a change of layout");
    }
    if (this.#overlapping < MIN_OVERLAP * this.#operations) {
      weaknesses.push("Fewer than a tenth of the operations overlapped another on their key");
    }
    return weaknesses;
  }
}

function percent(part: number, whole: number): string {
  return whole === 0 ? "0 %" : `${Math.round(100 * part / whole)} %`;
}
