import { assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { DhtError } from "../../lib/core/errors.ts";
import { nodeView } from "./fake_node.ts";
import { Api } from "./fixture.ts";

const HTML = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

async function page(api: Api, path = "/"): Promise<string> {
  const response = await api.send("GET", path, { headers: HTML });
  assertEquals([response.status, response.headers.get("content-type")], [200, "text/html; charset=utf-8"]);
  return await response.text();
}

/** What a browser would make of the markup that a pattern finds. */
function unescaped(text: string): string {
  return text.replace(
    /&(lt|gt|quot|#39|amp);/g,
    (_, name) => ({ lt: "<", gt: ">", quot: '"', "#39": "'" })[name as string] ?? "&",
  );
}

const ACCEPTS = [
  [undefined, "text/html; charset=utf-8"],
  ["*/*", "text/html; charset=utf-8"],
  ["text/html", "text/html; charset=utf-8"],
  ["application/json", "application/json"],
  ["application/json, text/html;q=0.5", "application/json"],
  ["application/json;q=0.5, text/html", "text/html; charset=utf-8"],
  ["image/png", "text/html; charset=utf-8"],
] as const;
for (const [accept, type] of ACCEPTS) {
  Deno.test(`GET / given Accept: ${accept}, then ${type}`, async () => {
    const response = await new Api().send("GET", "/", { headers: accept === undefined ? {} : { accept } });
    assertEquals([response.headers.get("content-type"), response.headers.get("vary")], [type, "accept"]);
  });
}

Deno.test("GET / as JSON, then the ring, the counts and the warnings", async () => {
  const api = new Api();
  await api.put("a", "xyz");
  api.node.warnings = ["one"];
  const answer = await (await api.send("GET", "/", { headers: { accept: "application/json" } })).json();
  assertEquals(answer.self, "localhost:50140");
  assertEquals(answer.nodes.length, 3);
  const { software, uptimeSeconds, keys, bytes, countsComplete, localKeys, localBytes, warnings } = answer;
  assertEquals({ software, uptimeSeconds, keys, bytes, countsComplete, localKeys, localBytes, warnings }, {
    software: "MyDHT 0.1.0",
    uptimeSeconds: 10_800,
    keys: 1,
    bytes: 3,
    countsComplete: true,
    localKeys: 1,
    localBytes: 3,
    warnings: ["one"],
  });
});

Deno.test("status page given a node that is in no ring yet, then a page that says why and asks again", async () => {
  const api = new Api();
  api.node.notReady = "Cannot join the ring through <db1>:50140";
  api.node.failures.set("status", new DhtError("not_in_ring", "not in a ring yet"));
  const response = await api.send("GET", "/", { headers: HTML });
  assertEquals([response.status, response.headers.get("retry-after")], [503, "3"]);
  const text = await response.text();
  assertStringIncludes(text, "<li>Cannot join the ring through &lt;db1&gt;:50140.</li>");
  assertStringIncludes(text, '<meta http-equiv="refresh" content="3">');
});

for (const accept of ["*/*", "application/json"]) {
  Deno.test(`GET / given a node in no ring yet and Accept: ${accept}, then the problem document`, async () => {
    const api = new Api();
    api.node.failures.set("status", new DhtError("not_in_ring", "not in a ring yet"));
    const response = await api.send("GET", "/", { headers: { accept } });
    assertEquals([response.status, (await response.json()).code], [503, "not_in_ring"]);
  });
}

Deno.test("status page, then its policy allows its own style and nothing else", async () => {
  const response = await new Api().send("GET", "/", { headers: HTML });
  const policy = response.headers.get("content-security-policy") ?? "";
  const text = await response.text();
  const style = /<style>([^]*)<\/style>/.exec(text)?.[1] ?? "";
  const hash = createHash("sha256").update(style).digest("base64");
  assertStringIncludes(policy, `default-src 'none'; style-src 'sha256-${hash}'`);
  assertNotMatch(text, /<script|<link rel="stylesheet"|\son\w+=|\sstyle=|@import|url\(/);
});

Deno.test("status page given a ring, then every server with a link, its state and share", async () => {
  const api = new Api();
  api.node.nodes[2] = nodeView("localhost:50142", { reachable: false });
  api.node.nodes.push(nodeView("localhost:50143", { state: "joining", synced: false, primaryPartitions: 0 }));
  const text = await page(api);
  for (const { address } of api.node.nodes) {
    assertStringIncludes(text, `<a href="http://${address}/">${address}</a>`);
  }
  assertStringIncludes(text, "33.3 %");
  assertMatch(text, /<strong class="down">down<\/strong>/);
  assertMatch(text, /<strong class="moving">joining<\/strong>/);
  assertStringIncludes(text, "1 node down");
});

Deno.test("status page given a ring, then its drawing is told in words", async () => {
  const text = await page(new Api());
  assertMatch(text, /<svg class="donut"[^>]* role="img" aria-labelledby="donut-title donut-desc">/);
  assertStringIncludes(text, "localhost:50140: 33.3 %, 5,461 partitions; localhost:50141");
  assertEquals(text.match(/<g class="arc c\d">/g)?.length, 3);
});

Deno.test("status page given one node, then the whole circle is its own, and how to add another", async () => {
  const api = new Api();
  api.node.nodes = [nodeView("localhost:50140", { primaryPartitions: 16_384 })];
  const text = await page(api);
  assertMatch(text, /<g class="arc c0">\s*<title>[^<]*<\/title><circle/);
  assertStringIncludes(text, "deno task node --port 50141 --server localhost:50140");
});

Deno.test("status page given warnings, then they stand before all else, commands as code", async () => {
  const api = new Api();
  api.node.warnings = ["localhost:50142 is down: `mydht remove <b>`"];
  const text = await page(api);
  assertStringIncludes(text, "<li>localhost:50142 is down: <code>mydht remove &lt;b&gt;</code></li>");
  assertEquals(text.indexOf("Needs attention") < text.indexOf("The ring"), true);
});

Deno.test("status page given a ring that changes, then it says so and which node is syncing", async () => {
  const api = new Api();
  api.node.changing = true;
  api.node.nodes[1] = nodeView("localhost:50141", { synced: false });
  const text = await page(api);
  assertStringIncludes(text, "The ring is changing.");
  assertMatch(text, /localhost:50141<\/a><\/td>\s*<td>up, <span class="moving">syncing</);
});

Deno.test("status page given no keys, then how to put the first", async () => {
  assertStringIncludes(
    await page(new Api()),
    "curl -X PUT --data-binary hello http://localhost:50140/keys/greeting",
  );
});

Deno.test("status page given keys, then size, time, partition and each replica's own copy", async () => {
  const api = new Api();
  await api.put("a b/c", "x".repeat(2048));
  const text = await page(api);
  assertStringIncludes(text, '<a href="/keys/a%20b/c"><bdi>a b/c</bdi></a>');
  assertStringIncludes(text, 'title="2,048 bytes">2.05 kB</td>');
  assertStringIncludes(text, '<time datetime="2026-01-31T09:05:07.250Z">2026-01-31 09:05:07</time>');
  assertStringIncludes(text, `</svg> ${api.node.whereIs("a b/c").partition.toLocaleString("en-US")}</td>`);
  for (const address of api.node.whereIs("a b/c").nodes) {
    assertStringIncludes(text, `href="http://${address}/keys/a%20b/c?consistency=local"`);
  }
});

Deno.test("status page given keys of which copies are missing, then it says so there, and which owner does not answer", async () => {
  const api = new Api();
  await api.put("a", "");
  await api.put("b", "");
  const { partition, nodes } = api.node.whereIs("a");
  api.node.nodes = api.node.nodes.map((node) => ({ ...node, reachable: node.address !== nodes[0] }));
  api.node.health = { ...api.node.health, thin: new Set([partition]) };
  const rows = (await page(api)).split("</tr>");
  const row = (key: string) => rows.find((html) => html.includes(`<bdi>${key}</bdi>`))!;
  assertMatch(row("a"), new RegExp(`</span>${nodes[0]}, does not answer</a>`));
  assertMatch(row("a"), new RegExp(`</span>${nodes[1]}</a>`));
  assertStringIncludes(row("a"), "copies are missing");
  assertNotMatch(row("b"), /copies are missing/);
});

Deno.test("GET / given many partitions miss a copy, then JSON tells how many, some of them, and whose", async () => {
  const api = new Api();
  const thin = new Set(Array.from({ length: 30 }, (_, i) => 100 + i));
  const missing = ["localhost:50142/old", "localhost:50142/older"];
  api.node.health = { ...api.node.health, thin, missing, spareToRead: 0, spareToWrite: 0 };
  const answer = await (await api.send("GET", "/", { headers: { accept: "application/json" } })).json();
  assertEquals(answer.health, {
    unreadable: 0,
    unwritable: 0,
    thin: 30,
    thinPartitions: [...thin].slice(0, 20),
    missing: ["localhost:50142"],
    spareToRead: 0,
    spareToWrite: 0,
  });
});

Deno.test("status page given 120 keys, then pages of 50, each key once", async () => {
  const api = new Api();
  const keys = Array.from({ length: 120 }, (_, index) => `k&${String(index).padStart(3, "0")}`);
  for (const key of [...keys, "z"]) await api.put(key, "");
  const seen: string[] = [];
  let path: string | undefined = "/?prefix=k%26";
  while (path !== undefined) {
    const text: string = await page(api, path);
    seen.push(
      ...[...text.matchAll(/<td class="key"><a[^>]*><bdi>([^<]*)</g)].map((match) =>
        unescaped(match[1] ?? "")
      ),
    );
    const next: string | undefined = /rel="next" href="([^"]*)"/.exec(text)?.[1];
    path = next === undefined ? undefined : unescaped(next);
  }
  assertEquals(seen, keys);
  assertEquals(api.node.calls.filter(([name]) => name === "list").map((call) => call[3]), [50, 50, 50]);
});

Deno.test("status page given a listing without its quorum, then says so within the rest of the page", async () => {
  const api = new Api();
  api.node.failures.set("list", new DhtError("read_quorum_unreachable", "Cannot list <keys>: 1 of 2"));
  const text = await page(api);
  assertStringIncludes(text, "The keys cannot be listed now.");
  assertStringIncludes(text, "Cannot list &lt;keys&gt;: 1 of 2; try again");
  assertStringIncludes(text, "The ring");
});

Deno.test("status page given a prefix that no key has, then says which", async () => {
  assertStringIncludes(
    await page(new Api(), "/?prefix=%3Cb%3E"),
    "No key begins with “<bdi>&lt;b&gt;</bdi>”.",
  );
});

Deno.test("status page given counts that miss a node, then says that there may be more", async () => {
  const api = new Api();
  await api.put("a", "x");
  api.node.nodes[2] = nodeView("localhost:50142", { reachable: false });
  assertStringIncludes(await page(api), '<dd class="value">1 or more</dd>');
});

const HOSTILE = [
  "<script>alert(1)</script>",
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  "javascript:alert(1)",
  "//evil.example/x",
  "a?b#c&d=e",
  "&lt;b&gt;",
  "line\nbreak\ttab\u0007",
  "</title></style><b>",
  "x".repeat(1024),
  "日本/語",
];
for (const key of HOSTILE) {
  Deno.test(`status page given the key ${JSON.stringify(key).slice(0, 40)}, then it is text and its links stay under /keys/`, async () => {
    const api = new Api();
    const calm = new Api();
    await api.put(key, "x", 'text/html"><b>');
    await calm.put("calm", "x");
    const [text, calmText] = [await page(api), await page(calm)];
    const tags = (markup: string) =>
      markup.match(/<[a-z/!][^>]*>/gi)?.map((tag) => /^<\/?[\w!]+/.exec(tag)?.[0]) ?? [];
    const marks = [...text.matchAll(/<span class="mark">/g)].length;
    const expected = [...tags(calmText), ...Array.from({ length: marks }, () => ["<span", "</span"]).flat()];
    assertEquals(tags(text).toSorted(), expected.toSorted());
    const links = [...text.matchAll(/href="([^"]*)"/g)].map((match) =>
      new URL(unescaped(match[1] ?? ""), "http://localhost:50140/")
    );
    const toKey = links.filter((link) => link.pathname.startsWith("/keys/"));
    assertEquals(toKey.length, 4);
    for (const link of toKey) assertEquals(decodeURIComponent(link.pathname.slice("/keys/".length)), key);
    for (const link of links) assertMatch(link.href, /^(http:\/\/localhost:5014\d\/|data:image)/);
  });
}

