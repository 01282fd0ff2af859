import type { SideFigures, Use } from "./report.ts";
import { figuresOf } from "./statistics.ts";

/** Samples of this project's ring, or of `name`. */
export function samplesOf(samples: readonly number[], name = "mydht", use?: Use): SideFigures {
  return { name, ...figuresOf(samples), ...(use === undefined ? {} : { use }) };
}
