import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { nodeView } from "./fake_node.ts";
import { Api } from "./fixture.ts";

async function page(api: Api): Promise<string> {
  return await (await api.send("GET", "/", { headers: { accept: "text/html" } })).text();
}

Deno.test("status page given a change under way, then it says what is left, how long, and at which node", async () => {
  const api = new Api();
  api.node.changing = true;
  api.node.nodes = [
    nodeView("a:1"),
    nodeView("b:1", { state: "joining", synced: false }),
    nodeView("c:1", { synced: false }),
  ];
  api.node.change = {
    partitionsLeft: 1_200,
    bytesLeft: 3_000_000,
    bytesPerSecond: 1_000_000,
    secondsLeft: 3,
    fetching: [
      {
        address: "b:1",
        reachable: true,
        partitionsLeft: 1_000,
        bytesLeft: 2_000_000,
        bytesPerSecond: 1_000_000,
      },
      { address: "c:1", reachable: true, bytesPerSecond: 0, error: "<its disk is full>" },
    ],
  };
  const html = await page(api);
  assertStringIncludes(
    html,
    "<strong>1,200 partitions, 3 MB left</strong> at 1 MB a second, about 3 seconds.",
  );
  assertStringIncludes(html, `<strong class="moving">joining</strong> 2 MB left`);
  assertStringIncludes(html, `<span class="down">&lt;its disk is full&gt;</span>`);
});

const OUT_OF_REACH: Record<string, readonly [unreadable: number, unwritable: number, words: string]> = {
  "no key": [0, 0, "Keys move to where they now belong; all of them can be read and written meanwhile.</p>"],
  "some keys for writes": [
    0,
    5,
    "Keys move to where they now belong; all of them can be read meanwhile.</p>",
  ],
  "some keys": [3, 5, "Keys move to where they now belong.</p>"],
};
for (const [name, [unreadable, unwritable, words]] of Object.entries(OUT_OF_REACH)) {
  Deno.test(`status page given a change while ${name} is out of reach, then it promises no more than that`, async () => {
    const api = new Api();
    api.node.changing = true;
    api.node.health = { ...api.node.health, unreadable, unwritable };
    assertStringIncludes((await page(api)).replaceAll("\n", " "), words);
  });
}

Deno.test("status page given notes, then it shows them; they are no warnings", async () => {
  const api = new Api();
  api.node.notes = ["Any one node may fail"];
  const html = await page(api);
  assertStringIncludes(html, `<p class="note">Any one node may fail</p>`);
  assert(!html.includes("Needs attention"));
});

Deno.test("status page given no weight and no zone is set, then it has no columns for them", async () => {
  const api = new Api();
  assert(!(await page(api)).includes(">Zone<"));
  api.node.nodes = [nodeView("a:1", { weight: 2, zone: "rack-1" }), nodeView("b:1")];
  const html = await page(api);
  assertStringIncludes(html, `<th scope="col" class="number">Weight</th><th scope="col">Zone</th>`);
  assertEquals(html.match(/<td class="number">2<\/td><td>rack-1<\/td>/g)?.length, 1);
  assertEquals(html.match(/<td class="number">1<\/td><td>none<\/td>/g)?.length, 1);
});
