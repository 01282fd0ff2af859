import type { RingView, StatusView } from "../lib/node/service.ts";
import { newSha256 } from "../lib/sha256.ts";
import { backgroundSection } from "./background_section.ts";
import { type Html, markup, trusted } from "./html.ts";
import { countText, plural, sizeText, spanText } from "./human.ts";
import { keySection, type PageKeys } from "./key_section.ts";
import type { ListingQuery } from "./listing.ts";
import { nodeColours } from "./ring_chart.ts";
import { ringSection } from "./ring_section.ts";
import { STATUS_PAGE_STYLE } from "./status_page_style.ts";

/** Everything the status page shows. */
export interface StatusPage {
  readonly status: StatusView;
  readonly keys: PageKeys;
  readonly query: ListingQuery;
}

const STYLE_HASH = newSha256().update(STATUS_PAGE_STYLE).digest("base64");

/** What a browser may do for the status page: apply this one style sheet, and send its form here. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${STYLE_HASH}'`,
  "img-src data:",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** A ring of three arcs, as data, so that browsers do not ask for a key named favicon.ico. */
const ICON = "data:image/svg+xml," + encodeURIComponent(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke-width="7">` +
    `<g transform="rotate(-90 16 16)"><circle cx="16" cy="16" r="11" stroke="#2f6fb3"/>` +
    `<circle cx="16" cy="16" r="11" stroke="#c98a17" pathLength="3" stroke-dasharray="1 2" ` +
    `stroke-dashoffset="-1"/>` +
    `<circle cx="16" cy="16" r="11" stroke="#23846b" pathLength="3" stroke-dasharray="1 2" ` +
    `stroke-dashoffset="-2"/>` +
    `</g></svg>`,
);

/** The status page as a whole document. Works without script and without any other file. */
export function statusPage({ status, keys, query }: StatusPage): string {
  const { ring } = status;
  const colours = nodeColours(ring);
  return pageDocument({
    self: ring.self,
    body: markup`${pageHeader(status)}
<main>
${warnings(status.warnings)}
${facts(status)}
${ringSection(status, colours)}
${backgroundSection(status)}
${keySection({ keys, query, ring, health: status.health, colours, nowMs: status.nowMs })}
</main>
${pageFooter(ring.self)}`,
  });
}

/** A document in the style of the status page, for a browser under `PAGE_POLICY`. */
export function pageDocument(
  { self, head, body }: { readonly self: string; readonly head?: Html; readonly body: Html },
): string {
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">${head}
<title>${self} · MyDHT</title>
<link rel="icon" href="${ICON}">
<style>${trusted(STATUS_PAGE_STYLE)}</style>
</head>
<body>
<div class="page">
${body}
</div>
</body>
</html>
`.text;
}

function pageHeader({ ring, version, startedMs, nowMs }: StatusView): Html {
  const up = spanText(nowMs - startedMs);
  return markup`<header class="top">
<div>
<p class="brand"><a href="/">MyDHT</a></p>
<h1>${ring.self}</h1>
<p class="quiet">Up for ${up} · version ${version} · ring <code>${shortId(ring.ringId)}</code></p>
</div>
${badge(ring)}
</header>`;
}

function badge(ring: RingView): Html {
  const down = ring.nodes.filter((node) => !node.reachable).length;
  if (down > 0) return markup`<p class="badge bad">${plural(down, "node")} down</p>`;
  if (ring.changing) return markup`<p class="badge busy">Ring is changing</p>`;
  const all = ring.nodes.length;
  return markup`<p class="badge good">${all === 1 ? "Node is up" : `All ${countText(all)} nodes up`}</p>`;
}

function warnings(sentences: readonly string[]): Html {
  if (sentences.length === 0) return markup``;
  return markup`<section class="warnings" aria-labelledby="warnings">
<h2 id="warnings">Needs attention</h2>
<ul>${sentences.map((sentence) => markup`<li>${withCommands(sentence)}</li>`)}</ul>
</section>`;
}

/** Warnings name commands between backticks. */
function withCommands(sentence: string): readonly (Html | string)[] {
  return sentence.split("`").map((part, index) => index % 2 === 1 ? markup`<code>${part}</code>` : part);
}

function facts(status: StatusView): Html {
  const { ring } = status;
  const more = status.countsComplete ? "" : " or more";
  return markup`<dl class="facts">
${fact("Keys", countText(status.ringKeys) + more, "in the whole ring")}
${fact("Total size", sizeText(status.ringBytes) + more, plural(status.ringBytes, "byte") + more)}
${fact("Replicas", countText(ring.replicas), replicasNote(ring))}
${
    status.localComplete
      ? fact("On this node", plural(status.localKeys, "key"), sizeText(status.localBytes))
      : fact("On this node", "counting", "as it does after a start")
  }
</dl>`;
}

function fact(name: string, value: string, note: string): Html {
  return markup`<div><dt>${name}</dt><dd class="value">${value}</dd><dd class="quiet">${note}</dd></div>`;
}

function replicasNote({ replicas, nodes }: RingView): string {
  return nodes.length < replicas ? `of each key; ${plural(nodes.length, "node")} so far` : "of each key";
}

function pageFooter(self: string): Html {
  return markup`<footer>
<h2>From a terminal</h2>
<pre><code>curl -X PUT --data-binary hello http://${self}/keys/greeting
curl http://${self}/keys/greeting</code></pre>
<p class="quiet">For machines: <a href="/keys">keys</a> · <a href="/nodes">nodes</a> ·
<a href="/metrics">metrics</a> · <a href="/healthz">health</a> · <a href="/readyz">readiness</a>.
This page is JSON for those who send <code>Accept: application/json</code>.</p>
</footer>`;
}

function shortId(id: string): string {
  return id.length > 12 ? `${id.slice(0, 8)}…` : id;
}
