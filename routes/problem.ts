/**
 * Every error a client can get, as a problem document (RFC 9457).
 *
 * A document has `type`, `title`, `status`, `detail`, the stable `code`, `retryable` where the same
 * request may succeed later, and the facts of the case. The codes are the keys of the two tables below:
 * programs branch on them, so a code never changes its meaning.
 */
import { STATUS_CODE, STATUS_TEXT } from "@std/http/status";
import { DhtError, type DhtErrorCode, type ErrorFacts } from "../lib/core/errors.ts";

/** What becomes of a code: its status, and what its reader is to do, as the end of a sentence. */
interface ProblemRule {
  readonly status: number;
  readonly advice: string;
  /** Seconds after which the same request is worth another try; only for 503. */
  readonly retryAfterSeconds?: number;
}

/** What the ring or this node could not do. A code that is missing here does not compile. */
const RING_PROBLEMS: Readonly<Record<DhtErrorCode, ProblemRule>> = {
  read_quorum_unreachable: {
    status: STATUS_CODE.ServiceUnavailable,
    advice: "try again, and see GET /nodes for the nodes that are down",
    retryAfterSeconds: 1,
  },
  write_outcome_unknown: {
    status: STATUS_CODE.ServiceUnavailable,
    advice: "it may or may not take effect, so repeat it or read the key, and see GET /nodes",
    retryAfterSeconds: 1,
  },
  not_in_ring: {
    status: STATUS_CODE.ServiceUnavailable,
    advice: "try again once GET /readyz answers 200, or ask another node",
    retryAfterSeconds: 2,
  },
  overloaded: {
    status: STATUS_CODE.ServiceUnavailable,
    advice: "try again with fewer requests at a time",
    retryAfterSeconds: 1,
  },
  disk_full: {
    status: STATUS_CODE.InsufficientStorage,
    advice: "free space on the disk of the node or add a node; reads go on",
  },
  store_failed: {
    status: STATUS_CODE.InternalServerError,
    advice: "see the log of the node, and ask another node meanwhile",
  },
  corrupt_value: {
    status: STATUS_CODE.InternalServerError,
    advice: "start the nodes that are down, for one of them may have a good copy, or put the value again",
  },
  upload_incomplete: {
    status: STATUS_CODE.ServiceUnavailable,
    advice: "try again",
    retryAfterSeconds: 1,
  },
  layout_mismatch: {
    status: STATUS_CODE.ServiceUnavailable,
    advice: "try again, as the ring is changing",
    retryAfterSeconds: 1,
  },
  wrong_ring: {
    status: STATUS_CODE.Conflict,
    advice: "check the address: the two nodes belong to different rings",
  },
  wrong_store: {
    status: STATUS_CODE.Conflict,
    advice: "learn the ring anew, as another node is at this address now",
  },
  unknown_node: { status: STATUS_CODE.NotFound, advice: "see GET /nodes for the nodes of the ring" },
  node_reachable: {
    status: STATUS_CODE.Conflict,
    advice: "let it leave by itself: POST /leave to that node",
  },
  last_node: {
    status: STATUS_CODE.Conflict,
    advice: "stop the node instead; it keeps its data",
  },
  needs_force: {
    status: STATUS_CODE.Conflict,
    advice: "start the node again if you can, else repeat with ?force=true and accept the loss",
  },
  unknown_task: {
    status: STATUS_CODE.NotFound,
    advice: "ask the node that started the task, or start it again",
  },
  peer_unreachable: {
    status: STATUS_CODE.ServiceUnavailable,
    advice: "check that the node runs and can be reached from here, then try again",
    retryAfterSeconds: 1,
  },
  bad_message: {
    status: STATUS_CODE.BadRequest,
    advice: "run the same version of MyDHT on both nodes",
  },
  unauthorized: {
    status: STATUS_CODE.Unauthorized,
    advice: "send the ring's secret as Authorization: Bearer SECRET",
  },
  body_stalled: {
    status: STATUS_CODE.RequestTimeout,
    advice: "send the whole body again, without pauses of 30 seconds",
  },
  stopping: {
    status: STATUS_CODE.ServiceUnavailable,
    advice: "ask another node",
    retryAfterSeconds: 5,
  },
};

