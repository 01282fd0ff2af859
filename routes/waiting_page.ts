import { markup } from "./html.ts";
import { pageDocument } from "./status_page.ts";

/** How often a browser asks again, in seconds. */
export const REFRESH_SECONDS = 3;

/** The page of a node that is in no ring yet: it says why, and asks again until the status page is there. */
export function waitingPage(
  { self, version, reason }: { readonly self: string; readonly version: string; readonly reason: string },
): string {
  return pageDocument({
    self,
    head: markup`
<meta http-equiv="refresh" content="${REFRESH_SECONDS}">`,
    body: markup`<header class="top">
<div>
<p class="brand"><a href="/">MyDHT</a></p>
<h1>${self}</h1>
<p class="quiet">Version ${version}</p>
</div>
<p class="badge busy">Not in a ring yet</p>
</header>
<main>
<section class="warnings" aria-labelledby="warnings">
<h2 id="warnings">This node serves nothing yet</h2>
<ul><li>${reason}.</li></ul>
</section>
<p class="quiet">It keeps trying; this page asks again every ${REFRESH_SECONDS} seconds.</p>
</main>`,
  });
}
