import { describe } from "../sim/history.ts";
import type { Availability } from "./availability.ts";
import type { Witness } from "./clients.ts";
import type { Nemesis } from "./nemesis.ts";
import type { ChaosOptions } from "./options.ts";
import { KINDS, type Verdict, type Violation } from "./verdict.ts";

/** Violations that are printed; all of them are kept. */
const MAX_PRINTED = 10;

/** What a run came to, as lines. */
export function reportLines(
  options: ChaosOptions,
  run: {
    readonly verdict: Verdict;
    readonly witness: Witness;
    readonly nemesis: Nemesis;
    readonly largeValues: { readonly puts: number; readonly gets: number };
    /** Why the run did not come to its end. */
    readonly failure: string | undefined;
    /** What never happened, so that the run says too little. */
    readonly weaknesses: readonly string[];
  },
): string[] {
  const { verdict, witness, nemesis, largeValues, failure, weaknesses } = run;
  const counts = KINDS.map((kind) =>
    [kind, verdict.violations.filter((one) => one.kind === kind).length] as const
  );
  const overlap = percent(witness.history.overlapShare());
  return [
    `seed          ${options.seed}`,
    `nemesis       ${nemesis.taken.length} steps`,
    ...stepLines(nemesis),
    `operations    ${verdict.operations}, of which ${overlap} overlapped another of their key`,
    `acknowledged  ${verdict.acknowledgedWrites} writes; ${verdict.answeredReads} reads answered`,
    `strong        ${verdict.strongKeys} keys, each linearizable unless there is "no order"`,
    `large values  ${largeValues.puts} written and ${largeValues.gets} read, ${options.largeMib} MiB each`,
    ...counts.map(([kind, count]) => `${kind.padEnd(12)}  ${count}`),
    ...Object.entries(verdict.availability).map(([what, availability], i) =>
      `${i === 0 ? "unavailable " : "            "}  ${what}: ${unavailableText(availability, nemesis)}`
    ),
    `              ${witness.excused} requests were cut off by a node that was itself away`,
    ...(failure === undefined ? [] : [`not ended     ${failure}`]),
    ...(weaknesses.length === 0 ? [] : [`too little    ${weaknesses.join(", ")}`]),
    ...verdict.violations.slice(0, MAX_PRINTED).map(violationText),
  ];
}

/** What was done, step by step. */
export function storyLines({ taken }: Nemesis): string[] {
  return taken.map(({ name, text, fromMs, toMs }) =>
    `${seconds(fromMs)} to ${Number.isFinite(toMs) ? seconds(toMs) : "the end"}  ${name}: ${text}`
  );
}

/** The history of a key, and what is wrong with it. */
export function keyLines(key: string, violations: readonly Violation[], { history }: Witness): string[] {
  const operations = history.operations.filter((operation) => operation.key === key);
  return [...violations.map(violationText), "", ...operations.map(describe)];
}

function stepLines({ taken }: Nemesis): string[] {
  const counts = new Map<string, number>();
  for (const { name } of taken) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => `              ${count} x ${name}`);
}

function unavailableText({ attempts, failed, codes, longest }: Availability, nemesis: Nemesis): string {
  const why = [...codes].map(([code, count]) => `${count} x ${code}`).join(", ");
  const share = `${failed} of ${attempts} (${percent(attempts === 0 ? 0 : failed / attempts)}${
    why && `: ${why}`
  })`;
  if (longest === undefined) return share;
  const { ms, key, startMs, reason } = longest;
  const answer = reason === undefined ? "" : `; ${reason}`;
  return `${share}; longest ${seconds(ms)}, ${key} at ${seconds(startMs)}, ${nemesis.at(startMs)}${answer}`;
}

function violationText({ kind, text }: Violation): string {
  return `${kind}: ${text}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

function seconds(ms: number): string {
  return Number.isFinite(ms) ? `${(ms / 1000).toFixed(2)} s` : "to the end";
}
