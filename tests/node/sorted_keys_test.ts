import { assertEquals } from "@std/assert";
import { compareKeys } from "../../lib/core/key_order.ts";
import { SortedKeys } from "../../lib/node/sorted_keys.ts";
import { SeededRandom } from "../support/seeded_random.ts";

Deno.test("sorted keys given others are added all the time, then each span is what sorting all would give", () => {
  const random = new SeededRandom(3);
  const keys = new SortedKeys();
  const all = new Set<string>();
  const draw = () => String.fromCodePoint(random.below(2) === 0 ? 0xff00 : 0x1f600) + random.below(9_000);
  for (let i = 0; i < 6_000; i++) {
    const key = draw();
    if (!all.has(key)) keys.add(key);
    all.add(key);
    if (i % 300 !== 0) continue;
    const [from, after, upTo, before] = [draw(), draw(), draw(), draw()];
    for (const span of [{}, { after }, { from, upTo }, { after, before }, { from, after, upTo, before }]) {
      const expected = [...all].sort(compareKeys).filter((one) =>
        compareKeys(one, "from" in span ? span.from : "") >= 0 &&
        !("after" in span && compareKeys(one, span.after) <= 0) &&
        !("upTo" in span && compareKeys(one, span.upTo) > 0) &&
        !("before" in span && compareKeys(one, span.before) >= 0)
      );
      assertEquals(keys.within(span, 50), expected.slice(0, 50));
    }
  }
});