Deno.test("status page given invisible and bidirectional characters, then they are shown by name", async () => {
  const api = new Api();
  await api.put("a\u202Egpj\u2066b\u200B\u0085\n", "x");
  const text = await page(api);
  assertNotMatch(text.replace(/<style>[^]*<\/style>/, ""), /[\u202E\u2066\u200B\u0085]/);
  for (const name of ["U+202E", "U+2066", "U+200B", "U+0085", "\u240A"]) {
    assertStringIncludes(text, `<span class="mark">${name}</span>`);
  }
});

Deno.test("status page given a very long key, then its middle is left out, between whole characters", async () => {
  const api = new Api();
  await api.put("😀".repeat(256), "x");
  const text = await page(api);
  assertStringIncludes(text, '<span class="mark">… 136 more …</span>');
  assertEquals(text.isWellFormed(), true);
});

Deno.test("status page given a key stamped ahead of the clock, then says so", async () => {
  const api = new Api();
  api.node.nowMs += 7_200_000;
  await api.put("a", "x");
  api.node.nowMs -= 7_200_000;
  assertStringIncludes(await page(api), "2 hours ahead");
});

Deno.test("status page given a node that counts yet what it holds, then it says that, and no number", async () => {
  const api = new Api();
  api.node.localComplete = false;
  const page = await (await api.send("GET", "/", { headers: { accept: "text/html" } })).text();
  assertStringIncludes(page, '<dt>On this node</dt><dd class="value">counting</dd>');
});
