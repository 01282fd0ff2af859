import type { NodeView, RingView } from "../lib/node/service.ts";
import { type Html, html } from "./html.ts";
import { countText, plural, shareText } from "./human.ts";

/** Colours there are; a ring of more nodes uses them again. */
const COLOURS = 10;
/** Length of the circle the arcs lie on: shares are percents of it. */
const CIRCLE = 100;

/** The class that colours a node, by address: the same on the pages of all nodes. */
export type NodeColours = ReadonlyMap<string, string>;

/** Gives each node of the ring its colour. */
export function nodeColours({ nodes }: RingView): NodeColours {
  return new Map(nodes.map((node, index) => [node.address, `c${index % COLOURS}`]));
}

/** The ring: its hash space drawn as a circle, and every server with what it has of it. */
export function ringSection(ring: RingView, colours: NodeColours): Html {
  return html`<section class="card" aria-labelledby="ring">
<div class="head"><h2 id="ring">The ring</h2>
<p class="quiet">${countText(ring.partitions)} partitions · layout <code>${ring.layout}</code></p></div>
${changeNote(ring)}
<div class="ring">
${donut(ring, colours)}
<table class="nodes">
<thead><tr><th scope="col">Server</th><th scope="col">State</th><th scope="col" class="number">Share</th>
<th scope="col" class="number">Partitions held</th></tr></thead>
<tbody>${ring.nodes.map((node) => nodeRow(node, ring, colours))}</tbody>
</table>
</div>
${sizeNote(ring)}
</section>`;
}

function changeNote({ changing, nodes }: RingView): Html {
  if (!changing) return html``;
  const waiting = nodes.filter((node) => !node.synced).map((node) => node.address);
  const whom = waiting.length === 0 ? "All hold their share already" : `Still moving: ${waiting.join(", ")}`;
  return html`<p class="note"><strong>The ring is changing.</strong> Keys move to where they now belong; all of them
can be read and written meanwhile. ${whom}.</p>`;
}

function nodeRow(node: NodeView, ring: RingView, colours: NodeColours): Html {
  const self = node.address === ring.self;
  return html`
    <tr class="${colours.get(node.address)}${node.reachable ? "" : " off"}">
      <td class="server"><span class="dot"></span><a href="http://${node.address}/">${node
        .address}</a>${self && html`
        <span class="quiet">this node</span>
      `}</td>
      <td>${stateText(node)}</td>
      <td class="number">${shareText(node.primaryPartitions, ring.partitions)}</td>
      <td class="number">${countText(node.ownedPartitions)}</td>
    </tr>
  `;
}

function stateText(node: NodeView): Html {
  if (!node.reachable) {
    return html`<strong class="down">down</strong>${node.state !== "up" && `, ${node.state}`}`;
  }
  if (node.state !== "up") return html`<strong class="moving">${node.state}</strong>`;
  return node.synced ? html`up` : html`up, <span class="moving">syncing</span>`;
}

/** What the number of nodes means for whom it is news: how to grow, and what two nodes cannot do. */
function sizeNote({ self, nodes, replicas }: RingView): Html {
  if (nodes.length >= Math.min(3, replicas)) return html``;
  const meaning = nodes.length === 1
    ? "One node keeps the only copy of every key."
    : "With two nodes, either may fail and every key can still be read, but writing waits until both are up.";
  return html`
    <p
      class="note">${meaning} Start another: <code>deno task node --port ${nextPort(
        nodes,
      )} --server ${self}</code></p>
  `;
}

function nextPort(nodes: readonly NodeView[]): number {
  return Math.max(...nodes.map((node) => Number(/\d+$/.exec(node.address)?.[0] ?? 0))) + 1;
}

function donut(ring: RingView, colours: NodeColours): Html {
  const up = ring.nodes.filter((node) => node.reachable).length;
  return html`
    <svg class="donut" viewBox="0 0 42 42" role="img" aria-labelledby="donut-title donut-desc">
      <title id="donut-title">The hash space by first owner</title>
      <desc id="donut-desc">${ring.nodes.map((node) => shareOf(node, ring)).join("; ")}</desc>
      <circle class="track" cx="21" cy="21" r="17" />
      <g transform="rotate(-90 21 21)">${arcs(ring, colours)}</g>
      <text class="big" x="21" y="22">${up === ring.nodes.length
        ? countText(up)
        : `${up}/${ring.nodes.length}`}</text>
      <text class="small" x="21" y="26.500">${up === ring.nodes.length
        ? (up === 1 ? "node" : "nodes")
        : "nodes up"}</text>
    </svg>
  `;
}

function arcs(ring: RingView, colours: NodeColours): readonly Html[] {
  const shown = ring.nodes.filter((node) => node.primaryPartitions > 0);
  const gap = shown.length < 2 ? 0 : Math.min(0.8, CIRCLE / shown.length / 8);
  let start = 0;
  return shown.map((node) => {
    const length = node.primaryPartitions / ring.partitions * CIRCLE;
    const offset = start;
    start += length;
    return html`
      <circle class="arc ${colours.get(node.address)}${node.reachable ? "" : " off"}" cx="21" cy="21" r="17"
        pathLength="100" stroke-dasharray="${(length - gap).toFixed(3)} ${(CIRCLE - length + gap).toFixed(3)}"
        stroke-dashoffset="${(-offset).toFixed(3)}">
        <title>${shareOf(node, ring)}</title>
      </circle>
    `;
  });
}

function shareOf(node: NodeView, ring: RingView): string {
  const share = shareText(node.primaryPartitions, ring.partitions);
  return `${node.address}: ${share}, ${plural(node.primaryPartitions, "partition")}${
    node.reachable ? "" : ", down"
  }`;
}
