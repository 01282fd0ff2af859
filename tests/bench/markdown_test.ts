import { assertEquals } from "@std/assert";
import { markdownOf, numberText, tableOf } from "./markdown.ts";
import { atLeast, atMost, type Measure, type RowReport } from "./report.ts";
import { figuresOf } from "./statistics.ts";

const PUTS: Measure = {
  what: "puts",
  unit: "/s",
  ours: {
    name: "mydht",
    ...figuresOf([30_000, 28_000, 31_000]),
    use: { peakBytes: 200_000_000, cpuPer1000: 0.05 },
  },
  theirs: {
    name: "etcd",
    ...figuresOf([12_000, 12_000, 12_500]),
    use: { peakBytes: 90_000_000, cpuPer1000: 0.1 },
  },
  ratio: 2.5,
  target: { text: "at least 2.5 x", reached: true },
};
const ALONE: Measure = { what: "start-up", unit: "s", ours: { name: "mydht", ...figuresOf([1.5]) } };

function row(changes: Partial<RowReport> = {}): RowReport {
  return { name: "put-64", work: "puts", measures: [PUTS, ALONE], commands: [], notes: [], ...changes };
}

Deno.test("tableOf() given a row of two figures, then names it once, and leaves out what there is nothing to compare with", () => {
  assertEquals(tableOf([row()]).split("\n").slice(2), [
    "| put-64 | puts | 30,000 ± 1,500/s | 12,000 ± 250/s etcd | 2.5 x | at least 2.5 x: reached | 200 MB / 90 MB | 0.05 / 0.1 |",
    "|  | start-up | 1.5 s |  |  |  |  |  |",
  ]);
});

Deno.test("tableOf() given a row that failed, then says so", () => {
  const [line] = tableOf([row({ measures: [], failure: "no wrk" })]).split("\n").slice(2);
  assertEquals(line, "| put-64 | not measured |  |  |  |  |  |  |");
});

Deno.test("markdownOf() given a run, then has the machine, and the commands of each row", () => {
  const text = markdownOf({
    machine: { cores: "2" },
    settings: {},
    rows: [row({ commands: ["wrk -t2"], notes: ["A note."] })],
  });
  for (const part of ["- cores: 2\n", "**put-64**: puts.\nA note.\n\n```sh\nwrk -t2\n```"]) {
    assertEquals(text.includes(part), true, part);
  }
});

for (
  const [value, expected] of [[12_345.6, "12,346"], [99.94, "99.9"], [3.214, "3.21"], [0.0451, "0.0451"], [
    0,
    "0",
  ]] as const
) {
  Deno.test(`numberText() of ${value}, then ${expected}`, () => assertEquals(numberText(value), expected));
}

Deno.test("atLeast() and atMost() at the bound, then count as reached; of nothing, then there is no target", () => {
  assertEquals(atLeast(2.5, 2.5, "2.5 x")?.reached, true);
  assertEquals(atLeast(2.49, 2.5, "2.5 x")?.reached, false);
  assertEquals(atMost(2, 2, "2 s")?.reached, true);
  assertEquals(atMost(2.01, 2, "2 s")?.reached, false);
  assertEquals(atLeast(undefined, 2, "2 x"), undefined);
});
