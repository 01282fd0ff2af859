import type { BackgroundView } from "../lib/node/background.ts";
import type { StatusView } from "../lib/node/service.ts";
import { type Html, markup } from "./html.ts";
import { agoText, countText, sizeText, spanText } from "./human.ts";

/** What each task is there for, in words. */
const PURPOSES: Readonly<Record<BackgroundView["name"], string>> = {
  "transfer": "fetches what a change of the ring gives this node",
  "hints": "brings other nodes what they missed",
  "anti-entropy": "compares this node with the other owners of its keys",
  "scrub": "reads this node's own copies and checks them",
  "tombstones": "clears away deletions that all owners know",
  "expiry": "ends values whose time is over",
  "garbage": "frees the bytes of large values that were overwritten, and of uploads that were given up",
};

/** What the node does by itself, how far it is, and what went wrong. */
export function backgroundSection(status: StatusView): Html {
  return markup`<section class="card" aria-labelledby="background">
<div class="head"><h2 id="background">Background</h2>
<p class="quiet">${verifiedText(status)}</p></div>
<table class="tasks">
<thead><tr><th scope="col">Task</th><th scope="col">State</th><th scope="col" class="number">Done</th>
<th scope="col" class="number">Left</th><th scope="col" class="number">Rate</th></tr></thead>
<tbody>${status.background.map((task) => taskRow(task, status.nowMs))}</tbody>
</table>
</section>`;
}

/** How old the oldest comparison of a partition is. */
function verifiedText({ ring, oldestVerifiedMs, unverifiedPartitions }: StatusView): string {
  if (ring.nodes.length < 2) return "No other node to compare with";
  if (unverifiedPartitions > 0) {
    return `Not verified since this node started: ${countText(unverifiedPartitions)} partitions`;
  }
  return oldestVerifiedMs < 1000
    ? "All partitions verified just now"
    : `All partitions verified within ${spanText(oldestVerifiedMs)}`;
}

function taskRow(task: BackgroundView, nowMs: number): Html {
  const { name, done, left, unit, bytesPerSecond } = task;
  const rate = bytesPerSecond > 0 ? `${sizeText(bytesPerSecond)}/s` : "";
  return markup`<tr>
<td class="task">${name}<span class="quiet">${PURPOSES[name]}</span>${errorNote(task)}</td>
<td>${stateText(task, nowMs)}</td>
<td class="number">${done > 0 && countText(done)}</td>
<td class="number">${left > 0 && `${countText(left)} ${unit}`}</td>
<td class="number">${rate}</td>
</tr>
`;
}

function errorNote({ error }: BackgroundView): Html {
  return error === undefined ? markup`` : markup`<span class="problem">${error}</span>`;
}

function stateText({ running, error, left, completedMs }: BackgroundView, nowMs: number): Html {
  if (running) return markup`<strong class="moving">running</strong>`;
  if (error !== undefined) return markup`<strong class="down">failed</strong>, tries again`;
  if (left > 0) return markup`<span class="moving">waiting</span>`;
  return completedMs === undefined ? markup`nothing yet` : markup`done ${agoText(completedMs, nowMs)}`;
}
