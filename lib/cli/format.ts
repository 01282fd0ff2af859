import { format as formatBytes } from "@std/fmt/bytes";

/** A count of bytes for people: `1.5 kB`. */
export function bytesText(bytes: number): string {
  return formatBytes(bytes, { maximumFractionDigits: 1 });
}

/** A timestamp in seconds, with decimals always: `1750000000.0`. */
export function secondsText(timestamp: number): string {
  return Number.isInteger(timestamp) ? `${timestamp}.0` : String(timestamp);
}

/** A timestamp in seconds as a moment of UTC, to the second: `2026-05-09 07:29:33Z`. */
export function momentText(timestamp: number): string {
  const moment = new Date(timestamp * 1000);
  if (Number.isNaN(moment.getTime())) return secondsText(timestamp);
  return `${moment.toISOString().slice(0, 19).replace("T", " ")}Z`;
}

/** A span of time in its two largest units: `3 h 12 min`. */
export function spanText(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map((part) => part.join(" ")).join(" ");
}

/** `1 file`, `2 files`. */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/**
 * Text from elsewhere, made safe to print in a line: control characters and those that turn the direction of text
 * are shown as escapes, so that a key can neither forge a line nor command the terminal. Not to be reversed.
 */
export function visible(text: string): string {
  return text.replaceAll(UNSEEN, (character) => SHORT_ESCAPES[character] ?? escape(character));
}

// deno-lint-ignore no-control-regex
const UNSEEN = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu;
const SHORT_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
