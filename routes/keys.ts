import {
  type DeleteAnswer,
  type PutAnswer,
  READ_CONSISTENCIES,
  type WhereIsAnswer,
  WRITE_CONSISTENCIES,
  type WriteConsistency,
} from "../lib/api.ts";
import { TTL_MAX_SECONDS } from "../lib/core/expiry.ts";
import { formatVersion, timestampSeconds } from "../lib/core/hlc.ts";
import { INLINE_MAX_BYTES } from "../lib/core/record.ts";
import type { FoundValue, NodeService, PutOptions, Written } from "../lib/node/service.ts";
import type { Call } from "./call.ts";
import { parseKey } from "./key.ts";
import { HttpProblem } from "./problem.ts";
import type { WatchedBody } from "./request_body.ts";
import { answerOf, json, text } from "./respond.ts";
import { choice, parseQuery, type Query } from "./target.ts";
import { valueResponse } from "./value_response.ts";

/** Characters in the longest content type that is kept. */
const CONTENT_TYPE_MAX_CHARS = 256;
const MEDIA_TYPE = /^[!#$%&'*+.^_`|~0-9a-z-]+\/[!#$%&'*+.^_`|~0-9a-z-]+[ \t]*(?:;[\t\x20-\x7e]*)?$/i;
const OCTETS = "application/octet-stream";

/** Conditions that a write would have to check and set in one step, which owners that vote cannot. */
const WRITE_CONDITIONS = [
  ["if-match", "If-Match"],
  ["if-none-match", "If-None-Match"],
  ["if-modified-since", "If-Modified-Since"],
  ["if-unmodified-since", "If-Unmodified-Since"],
] as const;
const SMALL_BODY = { maxBytes: INLINE_MAX_BYTES };
/** Digits of a length that may be that of a small value. */
const SMALL_LENGTH = /^\d{1,5}$/;

/** `GET /keys/{key}`, `GET /{key}`: the value. */
export function getValue({ request, rest, target, deps }: Call): Response | Promise<Response> {
  const key = parseKey(rest);
  const consistency = choice(parseQuery(target.query), "consistency", READ_CONSISTENCIES);
  const answer = (value: FoundValue | undefined): Response => {
    if (value === undefined) throw notFound(key, consistency === "local" ? deps.selfAddress : undefined);
    return valueResponse(request, value, deps.clock);
  };
  const now = deps.node.getNow(key, consistency);
  if (now !== "unknown") return answer(now);
  return deps.node.get(key, { consistency, client: request }).then(answer);
}

/** `PUT /keys/{key}`: stores the body, a long one as it arrives. */
export function putValue(call: Call): Promise<Response> {
  const { request } = call;
  const { headers } = request;
  const key = parseKey(call.rest);
  refuseConditions(headers);
  refusePartsAndEncodings(headers);
  const query = parseQuery(call.target.query);
  const ttlSeconds = ttlOf(query.get("ttl"));
  const consistency = writeConsistencyOf(query);
  const contentType = contentTypeOf(headers);
  const options: PutOptions = ttlSeconds === undefined
    ? { contentType, consistency, client: request }
    : { contentType, consistency, client: request, ttlSeconds };
  return putBody(call, key, options).then((written) => answerToPut(key, written));
}

function answerToPut(key: string, { version, valueBytes, acknowledged, expiresMs }: Written): Response {
  const formatted = formatVersion(version);
  const answer: PutAnswer = {
    key,
    timestamp: timestampSeconds(version),
    version: formatted,
    size: valueBytes,
    replicas: acknowledged,
    expires: expiresMs === undefined ? null : expiresMs / 1000,
  };
  return answerOf(answer, { etag: `"${formatted}"` });
}

/** `DELETE /keys/{key}`: writes a tombstone; 404 where there was nothing to delete. */
export async function deleteValue({ request, rest, target, deps }: Call): Promise<Response> {
  const key = parseKey(rest);
  refuseConditions(request.headers);
  const consistency = writeConsistencyOf(parseQuery(target.query));
  const written = await deps.node.delete(key, { consistency, client: request });
  if (!written.existed) throw notFound(key);
  const answer: DeleteAnswer = {
    key,
    timestamp: timestampSeconds(written.version),
    version: formatVersion(written.version),
    replicas: written.acknowledged,
  };
  return json(answer);
}

/** `GET /haskey/{key}`: when this node's own copy was written, 0.0 where it has none. */
export async function hasKey({ rest, deps }: Call): Promise<Response> {
  const key = parseKey(rest);
  const version = await deps.node.localVersion(key);
  // By hand, because JSON.stringify has no way to say 0.0, and people read this one.
  const timestamp = version === undefined ? "0.0" : `${timestampSeconds(version)}`;
  return text(`{"key":${JSON.stringify(key)},"timestamp":${timestamp}}`, "application/json");
}

/** `GET /whereis/{key}`: the nodes where it belongs, whether it exists or not. */
export function whereIs({ rest, deps }: Call): Response {
  const key = parseKey(rest);
  const { partition, nodes } = deps.node.whereIs(key);
  const answer: WhereIsAnswer = { key, partition, nodes };
  return json(answer);
}

/** A body that is said to be small is read first, as a stream costs more than all the rest that HTTP does. */
function putBody({ request, bodies, deps }: Call, key: string, options: PutOptions): Promise<Written> {
  const { body } = request;
  if (body === null) return deps.node.put(key, undefined, options);
  const length = request.headers.get("content-length");
  if (length !== null && SMALL_LENGTH.test(length) && Number(length) <= INLINE_MAX_BYTES) {
    return bodies.readAll(body, SMALL_BODY).then((bytes) => deps.node.put(key, bytes, options));
  }
  return putStream(bodies.watch(body), deps.node, key, options);
}

async function putStream(
  watched: WatchedBody,
  node: NodeService,
  key: string,
  options: PutOptions,
): Promise<Written> {
  try {
    return await node.put(key, watched.stream, options);
  } catch (error) {
    // If the body broke, that is what is told, whatever the write made of it.
    throw watched.failure() ?? error;
  } finally {
    watched.release();
  }
}

/** @throws {HttpProblem} `invalid_query` */
function writeConsistencyOf(query: Query): WriteConsistency {
  const given = query.get("consistency");
  if (given === "one" || given === "local") {
    throw new HttpProblem(
      "invalid_query",
      `Cannot use consistency=${given} for a write, which a majority of the owners must acknowledge: ` +
        `it is one of ${WRITE_CONSISTENCIES.join(", ")}`,
    );
  }
  return choice(query, "consistency", WRITE_CONSISTENCIES);
}

/** @throws {HttpProblem} `invalid_query` */
function ttlOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ttlSeconds = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (ttlSeconds >= 1 && ttlSeconds <= TTL_MAX_SECONDS) return ttlSeconds;
  throw new HttpProblem(
    "invalid_query",
    `Cannot use ttl=${text}: it is a whole number of seconds, 1 to ${TTL_MAX_SECONDS}`,
  );
}