/** What is wrong with a request, or cannot be given to it. */
const REQUEST_PROBLEMS = {
  invalid_key: {
    status: STATUS_CODE.BadRequest,
    advice: "use a key of 1 to 1,024 bytes of UTF-8, percent-encoded once",
  },
  invalid_query: { status: STATUS_CODE.BadRequest, advice: "correct the query of the URL" },
  invalid_address: {
    status: STATUS_CODE.BadRequest,
    advice: "name the node as HOST:PORT, as GET /nodes shows it",
  },
  invalid_body: { status: STATUS_CODE.BadRequest, advice: "correct the body" },
  invalid_host: {
    status: STATUS_CODE.BadRequest,
    advice: "send the name of the server, and nothing else, as Host",
  },
  invalid_content_type: {
    status: STATUS_CODE.BadRequest,
    advice: "send a media type such as text/plain, of at most 256 characters, or none",
  },
  partial_put: {
    status: STATUS_CODE.BadRequest,
    advice: "put the whole value, without Content-Range",
  },
  foreign_origin: {
    status: STATUS_CODE.Forbidden,
    advice: "change keys from a page of this node, or without a browser",
  },
  key_not_found: { status: STATUS_CODE.NotFound, advice: "check its name; GET /keys?prefix= lists keys" },
  method_not_allowed: { status: STATUS_CODE.MethodNotAllowed, advice: "use a method that Allow names" },
  precondition_failed: { status: STATUS_CODE.PreconditionFailed, advice: "read the value again" },
  body_too_large: { status: STATUS_CODE.ContentTooLarge, advice: "send a smaller body" },
  uri_too_long: { status: STATUS_CODE.URITooLong, advice: "use a shorter key or query" },
  unsupported_content_encoding: {
    status: STATUS_CODE.UnsupportedMediaType,
    advice: "send the bytes as they are, without Content-Encoding",
  },
  unsupported_media_type: {
    status: STATUS_CODE.UnsupportedMediaType,
    advice: "send JSON with Content-Type: application/json",
  },
  range_not_satisfiable: {
    status: STATUS_CODE.RangeNotSatisfiable,
    advice: "ask for bytes that the value has",
  },
  unknown_host: {
    status: STATUS_CODE.MisdirectedRequest,
    advice: "use localhost, 127.0.0.1, [::1] or the node's own address",
  },
  client_gone: { status: 499, advice: "stay connected until the answer" },
  internal: { status: STATUS_CODE.InternalServerError, advice: "see the log of the node" },
  conditions_unsupported: {
    status: STATUS_CODE.NotImplemented,
    advice: "repeat it without that header",
  },
  not_ready: {
    status: STATUS_CODE.ServiceUnavailable,
    advice: "wait, or ask another node",
    retryAfterSeconds: 2,
  },
} as const satisfies Readonly<Record<string, ProblemRule>>;

/** Codes of what is wrong with a request, or cannot be given to it. */
export type HttpProblemCode = keyof typeof REQUEST_PROBLEMS;

/**
 * A request that is refused or cannot be answered for a reason the routes themselves know.
 *
 * The message gives the action, then the state, without a full stop; what to do is added by the code.
 */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly facts: ErrorFacts;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly code: HttpProblemCode,
    message: string,
    extra: { readonly facts?: ErrorFacts; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.facts = extra.facts ?? {};
    this.headers = extra.headers ?? {};
  }
}

/** Whether an error is of the kinds a client is told about; any other is a defect of ours. */
export function isExpected(error: unknown): error is DhtError | HttpProblem {
  return error instanceof DhtError || error instanceof HttpProblem;
}

/** The problem document of an error. One that is not expected gives nothing away of itself. */
export function problemResponse(error: unknown): Response {
  if (error instanceof HttpProblem) {
    const rule: ProblemRule = REQUEST_PROBLEMS[error.code];
    return response(rule, error, rule.retryAfterSeconds !== undefined, error.headers);
  }
  if (error instanceof DhtError) {
    return response(RING_PROBLEMS[error.code], error, error.retryable, extraHeaders(error.code));
  }
  return problemResponse(new HttpProblem("internal", "Cannot answer: this node met an error of its own"));
}

/** The detail sentence of an error, as people read it: what happened, and what to do. */
export function detailOf(error: DhtError | HttpProblem): string {
  const rule = error instanceof DhtError ? RING_PROBLEMS[error.code] : REQUEST_PROBLEMS[error.code];
  return `${error.message.replace(/\.$/, "")}; ${rule.advice}.`;
}

function extraHeaders(code: DhtErrorCode): Record<string, string> {
  if (code === "unauthorized") return { "www-authenticate": 'Bearer realm="mydht"' };
  // What the client still sends would be read as the next request.
  if (code === "body_stalled") return { "connection": "close" };
  return {};
}

function response(
  rule: ProblemRule,
  error: DhtError | HttpProblem,
  retryable: boolean,
  headers: Readonly<Record<string, string>>,
): Response {
  const members = {
    type: `urn:mydht:problem:${error.code}`,
    title: STATUS_TEXT[rule.status] ?? "Client Gone",
    status: rule.status,
    detail: detailOf(error),
    code: error.code,
    ...(retryable ? { retryable } : {}),
  };
  // Twice: first for the order in which people read them, last so that no fact takes the place of one.
  const body = new TextEncoder().encode(JSON.stringify({ ...members, ...error.facts, ...members }));
  return new Response(body, {
    status: rule.status,
    headers: {
      "content-type": "application/problem+json",
      "content-length": `${body.length}`,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...(rule.retryAfterSeconds === undefined ? {} : { "retry-after": `${rule.retryAfterSeconds}` }),
      ...headers,
    },
  });
}
