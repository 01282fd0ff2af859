import type { ByteRange } from "../lib/node/service.ts";

const SINGLE_RANGE = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i;

/**
 * What a `Range` header asks of a value: `undefined` for all of it, also where the header is
 * malformed, of another unit, or lists several ranges, which a server may ignore.
 */
export function parseRange(
  header: string | null,
  valueBytes: number,
): ByteRange | "unsatisfiable" | undefined {
  const match = header === null ? null : SINGLE_RANGE.exec(header);
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") return last === "" ? undefined : suffix(Number(last), valueBytes);
  const start = Number(first);
  if (last !== "" && Number(last) < start) return undefined;
  if (start >= valueBytes) return "unsatisfiable";
  return { start, end: last === "" ? valueBytes : Math.min(Number(last) + 1, valueBytes) };
}

function suffix(lengthBytes: number, valueBytes: number): ByteRange | "unsatisfiable" {
  if (lengthBytes === 0 || valueBytes === 0) return "unsatisfiable";
  return { start: Math.max(0, valueBytes - lengthBytes), end: valueBytes };
}
