import { assertEquals } from "@std/assert";
import type { Version } from "../../lib/core/hlc.ts";
import { type QuorumNeed, writeQuorum } from "../../lib/core/quorum.ts";
import { WriteState, type WriteStep } from "../../lib/core/write_state.ts";
import { subsets } from "../support/subsets.ts";

const THREE = needOf("abc");
/** A change that puts d in the place of a. */
const CHANGING: readonly QuorumNeed[] = [...needOf("bcd"), ...needOf("abc")];

interface Case {
  readonly needs?: readonly QuorumNeed[];
  readonly acknowledged?: string;
  readonly failed?: string;
  /** Owners that refused, each with the time of what it holds. */
  readonly refused?: Readonly<Record<string, number>>;
  readonly step: WriteStep;
}

const CASES: Record<string, Case> = {
  "no answer": { step: { kind: "wait" } },
  "fewer acknowledgements than W": { acknowledged: "a", step: { kind: "wait" } },
  "W acknowledgements": { acknowledged: "ac", step: { kind: "succeed" } },
  "W acknowledgements and a failure": { acknowledged: "ac", failed: "b", step: { kind: "succeed" } },
  "W acknowledgements and a refusal": { acknowledged: "ac", refused: { b: 9 }, step: { kind: "succeed" } },
  "one failure": { acknowledged: "a", failed: "b", step: { kind: "wait" } },
  "too many failures": { acknowledged: "a", failed: "bc", step: { kind: "fail" } },
  "one refusal": { acknowledged: "a", refused: { b: 9 }, step: { kind: "wait" } },
  "too many refusals": { refused: { a: 7, b: 9 }, step: { kind: "restamp", above: at(9) } },
  "too many refusals, the newest first": { refused: { a: 9, b: 7 }, step: { kind: "restamp", above: at(9) } },
  "a refusal and a failure": { refused: { a: 7 }, failed: "b", step: { kind: "restamp", above: at(7) } },
  "two layouts and a quorum of the newest alone": {
    needs: CHANGING,
    acknowledged: "bd",
    step: { kind: "wait" },
  },
  "two layouts and a quorum of the base alone": {
    needs: CHANGING,
    acknowledged: "ab",
    step: { kind: "wait" },
  },
  "two layouts and a quorum of both": { needs: CHANGING, acknowledged: "bc", step: { kind: "succeed" } },
  "two layouts and different owners of each": {
    needs: CHANGING,
    acknowledged: "abd",
    step: { kind: "succeed" },
  },
  "two layouts and a base that cannot reach its quorum": {
    needs: CHANGING,
    acknowledged: "cd",
    failed: "ab",
    step: { kind: "fail" },
  },
  "two layouts and a newest that refuses": {
    needs: CHANGING,
    acknowledged: "ab",
    refused: { c: 4, d: 5 },
    step: { kind: "restamp", above: at(5) },
  },
};

for (const [name, { step, ...given }] of Object.entries(CASES)) {
  Deno.test(`write given ${name}, then ${step.kind}`, () => {
    assertEquals(write(given).step(), step);
  });
}

const MODELS: Record<string, readonly QuorumNeed[]> = {
  "three owners": needOf("abc"),
  "four owners": needOf("abcd"),
  "five owners": needOf("abcde"),
  "a change that replaces one": CHANGING,
  "a change that adds one to two": [...needOf("abc"), ...needOf("ab")],
};

for (const [name, needs] of Object.entries(MODELS)) {
  Deno.test(`write given ${name} and any answers, then it agrees with the obvious`, () => {
    const all = [...new Set(needs.flatMap((need) => need.owners))].join("");
    for (const acknowledged of subsets(all)) {
      const others = [...all].filter((owner) => !acknowledged.includes(owner)).join("");
      for (const refusing of subsets(others)) {
        for (const failed of subsets([...others].filter((owner) => !refusing.includes(owner)).join(""))) {
          const refused = Object.fromEntries(refusing.map((owner) => [owner, owner.charCodeAt(0)]));
          const given = { needs, acknowledged: acknowledged.join(""), failed: failed.join(""), refused };
          assertEquals(
            write(given).step(),
            obvious(needs, acknowledged, failed, refused),
            JSON.stringify(given),
          );
        }
      }
    }
  });
}

/** Enough acknowledged: done. Enough could still: wait. Otherwise above what was held, if anything was. */
function obvious(
  needs: readonly QuorumNeed[],
  acknowledged: readonly string[],
  failed: readonly string[],
  refused: Readonly<Record<string, number>>,
): WriteStep {
  const lost = [...failed, ...Object.keys(refused)];
  const enough = (owners: (need: QuorumNeed) => readonly string[]) =>
    needs.every((need) => owners(need).length >= need.required);
  if (enough((need) => need.owners.filter((owner) => acknowledged.includes(owner)))) {
    return { kind: "succeed" };
  }
  if (enough((need) => need.owners.filter((owner) => !lost.includes(owner)))) return { kind: "wait" };
  const held = Object.values(refused);
  return held.length === 0 ? { kind: "fail" } : { kind: "restamp", above: at(Math.max(...held)) };
}

function write(
  { needs = THREE, acknowledged = "", failed = "", refused = {} }: Omit<Case, "step">,
): WriteState {
  const state = new WriteState(needs);
  for (const owner of acknowledged) state.acknowledge(owner);
  for (const owner of failed) state.fail(owner);
  for (const [owner, held] of Object.entries(refused)) state.refuse(owner, at(held));
  return state;
}

function needOf(owners: string): QuorumNeed[] {
  return [{ owners: [...owners], required: writeQuorum(owners.length) }];
}

function at(wallMs: number): Version {
  return { wallMs, counter: 0, writer: "a.1" };
}
