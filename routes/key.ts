import { HttpProblem } from "./problem.ts";

/** Bytes of UTF-8 in the longest key. */
export const KEY_MAX_BYTES = 1024;

const BAD_ESCAPE = /%(?![0-9a-fA-F]{2})/;
const DOT_SEGMENT = /(?:^|\/)\.\.?(?:\/|$)/;
const ENCODER = new TextEncoder();

/**
 * The key that the raw rest of a path names: percent-decoded once, slashes kept.
 *
 * `.` and `..` are refused as segments, because most clients resolve them before they send: such a key
 * could be put by one client and never be reached by another.
 *
 * @throws {HttpProblem} `invalid_key`
 */
export function parseKey(raw: string): string {
  const key = raw.includes("%") ? decode(raw) : raw;
  if (key === "") throw invalid("it is empty");
  if (exceedsBytes(key, KEY_MAX_BYTES)) throw invalid("it is longer than 1,024 bytes");
  if (key.includes("\0")) throw invalid("it contains NUL");
  if (key.includes(".") && DOT_SEGMENT.test(key)) throw invalid("it has . or .. as a segment");
  if (!key.isWellFormed()) throw invalid("it is not valid Unicode");
  return key;
}

/** The path a key is always reached under, safe in a URL and relative to any origin. */
export function keyPath(key: string): string {
  return "/keys/" + key.split("/").map(encodeURIComponent).join("/");
}

/** Whether a text has more than that many bytes of UTF-8. */
export function exceedsBytes(text: string, maxBytes: number): boolean {
  // A UTF-16 unit takes one to three bytes: short and long texts need no count.
  if (text.length > maxBytes) return true;
  return text.length * 3 > maxBytes && ENCODER.encode(text).length > maxBytes;
}

function decode(raw: string): string {
  if (BAD_ESCAPE.test(raw)) throw invalid("a % is not followed by two hex digits");
  try {
    return decodeURIComponent(raw);
  } catch {
    throw invalid("its bytes are not UTF-8");
  }
}

function invalid(reason: string): HttpProblem {
  return new HttpProblem("invalid_key", `Cannot use the key: ${reason}`, {
    facts: { maxBytes: KEY_MAX_BYTES },
  });
}
