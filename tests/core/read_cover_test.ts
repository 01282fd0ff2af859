import { assert, assertEquals } from "@std/assert";
import { Layout, liveIds, readNeeds } from "../../lib/core/layout.ts";
import { isMet } from "../../lib/core/quorum.ts";
import { readCover } from "../../lib/core/read_cover.ts";

const PARTITIONS = 256;

function layoutOf(nodes: number, height = 1, first = 0): Layout {
  const members = Array.from({ length: nodes }, (_, i) => ({
    address: `n${100 + first + i}:1`,
    storeId: "s",
    version: 1,
    weight: 1,
  }));
  return Layout.of({ members, replicas: 3, height }, PARTITIONS);
}

for (const [nodes, spared] of [[1, 0], [2, 1], [3, 1], [4, 1], [30, 1]] as const) {
  Deno.test(`readCover() given ${nodes} nodes, then it spares ${spared}, and the others do`, () => {
    const layout = layoutOf(nodes);
    const live = { base: layout, between: [], newest: layout };
    const cover = readCover(live, PARTITIONS, liveIds(live));
    assertEquals(cover.spared.length >= spared, true);
    assertEquals([...cover.asked, ...cover.spared].sort(), [...liveIds(live)].sort());
    for (let partition = 0; partition < PARTITIONS; partition++) {
      assert(isMet(readNeeds(live, partition), (owner) => cover.asked.some((one) => one === owner)));
    }
  });
}

Deno.test("readCover() given two live layouts, then what is left is a quorum in both", () => {
  const live = { base: layoutOf(3), between: [], newest: layoutOf(4, 2, 1) };
  const cover = readCover(live, PARTITIONS, liveIds(live));
  for (let partition = 0; partition < PARTITIONS; partition++) {
    assert(isMet(readNeeds(live, partition), (owner) => cover.asked.some((one) => one === owner)));
  }
});

Deno.test("readCover() given candidates, then the first are spared first and no others", () => {
  const layout = layoutOf(3);
  const live = { base: layout, between: [], newest: layout };
  const [a, b, c] = liveIds(live);
  assertEquals(readCover(live, PARTITIONS, [c!, b!]).spared, [c!]);
  assertEquals(readCover(live, PARTITIONS, []).asked, [a!, b!, c!]);
});
