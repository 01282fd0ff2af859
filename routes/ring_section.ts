import type { Health } from "../lib/core/health.ts";
import type { ChangeView, FetchingView, NodeView, RingView, StatusView } from "../lib/node/service.ts";
import { type Html, markup } from "./html.ts";
import { countText, plural, shareText, sizeText, spanText } from "./human.ts";
import { type NodeColours, ringChart } from "./ring_chart.ts";

/** The ring: its hash space drawn as a circle, and every server with what it has of it. */
export function ringSection(
  { ring, change, health, notes }: Pick<StatusView, "ring" | "change" | "health" | "notes">,
  colours: NodeColours,
): Html {
  return markup`<section class="card" aria-labelledby="ring">
<div class="head"><h2 id="ring">The ring</h2>
<p class="quiet">${countText(ring.partitions)} partitions · layout <code>${ring.layout}</code></p></div>
${ring.changing && changeNote(health, change)}
<div class="ring">
${ringChart(ring, colours)}
<table class="nodes">
<thead><tr><th scope="col">Server</th><th scope="col">State</th><th scope="col" class="number">Share</th>
<th scope="col" class="number">Partitions held</th>${shareTitles(ring)}</tr></thead>
<tbody>${ring.nodes.map((node) => nodeRow(node, { ring, change, colours }))}</tbody>
</table>
</div>
${
    notes.map((note) =>
      markup`<p class="note">${note}</p>
`
    )
  }${growNote(ring)}
</section>`;
}

/** Who it waits for is told by the table and by the warnings, and so is which keys are out of reach. */
function changeNote({ unreadable, unwritable }: Health, change: ChangeView | undefined): Html {
  const use = unwritable === 0 ? "read and written" : "read";
  const promise = unreadable === 0 && markup`; all of them can be ${use} meanwhile`;
  return markup`<p class="note"><strong>The ring is changing.</strong> Keys move to where they now belong${promise}.${
    change !== undefined && progress(change)
  }</p>`;
}

function progress({ partitionsLeft, bytesLeft, bytesPerSecond, secondsLeft }: ChangeView): Html {
  const bytes = bytesLeft !== undefined && `, ${sizeText(bytesLeft)}`;
  const rate = bytesPerSecond > 0 && ` at ${sizeText(bytesPerSecond)} a second`;
  const time = secondsLeft !== undefined && secondsLeft > 0 && `, about ${spanText(secondsLeft * 1000)}`;
  return markup`
<strong>${plural(partitionsLeft, "partition")}${bytes} left</strong>${rate}${time}.`;
}

function nodeRow(
  node: NodeView,
  { ring, change, colours }: {
    readonly ring: RingView;
    readonly change: ChangeView | undefined;
    readonly colours: NodeColours;
  },
): Html {
  const fetching = change?.fetching.find(({ address }) => address === node.address);
  const self = node.address === ring.self && markup` <span class="quiet">this node</span>`;
  return markup`<tr class="${colours.get(node.address)}${!node.reachable && " off"}">
<td class="server"><span class="dot"></span><a href="http://${node.address}/">${node.address}</a>${self}</td>
<td>${stateText(node)}${fetching !== undefined && fetchingText(fetching)}</td>
<td class="number">${shareText(node.primaryPartitions, ring.partitions)}</td>
<td class="number">${countText(node.ownedPartitions)}</td>${shareCells(node, ring)}
</tr>
`;
}

/** Weights and zones are shown only where somebody has set one. */
function hasShares({ nodes }: RingView): boolean {
  return nodes.some(({ weight, zone }) => weight !== 1 || zone !== undefined);
}

function shareTitles(ring: RingView): Html {
  if (!hasShares(ring)) return markup``;
  return markup`
<th scope="col" class="number">Weight</th><th scope="col">Zone</th>`;
}

function shareCells({ weight, zone }: NodeView, ring: RingView): Html {
  if (!hasShares(ring)) return markup``;
  return markup`
<td class="number">${weight}</td><td>${zone ?? "none"}</td>`;
}

function fetchingText({ bytesLeft, error }: FetchingView): Html {
  const left = bytesLeft !== undefined && bytesLeft > 0 && ` ${sizeText(bytesLeft)} left`;
  return markup`${left}${error !== undefined && markup`<br><span class="down">${error}</span>`}`;
}

function stateText({ reachable, trouble, state, synced }: NodeView): Html {
  if (!reachable) {
    const seen = trouble === "unreachable" ? "unreachable from here" : "down";
    return markup`<strong class="down">${seen}</strong>${state !== "up" && `, ${state}`}`;
  }
  if (state !== "up") return markup`<strong class="moving">${state}</strong>`;
  return synced ? markup`up` : markup`up, <span class="moving">syncing</span>`;
}

/** How to grow, for those whose ring is too small; what that means is among the warnings. */
function growNote({ self, nodes, replicas }: RingView): Html {
  if (nodes.length >= Math.min(3, replicas)) return markup``;
  const command = `deno task node --port ${nextPort(nodes)} --server ${self}`;
  return markup`<p class="note">To grow the ring, start another node: <code>${command}</code></p>`;
}

function nextPort(nodes: readonly NodeView[]): number {
  return Math.max(...nodes.map((node) => Number(/\d+$/.exec(node.address)?.[0] ?? 0))) + 1;
}
