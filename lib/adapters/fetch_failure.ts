/**
 * Why a `fetch` or a connection failed, in the words of a person: "connection refused", "no
 * such host". Where the cause is none of the usual, what the runtime says of it.
 */
export function fetchFailureReason(error: unknown): string {
  const text = causesText(error);
  const known = REASONS.find(([pattern]) => pattern.test(text));
  return known === undefined ? lastClause(text) : known[1];
}

/** Whether nobody listens there, so that nothing was sent. */
export function isConnectionRefused(error: unknown): boolean {
  return REFUSED.test(causesText(error));
}

const REFUSED = /connection refused|os error (?:111|61|10061)\b/i;

// The numbers are those of Linux, macOS and Windows, whose texts may be in the user's language.
const REASONS: readonly (readonly [RegExp, string])[] = [
  [REFUSED, "connection refused"],
  [/dns error|failed to lookup|name or service not known|no such host/i, "no such host"],
  [/unreachable|no route|os error (?:101|113|51|65|10051|10065)\b/i, "no way to that host"],
  [/connection reset|broken pipe|closed before|os error (?:104|54|32|10054)\b/i, "connection lost"],
  [/unexpected eof|end of file|incomplete|reading a body/i, "connection lost"],
  [/timed out|os error (?:110|60|10060)\b/i, "no answer from that host"],
  [/certificate/i, "its certificate is not trusted"],
  [/invalid http|parsed|corrupt message/i, "what answers there is no MyDHT node"],
  [/ports? \d+ (?:is|are) (?:blocked|one that)/i, "fetch refuses to connect to that port"],
  [/invalid url|neither a host name|is not host:port/i, "no valid address"],
];

function causesText(error: unknown): string {
  const texts: string[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) texts.push(cause.message);
  return texts.length === 0 ? String(error) : texts.join(": ");
}

/** The runtime puts the URL and the layers of its client before what happened. */
function lastClause(text: string): string {
  return text.split(/\): |: (?=[a-z])/i).at(-1) ?? text;
}
