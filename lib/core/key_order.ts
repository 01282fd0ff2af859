/**
 * Order of two keys by the bytes of their UTF-8: negative if `a` comes first.
 *
 * JavaScript orders strings by UTF-16 units, which puts U+10000 and beyond
 * before U+E000; databases and other languages do not.
 *
 * @example Beyond the first plane
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(compareKeys("\u{e000}", "\u{1f600}") < 0);
 * assert("\u{e000}" > "\u{1f600}");
 * ```
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Moves surrogates, which stand for the highest code points, behind all other units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
