import { encodeBase64 } from "@std/encoding/base64";
import { ifMatch, ifNoneMatch } from "@std/http/etag";
import { STATUS_CODE } from "@std/http/status";
import { formatVersion, type Version } from "../lib/core/hlc.ts";
import type { ByteRange, FoundValue } from "../lib/node/service.ts";
import { parseRange } from "./byte_range.ts";
import { HttpProblem } from "./problem.ts";

/**
 * A value is somebody's upload: shown by a browser, it runs nothing, sends nothing, and belongs to no
 * origin; images, sound, video and text still show.
 */
const VALUE_POLICY =
  "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self' data:; style-src 'unsafe-inline'";

/** The `ETag` of a version: strong, since equal versions are equal bytes. */
export function etagOf(version: Version): string {
  return `"${formatVersion(version)}"`;
}

/**
 * Answers GET or HEAD with a value, or with what the request's conditions and range make of it:
 * 206, 304, 412 or 416, in the order RFC 9110 gives them.
 *
 * @param nowMs Now, in milliseconds since 1970.
 * @throws {HttpProblem} `precondition_failed`, `range_not_satisfiable`
 */
export function valueResponse(request: Request, value: FoundValue, nowMs: number): Response {
  const etag = etagOf(value.version);
  checkPreconditions(request.headers, etag, value.version.wallMs);
  const headers = commonHeaders(value, etag);
  if (isNotModified(request.headers, etag, value.version.wallMs)) {
    return new Response(null, { status: STATUS_CODE.NotModified, headers });
  }
  const range = rangeOf(request, value, etag, nowMs);
  headers["content-type"] = value.contentType;
  headers["accept-ranges"] = "bytes";
  headers["repr-digest"] = `sha-256=:${encodeBase64(value.sha256)}:`;
  headers["content-length"] = `${range === undefined ? value.valueBytes : range.end - range.start}`;
  if (range !== undefined) {
    headers["content-range"] = `bytes ${range.start}-${range.end - 1}/${value.valueBytes}`;
  }
  return new Response(request.method === "HEAD" ? null : bodyOf(value, range), {
    status: range === undefined ? STATUS_CODE.OK : STATUS_CODE.PartialContent,
    headers,
  });
}

function commonHeaders(value: FoundValue, etag: string): Record<string, string> {
  return {
    "etag": etag,
    "last-modified": httpDate(value.version.wallMs),
    "cache-control": "no-cache",
    ...(value.expiresMs === undefined ? {} : { expires: httpDate(value.expiresMs) }),
    "x-content-type-options": "nosniff",
    "content-security-policy": VALUE_POLICY,
  };
}

function bodyOf(value: FoundValue, range: ByteRange | undefined): BodyInit {
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

function rangeOf(request: Request, value: FoundValue, etag: string, nowMs: number): ByteRange | undefined {
  const header = request.method === "GET" ? request.headers.get("range") : null;
  if (header === null || !isSameFor(request.headers.get("if-range"), etag, value.version.wallMs, nowMs)) {
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
  return new Date(ms).toUTCString();
}

/** Dates in headers have whole seconds. */
function wholeSecondsMs(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}

function dateMs(header: string | null, absent: number): number {
  const ms = header === null ? NaN : Date.parse(header);
  return Number.isNaN(ms) ? absent : ms;
}
