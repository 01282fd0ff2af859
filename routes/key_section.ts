import type { KeyPage, ListedKey, RingView, StatusView } from "../lib/node/service.ts";
import { type Html, markup } from "./html.ts";
import { agoText, countText, isoText, momentText, plural, sizeText } from "./human.ts";
import { keyPath } from "./key.ts";
import type { ListingQuery } from "./listing.ts";
import { hashMark, type NodeColours } from "./ring_chart.ts";
import { visibleText } from "./visible_text.ts";

/** The keys of a status page, or why they cannot be listed now. */
export type PageKeys =
  | { readonly kind: "page"; readonly page: KeyPage }
  | { readonly kind: "failed"; readonly detail: string };

/** What the table of keys is made of. */
export interface KeySection {
  readonly keys: PageKeys;
  readonly query: ListingQuery;
  readonly ring: RingView;
  readonly health: StatusView["health"];
  readonly colours: NodeColours;
  readonly nowMs: number;
}

/** The keys: a form to search by prefix, one page of them with their replicas, and the way to the next. */
export function keySection(section: KeySection): Html {
  return markup`<section class="card" aria-labelledby="keys">
<div class="head"><h2 id="keys">Keys</h2>${searchForm(section.query)}</div>
${body(section)}
</section>`;
}

function searchForm({ prefix }: ListingQuery): Html {
  return markup`<form action="/" method="get" role="search">
<label for="prefix">Begins with</label>
<input id="prefix" name="prefix" type="search" value="${prefix}" maxlength="1024"
autocomplete="off" spellcheck="false">
<button>Search</button>${prefix !== "" && markup` <a href="/">All keys</a>`}
</form>`;
}

function body(section: KeySection): Html {
  const { keys, query } = section;
  if (keys.kind === "failed") {
    return markup`<p class="note"><strong>The keys cannot be listed now.</strong> ${keys.detail}</p>`;
  }
  if (keys.page.keys.length === 0) return emptyState(query, section.ring.self);
  return markup`<table class="keys">
<thead><tr><th scope="col">Key</th><th scope="col" class="number">Size</th><th scope="col">Written (UTC)</th>
<th scope="col">Hash partition</th><th scope="col">Replicas, each with its own copy</th></tr></thead>
<tbody>${keys.page.keys.map((key) => keyRow(key, section))}</tbody>
</table>
${pager(keys.page, query)}`;
}

function emptyState({ prefix, after }: ListingQuery, self: string): Html {
  if (after !== undefined) {
    return markup`<p class="empty">No more keys. <a href="${pageLink({ prefix })}">Back to the first</a></p>`;
  }
  if (prefix !== "") return markup`<p class="empty">No key begins with “${visibleText(prefix)}”.</p>`;
  return markup`<div class="empty"><p>No keys yet. Put the first one:</p>
<pre><code>curl -X PUT --data-binary hello http://${self}/keys/greeting</code></pre></div>`;
}

function keyRow(listed: ListedKey, section: KeySection): Html {
  const { key, valueBytes, version, contentType, partition } = listed;
  return markup`<tr>
<td class="key"><a href="${keyPath(key)}">${
    visibleText(key)
  }</a><span class="quiet">${contentType}</span></td>
<td class="number" title="${plural(valueBytes, "byte")}">${sizeText(valueBytes)}</td>
<td class="written"><time datetime="${isoText(version.wallMs)}">${momentText(version.wallMs)}</time>
<span class="quiet">${agoText(version.wallMs, section.nowMs)}</span></td>
<td class="partition">${hashMark(listed, section.ring, section.colours)} ${countText(partition)}</td>
<td class="replicas">${listed.nodes.map((address) => replicaLink(address, key, section))}${
    section.health.thin.has(partition) && markup`<span class="problem">copies are missing</span>`
  }</td>
</tr>
`;
}

function replicaLink(address: string, key: string, { ring, colours }: KeySection): Html {
  const down = ring.nodes.some((node) => node.address === address && !node.reachable);
  const link = `http://${address}${keyPath(key)}?consistency=local`;
  return markup`<a class="replica ${colours.get(address)}${
    down && " off"
  }" href="${link}"><span class="dot"></span>${address}${down && ", does not answer"}</a> `;
}

function pager({ keys, next }: KeyPage, { prefix, after }: ListingQuery): Html {
  const from = after !== undefined && markup` after “${visibleText(after)}”`;
  return markup`<nav class="pager" aria-label="Pages of keys">
<span class="quiet">${plural(keys.length, "key")}${from}</span>
${after !== undefined && markup`<a href="${pageLink({ prefix })}">First page</a>`}
${
    next !== undefined &&
    markup`<a class="next" rel="next" href="${pageLink({ prefix, after: next })}">Next page</a>`
  }
</nav>`;
}

function pageLink({ prefix, after }: ListingQuery): string {
  const query = new URLSearchParams();
  if (prefix !== "") query.set("prefix", prefix);
  if (after !== undefined) query.set("after", after);
  return query.size === 0 ? "/" : `/?${query}`;
}
