import { format } from "@std/fmt/bytes";

const COUNT = new Intl.NumberFormat("en-US");

/** A whole number with its thousands apart: `16,384`. */
export function countText(count: number): string {
  return COUNT.format(count);
}

/** A number of things in words: `1 key`, `2 keys`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}

/** A size as people read it, in powers of 1,000: `1.05 MB`. */
export function sizeText(bytes: number): string {
  return format(bytes);
}

/** A part of a whole: `33.3 %`; 0 where there is no whole. */
export function shareText(part: number, whole: number): string {
  const percent = whole === 0 ? 0 : part / whole * 100;
  return `${percent === 100 || percent === 0 ? percent : percent.toFixed(1)} %`;
}

/** A moment in UTC, to the second: `2026-01-31 09:05:00`. Out of range of dates: `?`. */
export function momentText(ms: number): string {
  return isoText(ms)?.slice(0, 19).replace("T", " ") ?? "?";
}

/** A moment as machines read it; `undefined` out of range of dates. */
export function isoText(ms: number): string | undefined {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

const UNITS: readonly (readonly [string, number])[] = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** A span in its greatest unit: `3 hours`; never less than `0 seconds`. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [name, unitSeconds] = UNITS.find(([, size]) => seconds >= size) ?? ["second", 1];
  return plural(Math.floor(seconds / unitSeconds), name);
}

/** How long ago a moment was, or that it lies ahead, as with a clock that runs ahead. */
export function agoText(ms: number, nowMs: number): string {
  if (ms > nowMs + 1000) return `${spanText(ms - nowMs)} ahead`;
  return nowMs - ms < 5000 ? "just now" : `${spanText(nowMs - ms)} ago`;
}
