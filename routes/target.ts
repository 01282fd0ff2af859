import { HttpProblem } from "./problem.ts";

/** Characters of path and query together that are accepted: a key of 1,024 bytes and its cursor fit twice. */
const TARGET_MAX_CHARS = 8 * 1024;

/** What a request asks for, still percent-encoded. */
export interface Target {
  /** `http` or `https`. */
  readonly scheme: string;
  /** Host and port as the client wrote them. */
  readonly authority: string;
  readonly path: string;
  /** Without its `?`; empty where there is none. */
  readonly query: string;
}

/**
 * Cuts the URL of a request into its parts, as they were sent.
 *
 * No `URL` here: it would take `.` and `..` out of the path, and so hide that the client asked for another
 * key than it seems; and it costs more than the rest of a small read.
 *
 * @throws {HttpProblem} `uri_too_long`
 */
export function splitTarget(url: string): Target {
  const authorityStart = url.indexOf("://") + 3;
  const slash = url.indexOf("/", authorityStart);
  const pathStart = slash < 0 ? url.length : slash;
  if (url.length - pathStart > TARGET_MAX_CHARS) {
    throw new HttpProblem("uri_too_long", "Cannot read the URL: it is longer than 8 KiB", {
      facts: { maxChars: TARGET_MAX_CHARS },
    });
  }
  const question = url.indexOf("?", pathStart);
  const pathEnd = question < 0 ? url.length : question;
  return {
    scheme: url.slice(0, authorityStart - 3),
    authority: url.slice(authorityStart, pathStart),
    path: pathStart === pathEnd ? "/" : url.slice(pathStart, pathEnd),
    query: question < 0 ? "" : url.slice(question + 1),
  };
}

/** Parameters of a query, each at most once. */
export type Query = ReadonlyMap<string, string>;

const EMPTY: Query = new Map();

/**
 * Parameters of a query, decoded once, `+` as a space as forms send it.
 *
 * @throws {HttpProblem} `invalid_query` for a bad escape, bytes that are not UTF-8, or a name given twice.
 */
export function parseQuery(query: string): Query {
  if (query === "") return EMPTY;
  const parameters = new Map<string, string>();
  for (const part of query.split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const name = decode(equals < 0 ? part : part.slice(0, equals));
    if (parameters.has(name)) {
      throw new HttpProblem("invalid_query", `Cannot read the query: "${name}" is given twice`);
    }
    parameters.set(name, equals < 0 ? "" : decode(part.slice(equals + 1)));
  }
  return parameters;
}

function decode(text: string): string {
  if (!text.includes("%") && !text.includes("+")) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new HttpProblem("invalid_query", "Cannot read the query: an escape is not valid UTF-8");
  }
}

/**
 * A parameter that is one of a few words.
 *
 * @throws {HttpProblem} `invalid_query` for any other.
 */
export function choice<T extends string>(query: Query, name: string, words: readonly [T, ...T[]]): T {
  const given = query.get(name);
  if (given === undefined) return words[0];
  const word = words.find((candidate) => candidate === given);
  if (word === undefined) {
    throw new HttpProblem("invalid_query", `Cannot use ${name}=${given}: it is one of ${words.join(", ")}`);
  }
  return word;
}
