import type { StoreKey } from "../ports/store.ts";

/**
 * A text for each key such that texts compare (by `<`) as Deno KV orders keys:
 * part by part, strings by their UTF-8 bytes and before numbers, numbers by
 * value, a key before those it is a prefix of.
 *
 * Strings with lone surrogates, which UTF-8 cannot say, count as having U+FFFD
 * in their place. Numbers must be safe integers >= 0.
 */
export function orderedText(key: StoreKey): string {
  let text = "";
  for (const part of key) text += typeof part === "number" ? numberText(part) : stringText(part);
  return text;
}

/** Greater than every key below the one of `text`, and less than every key after those. */
export function afterAllBelow(text: string): string {
  return text + PAST_TAGS;
}

// An END is followed by a tag, by PAST_TAGS or by nothing, all of which are less than an escaped NUL's second
// half: so a string orders before its continuations, a NUL first, and bounds keep them apart.
const STRING_TAG = "\u0001";
const NUMBER_TAG = "\u0002";
const PAST_TAGS = "\u0003";
const END = "\0";
const ESCAPED_NUL = "\0\uffff";

function stringText(part: string): string {
  return STRING_TAG + (/[\0\ud800-\uffff]/.test(part) ? escaped(part) : part) + END;
}

/**
 * UTF-16 puts surrogates (code points above U+FFFF) before U+E000 to U+FFFF, UTF-8 after: exchange the two
 * blocks, and code units order as code points do.
 */
function escaped(part: string): string {
  let text = "";
  const wellFormed = part.toWellFormed();
  for (let i = 0; i < wellFormed.length; i++) {
    const unit = wellFormed.charCodeAt(i);
    if (unit === 0) text += ESCAPED_NUL;
    else if (unit >= 0xe000) text += String.fromCharCode(unit - 0x800);
    else if (unit >= 0xd800) text += String.fromCharCode(unit + 0x2000);
    else text += wellFormed.charAt(i);
  }
  return text;
}

/** Four code units of 14 bits, most significant first. */
function numberText(part: number): string {
  const low = part % 0x10000000;
  const high = (part - low) / 0x10000000;
  return NUMBER_TAG + String.fromCharCode(high >>> 14, high & 0x3fff, low >>> 14, low & 0x3fff);
}
