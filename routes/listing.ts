import type { KeysAnswer } from "../lib/api.ts";
import { formatVersion, timestampSeconds } from "../lib/core/hlc.ts";
import type { ListedKey } from "../lib/node/service.ts";
import type { Call } from "./call.ts";
import { exceedsBytes, KEY_MAX_BYTES } from "./key.ts";
import { HttpProblem } from "./problem.ts";
import { json } from "./respond.ts";
import { parseQuery, type Query } from "./target.ts";

/** Keys on the largest page; also what a request gets that does not say. */
const PAGE_MAX_KEYS = 1000;

/** Which keys a listing shows: those beginning with `prefix` and sorting after `after`. */
export interface ListingQuery {
  readonly prefix: string;
  readonly after?: string;
}

/** `GET /keys?prefix=&after=&limit=`: a page of the keys of the whole ring. */
export async function listKeys({ request, target, deps }: Call): Promise<Response> {
  const query = parseQuery(target.query);
  const page = await deps.node.list({
    ...listingQuery(query),
    limit: limitOf(query),
    client: request,
  });
  const answer: KeysAnswer = { keys: page.keys.map(toAnswer), next: page.next ?? null };
  return json(answer);
}

/**
 * Reads `prefix` and `after` of a query.
 *
 * @throws {HttpProblem} `invalid_query` where one is longer than a key can be.
 */
export function listingQuery(query: Query): ListingQuery {
  const prefix = bounded(query, "prefix") ?? "";
  const after = bounded(query, "after");
  return after === undefined || after === "" ? { prefix } : { prefix, after };
}

function bounded(query: Query, name: string): string | undefined {
  const text = query.get(name);
  if (text !== undefined && exceedsBytes(text, KEY_MAX_BYTES)) {
    throw new HttpProblem("invalid_query", `Cannot list keys: ${name} is longer than 1,024 bytes`);
  }
  return text;
}

/** More than the largest page is asked for often ("all of it"), and the cursor says that there is more. */
function limitOf(query: Query): number {
  const given = query.get("limit");
  if (given === undefined) return PAGE_MAX_KEYS;
  if (!/^\d{1,15}$/.test(given) || Number(given) === 0) {
    throw new HttpProblem("invalid_query", "Cannot list keys: limit is not a whole number from 1 to 1,000");
  }
  return Math.min(Number(given), PAGE_MAX_KEYS);
}

function toAnswer(
  { key, valueBytes, version, contentType, expiresMs }: ListedKey,
): KeysAnswer["keys"][number] {
  return {
    key,
    size: valueBytes,
    timestamp: timestampSeconds(version),
    type: contentType,
    version: formatVersion(version),
    expires: expiresMs === undefined ? null : expiresMs / 1000,
  };
}
