const UNITS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3_600, d: 86_400 };

/** Longest span that is taken: a hundred years, as the nodes have it. */
const MAX_SECONDS = 3_155_760_000;

/**
 * A span of time as people write it: seconds, or a number with `s`, `m`, `h` or `d` behind it.
 *
 * @returns Whole seconds, at least 1.
 * @throws {SyntaxError} With a message fit for the person who wrote it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([parseSpan("90"), parseSpan("30m"), parseSpan("7d")], [90, 1_800, 604_800]);
 * ```
 */
export function parseSpan(text: string): number {
  const [, digits = "", unit = ""] = /^(\d{1,10})([smhd]?)$/.exec(text) ?? [];
  const seconds = Number(digits) * UNITS[unit]!;
  if (digits !== "" && seconds >= 1 && seconds <= MAX_SECONDS) return seconds;
  throw new SyntaxError(`"${text}" is not a span of time: write 90 (seconds), 30m, 12h or 7d`);
}
