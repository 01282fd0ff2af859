import type { DeleteAnswer, ProblemAnswer, PutAnswer } from "../../lib/api.ts";
import { uploadFetch } from "../../lib/client/upload_fetch.ts";
import type { Version } from "../../lib/core/hlc.ts";
import type { Outcome } from "../sim/history.ts";
import { readPayload } from "../sim/payload.ts";

/** How long a client waits for an answer. */
const TIMEOUT_MS = 15_000;
/** Problems after which a write surely was not made. */
const NOT_WRITTEN: ReadonlySet<string> = new Set([
  "overloaded",
  "not_in_ring",
  "not_ready",
  "stopping",
  "upload_incomplete",
  "disk_full",
]);

/** What came of a request. */
export interface Answered {
  readonly outcome: Outcome;
  /** Whether it was answered as a ring that is well answers it. */
  readonly served: boolean;
  /** Bytes that were not what anybody wrote. */
  readonly torn?: string;
}

/** A put of a short value. */
export async function put(
  address: string,
  key: string,
  body: Uint8Array<ArrayBuffer>,
  query = "",
): Promise<Answered> {
  return await asked(async () => {
    const response = await request(address, key, query, { method: "PUT", body });
    if (!response.ok) return await failed(response);
    const { version }: PutAnswer = await response.json();
    return served({ kind: "acknowledged", version: parseVersion(version) });
  });
}

/** A delete. One that found nothing has written a tombstone too, of a version that nobody is told. */
export async function remove(address: string, key: string, query = ""): Promise<Answered> {
  return await asked(async () => {
    const response = await request(address, key, query, { method: "DELETE" });
    if (response.ok) {
      const { version }: DeleteAnswer = await response.json();
      return served({ kind: "acknowledged", version: parseVersion(version) });
    }
    const failure = await failed(response);
    return isMissing(failure.outcome) ? { ...failure, served: true } : failure;
  });
}

/** A read, to the end. */
export async function get(address: string, key: string, query = ""): Promise<Answered> {
  return await asked(async () => {
    const response = await request(address, key, query, { method: "GET" });
    if (!response.ok) {
      const failure = await failed(response);
      return isMissing(failure.outcome) ? served({ kind: "read" }) : failure;
    }
    const bytes = await response.bytes();
    const value = readPayload(bytes);
    const version = parseEtag(response.headers.get("etag"));
    const answer = served({ kind: "read", value: value ?? "broken", version });
    if (value?.startsWith(`${key}#`)) return answer;
    return {
      ...answer,
      torn: `${bytes.length} bytes of ${key} from ${address}, read as ${value ?? "noise"}`,
    };
  });
}

/** The URL of a key. */
export function keyUrl(address: string, key: string, query = ""): string {
  return `http://${address}/keys/${encodeURIComponent(key)}${query}`;
}

/** @throws {SyntaxError} If it is none. */
export function parseVersion(text: string): Version {
  const match = /^(\d+)-(\d+)-(.+)$/.exec(text);
  if (match === null) throw new SyntaxError(`"${text}" is no version`);
  return { wallMs: Number(match[1]), counter: Number(match[2]), writer: match[3]! };
}

/** The version in an `ETag`. */
export function parseEtag(etag: string | null): Version {
  return parseVersion((etag ?? "").replace(/^"|"$/g, ""));
}

/** What a request that threw came to. */
export function outcomeOfError(error: unknown): Outcome {
  const causes = causesOf(error);
  if (causes.includes("(Connect)")) return { kind: "refused", reason: `not_connected: ${causes}` };
  return { kind: "unknown", reason: `no_answer: ${causes}` };
}

/** What an answer came to that is not good; reads its body. */
export async function failureOf(response: Response): Promise<Outcome> {
  const problem = await response.json().catch(() => ({})) as Partial<ProblemAnswer>;
  const code = problem.code ?? `status ${response.status}`;
  const causes = Array.isArray(problem["reasons"]) ? ` (${problem["reasons"].join("; ")})` : "";
  const reason = code === "key_not_found" ? code : `${code}: ${problem.detail ?? "without a word"}${causes}`;
  return { kind: NOT_WRITTEN.has(code) ? "refused" : "unknown", reason };
}

function request(address: string, key: string, query: string, init: RequestInit): Promise<Response> {
  return uploadFetch(keyUrl(address, key, query), { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
}

async function asked(ask: () => Promise<Answered>): Promise<Answered> {
  try {
    return await ask();
  } catch (error) {
    return { outcome: outcomeOfError(error), served: false };
  }
}

async function failed(response: Response): Promise<Answered> {
  return { outcome: await failureOf(response), served: false };
}

function served(outcome: Outcome): Answered {
  return { outcome, served: true };
}

function isMissing(outcome: Outcome): boolean {
  return outcome.kind === "unknown" && outcome.reason === "key_not_found";
}

function causesOf(error: unknown): string {
  return error instanceof Error ? [error.message, causesOf(error.cause)].filter(Boolean).join("; ") : "";
}
