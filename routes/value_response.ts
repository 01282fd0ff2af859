import { encodeBase64 } from "@std/encoding/base64";
import { ifMatch, ifNoneMatch } from "@std/http/etag";
import { STATUS_CODE } from "@std/http/status";
import { formatVersion, type Version } from "../lib/core/hlc.ts";
import type { Clock } from "../lib/ports/clock.ts";
import type { ByteRange, FoundValue } from "../lib/node/service.ts";
import { parseRange } from "./byte_range.ts";
import { HttpProblem } from "./problem.ts";

/**
 * A value is somebody's upload: shown by a browser, it runs nothing, sends nothing, and belongs to no
 * origin; images, sound, video and text still show.
 */
const VALUE_POLICY =
  "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self' data:; style-src 'unsafe-inline'";

/**
 * Types that no browser runs anything of, as `nosniff` has it take them for what they are: they need no policy.
 * Exactly as they are written here: what else a header holds might make another type of it.
 */
const INERT_TYPES: ReadonlySet<string> = new Set([
  "application/octet-stream",
  "application/json",
  "text/plain",
  "text/plain;charset=UTF-8",
  "text/plain; charset=utf-8",
]);

/** Dates that were formatted of late, by their second. */
const DATES = new Map<number, string>();
const MAX_DATES = 1_024;

/** The `ETag` of a version: strong, since equal versions are equal bytes. */
function etagOf(version: Version): string {
  return `"${formatVersion(version)}"`;
}

/**
 * Answers GET or HEAD with a value, or with what the request's conditions and range make of it:
 * 206, 304, 412 or 416, in the order RFC 9110 gives them.
 *
 * The digest is told of a value that is streamed, and where it is asked for; the server itself writes the length of
 * a value that it has whole.
 *
 * @throws {HttpProblem} `precondition_failed`, `range_not_satisfiable`
 */
export function valueResponse(request: Request, value: FoundValue, clock: Pick<Clock, "nowMs">): Response {
  const asked = request.headers;
  const etag = etagOf(value.version);
  checkPreconditions(asked, etag, value.version.wallMs);
  const headers = commonHeaders(value, etag);
  if (isNotModified(asked, etag, value.version.wallMs)) {
    return new Response(null, { status: STATUS_CODE.NotModified, headers });
  }
  headers["content-type"] = value.contentType;
  if (value.bytes === undefined || wantsDigest(asked)) {
    headers["repr-digest"] = `sha-256=:${encodeBase64(value.sha256)}:`;
  }
  const isHead = request.method === "HEAD";
  const range = isHead ? undefined : rangeOf(asked, value, etag, clock);
  if (range !== undefined) return partResponse(value, range, headers);
  if (value.bytes === undefined) headers["accept-ranges"] = "bytes";
  if (value.bytes === undefined || isHead) headers["content-length"] = `${value.valueBytes}`;
  return new Response(isHead ? null : bodyOf(value), { headers });
}

function partResponse(value: FoundValue, range: ByteRange, headers: Record<string, string>): Response {
  headers["accept-ranges"] = "bytes";
  headers["content-length"] = `${range.end - range.start}`;
  headers["content-range"] = `bytes ${range.start}-${range.end - 1}/${value.valueBytes}`;
  return new Response(bodyOf(value, range), { status: STATUS_CODE.PartialContent, headers });
}

function commonHeaders(value: FoundValue, etag: string): Record<string, string> {
  const headers: Record<string, string> = {
    "etag": etag,
    "last-modified": httpDate(value.version.wallMs),
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
  };
  if (value.expiresMs !== undefined) headers["expires"] = httpDate(value.expiresMs);
  if (!INERT_TYPES.has(value.contentType)) headers["content-security-policy"] = VALUE_POLICY;
  return headers;
}

/** Whether `Want-Repr-Digest` (RFC 9530) names SHA-256 with a preference that is not zero. */
function wantsDigest(asked: Headers): boolean {
  const wanted = asked.get("want-repr-digest");
  return wanted !== null && /(?:^|[,\s])sha-256\s*=\s*(?:[1-9]|10)\s*(?:$|[,;])/.test(wanted);
}

function bodyOf(value: FoundValue, range?: ByteRange): BodyInit {
  if (value.bytes === undefined) return value.stream(range);
  const part = range === undefined ? value.bytes : value.bytes.subarray(range.start, range.end);
  return part as Uint8Array<ArrayBuffer>;
}

function checkPreconditions(headers: Headers, etag: string, wallMs: number): void {
  const tags = headers.get("if-match");
  const failed = tags === null
    ? wholeSecondsMs(wallMs) > dateMs(headers.get("if-unmodified-since"), Infinity)
    : !ifMatch(tags, etag);
  if (!failed) return;
  throw new HttpProblem("precondition_failed", "Cannot give the value: it is another version now", {
    facts: { version: etag.slice(1, -1) },
    headers: { etag },
  });
}

function isNotModified(headers: Headers, etag: string, wallMs: number): boolean {
  const tags = headers.get("if-none-match");
  if (tags !== null) return !ifNoneMatch(tags, etag);
  return wholeSecondsMs(wallMs) <= dateMs(headers.get("if-modified-since"), -Infinity);
}

function rangeOf(
  asked: Headers,
  value: FoundValue,
  etag: string,
  clock: Pick<Clock, "nowMs">,
): ByteRange | undefined {
  const header = asked.get("range");
  if (header === null || !isSameFor(asked.get("if-range"), etag, value.version.wallMs, clock.nowMs())) {
    return undefined;
  }
  const range = parseRange(header, value.valueBytes);
  if (range !== "unsatisfiable") return range;
  throw new HttpProblem(
    "range_not_satisfiable",
    `Cannot give that range: the value has ${value.valueBytes} bytes`,
    {
      facts: { size: value.valueBytes },
      headers: { "content-range": `bytes */${value.valueBytes}` },
    },
  );
}

/** Whether `If-Range` names this very version: by its tag, or by a date that no second write can share. */
function isSameFor(header: string | null, etag: string, wallMs: number, nowMs: number): boolean {
  if (header === null || header === etag) return true;
  return header === httpDate(wallMs) && nowMs - wholeSecondsMs(wallMs) >= 1000;
}

function httpDate(ms: number): string {
  const second = Math.floor(ms / 1000);
  const known = DATES.get(second);
  if (known !== undefined) return known;
  const date = new Date(ms).toUTCString();
  if (DATES.size >= MAX_DATES) DATES.clear();
  DATES.set(second, date);
  return date;
}

/** Dates in headers have whole seconds. */
function wholeSecondsMs(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}

function dateMs(header: string | null, absent: number): number {
  const ms = header === null ? NaN : Date.parse(header);
  return Number.isNaN(ms) ? absent : ms;
}
