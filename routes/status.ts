import { accepts } from "@std/http/negotiation";
import { STATUS_CODE } from "@std/http/status";
import type { StatusAnswer } from "../lib/api.ts";
import { DhtError } from "../lib/core/errors.ts";
import type { Health } from "../lib/core/health.ts";
import { addressOf } from "../lib/core/layout.ts";
import type { StatusView } from "../lib/node/service.ts";
import type { Call } from "./call.ts";
import { type ListingQuery, listingQuery } from "./listing.ts";
import type { PageKeys } from "./key_section.ts";
import { ringAnswer } from "./members.ts";
import { detailOf, isExpected } from "./problem.ts";
import { json, text } from "./respond.ts";
import { PAGE_POLICY, statusPage } from "./status_page.ts";
import { parseQuery } from "./target.ts";
import { REFRESH_SECONDS, waitingPage } from "./waiting_page.ts";

/** Keys on one page of the status page. */
const PAGE_KEYS = 50;
/** Partitions that miss a copy, of those that are told by number. */
const THIN_MAX = 20;

/** `GET /`: the status page, or the same as JSON for those who ask for that. */
export async function showStatus(call: Call): Promise<Response> {
  const { request, target, deps } = call;
  if (accepts(request, "text/html", "application/json") === "application/json") {
    return json(statusAnswer(await deps.node.status(), deps.version), { headers: { vary: "accept" } });
  }
  const query = listingQuery(parseQuery(target.query));
  try {
    const [status, keys] = await Promise.all([deps.node.status(), pageKeys(call, query)]);
    return html(statusPage({ status, keys, query }));
  } catch (error) {
    const isWaiting = error instanceof DhtError && error.code === "not_in_ring";
    // Who did not ask for a page gets the problem document, as of every other error.
    if (!isWaiting || accepts(request, "application/problem+json", "text/html") !== "text/html") throw error;
    const readiness = deps.node.readiness();
    const reason = readiness.ready ? error.message : readiness.reason;
    return html(waitingPage({ self: deps.selfAddress, version: deps.version, reason }), {
      status: STATUS_CODE.ServiceUnavailable,
      headers: { "retry-after": `${REFRESH_SECONDS}` },
    });
  }
}

function html(page: string, init: { status?: number; headers?: Record<string, string> } = {}): Response {
  return text(page, "text/html; charset=utf-8", {
    ...init,
    headers: {
      "content-security-policy": PAGE_POLICY,
      "referrer-policy": "no-referrer",
      "vary": "accept",
      ...init.headers,
    },
  });
}

/** The rest of the page is worth showing while the keys cannot be listed: it says which nodes are down. */
async function pageKeys({ request, deps }: Call, query: ListingQuery): Promise<PageKeys> {
  try {
    const page = await deps.node.list({ ...query, limit: PAGE_KEYS, client: request });
    return { kind: "page", page };
  } catch (error) {
    if (!isExpected(error)) throw error;
    return { kind: "failed", detail: detailOf(error) };
  }
}

function statusAnswer(status: StatusView, version: string): StatusAnswer {
  return {
    ...ringAnswer(status.ring),
    software: `MyDHT ${version}`,
    uptimeSeconds: (status.nowMs - status.startedMs) / 1000,
    keys: status.ringKeys,
    bytes: status.ringBytes,
    countsComplete: status.countsComplete,
    localKeys: status.localKeys,
    localComplete: status.localComplete,
    localBytes: status.localBytes,
    change: status.change ?? null,
    health: healthAnswer(status.health),
    notes: status.notes,
    warnings: status.warnings,
    oldestVerifiedSeconds: status.oldestVerifiedMs / 1000,
    unverifiedPartitions: status.unverifiedPartitions,
    background: status.background.map(({ error, completedMs, ...view }) => ({
      ...view,
      error: error ?? null,
      completed: completedMs === undefined ? null : completedMs / 1000,
    })),
  };
}

function healthAnswer(health: Health): StatusAnswer["health"] {
  const { unreadable, unwritable, thin, missing, spareToRead, spareToWrite } = health;
  return {
    unreadable,
    unwritable,
    thin: thin.size,
    thinPartitions: [...thin].slice(0, THIN_MAX),
    missing: [...new Set(missing.map(addressOf))],
    spareToRead,
    spareToWrite,
  };
}
