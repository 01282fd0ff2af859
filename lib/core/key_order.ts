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

/**
 * The least text that is greater than every key beginning with `prefix`; `undefined` where there is none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(keyBehindPrefix("user/"), "user0");
 * assertEquals(keyBehindPrefix("\u{10ffff}"), undefined);
 * ```
 */
export function keyBehindPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (letter) => letter.codePointAt(0)!);
  while (points.at(-1) === 0x10ffff) points.pop();
  const last = points.pop();
  if (last === undefined) return undefined;
  // A lone surrogate counts as U+FFFD in UTF-8; behind the last unit below the surrogates comes U+E000.
  const counts = isSurrogate(last) ? 0xfffd : last;
  return String.fromCodePoint(...points, isSurrogate(counts + 1) ? 0xe000 : counts + 1);
}

function isSurrogate(point: number): boolean {
  return point >= 0xd800 && point <= 0xdfff;
}
