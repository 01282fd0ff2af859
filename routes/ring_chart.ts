import type { ListedKey, NodeView, RingView } from "../lib/node/service.ts";
import { type Html, markup } from "./html.ts";
import { countText, plural, shareText } from "./human.ts";

/** What is left between two arcs, in turns of the circle. */
const GAP = 0.008;

/** Colours there are; a ring of more nodes uses them again. */
const COLOURS = 10;

/** The class that colours a node, by address: the same on the pages of all nodes. */
export type NodeColours = ReadonlyMap<string, string>;

/** Gives each node of the ring its colour. */
export function nodeColours({ nodes }: RingView): NodeColours {
  return new Map(nodes.map((node, index) => [node.address, `c${index % COLOURS}`]));
}

/** The hash space as a circle: each arc is the share of a node as first owner, told in words too. */
export function ringChart(ring: RingView, colours: NodeColours): Html {
  return markup`<svg class="donut" viewBox="0 0 42 42" role="img" aria-labelledby="donut-title donut-desc">
<title id="donut-title">The hash space by first owner</title>
<desc id="donut-desc">${ring.nodes.map((node) => shareOf(node, ring)).join("; ")}</desc>
<circle class="track" cx="21" cy="21" r="17"/>
${arcs(ring, colours)}
${middle(ring.nodes)}
</svg>`;
}

/** Where on the ring a key lies: a circle with a point at its partition, coloured as its first owner. */
export function hashMark(key: ListedKey, ring: RingView, colours: NodeColours): Html {
  const degrees = (key.partition / ring.partitions * 360).toFixed(1);
  return markup`<svg class="hash ${colours.get(key.nodes[0] ?? "")}" viewBox="0 0 16 16" aria-hidden="true">
<circle class="orbit" cx="8" cy="8" r="5.5"/>
<circle class="point" cx="8" cy="2.5" r="2.5" transform="rotate(${degrees} 8 8)"/></svg>`;
}

function middle(nodes: readonly NodeView[]): Html {
  const up = nodes.filter((node) => node.reachable).length;
  const all = up === nodes.length;
  const words = all ? (up === 1 ? "node" : "nodes") : "nodes up";
  return markup`<text class="big" x="21" y="22">${all ? countText(up) : `${up}/${nodes.length}`}</text>
<text class="small" x="21" y="26.5">${words}</text>`;
}

function arcs(ring: RingView, colours: NodeColours): readonly Html[] {
  const shown = ring.nodes.filter((node) => node.primaryPartitions > 0);
  const gap = shown.length < 2 ? 0 : Math.min(GAP, 1 / shown.length / 8);
  let start = 0;
  return shown.map((node) => {
    const end = start + node.primaryPartitions / ring.partitions;
    const shape = arc(start + gap / 2, Math.max(start, end - gap) + gap / 2);
    start = end;
    return markup`<g class="arc ${colours.get(node.address)}${!node.reachable && " off"}">
<title>${shareOf(node, ring)}</title>${shape}</g>`;
  });
}

/** An arc between two turns of the circle, 0 at the top. A whole turn would end where it began, and so vanish. */
function arc(start: number, end: number): Html {
  if (end - start > 0.999) return markup`<circle cx="21" cy="21" r="17"/>`;
  const large = end - start > 0.5 ? 1 : 0;
  return markup`<path d="M${pointAt(start)}A17 17 0 ${large} 1 ${pointAt(end)}"/>`;
}

function pointAt(turn: number): string {
  const angle = turn * 2 * Math.PI;
  return `${(21 + 17 * Math.sin(angle)).toFixed(3)} ${(21 - 17 * Math.cos(angle)).toFixed(3)}`;
}

function shareOf(node: NodeView, ring: RingView): string {
  const share = shareText(node.primaryPartitions, ring.partitions);
  return `${node.address}: ${share}, ${plural(node.primaryPartitions, "partition")}${
    node.reachable ? "" : ", down"
  }`;
}
