import { accepts } from "@std/http/negotiation";
import type { StatusAnswer } from "../lib/api.ts";
import type { StatusView } from "../lib/node/service.ts";
import type { Call } from "./call.ts";
import { type ListingQuery, listingQuery } from "./listing.ts";
import type { PageKeys } from "./key_section.ts";
import { ringAnswer } from "./members.ts";
import { detailOf, isExpected } from "./problem.ts";
import { json, text } from "./respond.ts";
import { PAGE_POLICY, statusPage } from "./status_page.ts";
import { parseQuery } from "./target.ts";

/** Keys on one page of the status page. */
const PAGE_KEYS = 50;

/** `GET /`: the status page, or the same as JSON for those who ask for that. */
export async function showStatus(call: Call): Promise<Response> {
  const { request, target, deps } = call;
  if (accepts(request, "text/html", "application/json") === "application/json") {
    return json(statusAnswer(await deps.node.status(), deps.version), { headers: { vary: "accept" } });
  }
  const query = listingQuery(parseQuery(target.query));
  const [status, keys] = await Promise.all([deps.node.status(), pageKeys(call, query)]);
  return text(statusPage({ status, keys, query }), "text/html; charset=utf-8", {
    headers: { "content-security-policy": PAGE_POLICY, "referrer-policy": "no-referrer", "vary": "accept" },
  });
}

/** The rest of the page is worth showing while the keys cannot be listed: it says which nodes are down. */
async function pageKeys({ request, deps }: Call, query: ListingQuery): Promise<PageKeys> {
  try {
    const page = await deps.node.list({ ...query, limit: PAGE_KEYS, signal: request.signal });
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
    localBytes: status.localBytes,
    warnings: status.warnings,
  };
}
