import type { SideFigures } from "./report.ts";
import { figuresOf } from "./statistics.ts";

/** Samples of this project's ring, or of what `name` says. */
export function samplesOf(samples: readonly number[], name = "mydht"): SideFigures {
  return { name, ...figuresOf(samples) };
}