function notFound(key: string, onlyAt?: string): HttpProblem {
  const place = onlyAt === undefined ? "" : ` at ${onlyAt}, which was asked for its own copy only`;
  return new HttpProblem("key_not_found", `Cannot find key "${key}"${place}`, { facts: { key } });
}

function refuseConditions(headers: Headers): void {
  for (const [name, shown] of WRITE_CONDITIONS) {
    if (!headers.has(name)) continue;
    throw new HttpProblem(
      "conditions_unsupported",
      `Cannot make a write depend on ${shown}: it is not supported`,
    );
  }
}

function refusePartsAndEncodings(headers: Headers): void {
  if (headers.has("content-range")) {
    throw new HttpProblem("partial_put", "Cannot put a part of a value");
  }
  const encoding = headers.get("content-encoding");
  if (encoding === null || encoding.trim().toLowerCase() === "identity") return;
  throw new HttpProblem(
    "unsupported_content_encoding",
    "Cannot keep an encoding: it would not be given back",
    {
      headers: { "accept-encoding": "identity" },
    },
  );
}

/** The type a value is kept with. What curl adds to any body says nothing about it. */
function contentTypeOf(headers: Headers): string {
  const given = headers.get("content-type")?.trim() ?? "";
  if (given === "" || given.toLowerCase() === "application/x-www-form-urlencoded") return OCTETS;
  if (given.length <= CONTENT_TYPE_MAX_CHARS && MEDIA_TYPE.test(given)) return given;
  throw new HttpProblem("invalid_content_type", "Cannot keep the Content-Type: it is malformed or too long", {
    facts: { maxChars: CONTENT_TYPE_MAX_CHARS },
  });
}
