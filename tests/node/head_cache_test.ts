import { assertEquals } from "@std/assert";
import type { RecordHead } from "../../lib/core/record.ts";
import { HeadCache } from "../../lib/node/head_cache.ts";

const SEED = 1;
const WRITER = "0123456789abcdef.12";

function head(fields: Partial<RecordHead> = {}): RecordHead {
  return {
    version: { wallMs: 1_700_000_000_123, counter: 0xffff_fffe, writer: WRITER },
    kind: "value",
    valueBytes: 32 * 1024,
    contentType: "text/plain; charset=utf-8",
    chunked: false,
    expiresMs: undefined,
    ...fields,
  };
}

Deno.test("head cache given heads of every kind, then it gives them as they were", () => {
  const cache = new HeadCache(100_000, SEED);
  const heads = [
    head(),
    head({ valueBytes: 0, contentType: "" }),
    head({ kind: "tombstone", valueBytes: 0, contentType: "" }),
    head({ kind: "expired", valueBytes: 0, version: { wallMs: 0, counter: 0, writer: "w" } }),
  ];
  heads.forEach((head, i) => cache.set(`k${i}`, head));
  assertEquals(heads.map((_, i) => cache.get(`k${i}`)), heads);
});

Deno.test("head cache given a head that it does not keep, or none, then it forgets the key", () => {
  const left = [
    head({ chunked: true }),
    head({ expiresMs: 5 }),
    head({ version: { wallMs: 1, counter: 2 ** 32, writer: "w" } }),
    undefined,
  ];
  for (const other of left) {
    const cache = new HeadCache(100_000, SEED);
    cache.set("a", head());
    cache.set("a", other);
    assertEquals(cache.get("a"), undefined);
  }
});

Deno.test("head cache given more content types than it tells apart, then none is taken for another", () => {
  const cache = new HeadCache(100_000, SEED);
  const at = (i: number) => head({ contentType: `type/${i}` });
  let missed = 0;
  for (let i = 0; i < 70_000; i++) {
    cache.set("a", at(i));
    const found = cache.get("a");
    if (found === undefined) missed++;
    else if (found.contentType !== `type/${i}` || found.version.writer !== WRITER) assertEquals(found, at(i));
  }
  assertEquals(missed < 10, true);
});
