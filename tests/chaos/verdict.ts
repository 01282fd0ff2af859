import { checkLinearizable } from "../sim/linearizability.ts";
import { checkRegister } from "../sim/register_checker.ts";
import { type Availability, availabilityOf } from "./availability.ts";
import { AUDITOR } from "./audit.ts";
import { isStrong, type Witness } from "./clients.ts";

/** Kinds of broken promises. */
export const KINDS = [
  "lost",
  "stale",
  "resurrected",
  "torn",
  "cut short",
  "differing",
  "no order",
  "other",
] as const;
export type Kind = typeof KINDS[number];

/** A promise that was broken. */
export interface Violation {
  readonly kind: Kind;
  /** The key it is about, where its history tells more. */
  readonly key?: string;
  readonly text: string;
}

/** What the checks of a run came to. */
export interface Verdict {
  readonly operations: number;
  readonly acknowledgedWrites: number;
  readonly answeredReads: number;
  /** Keys of which all operations had to be linearizable, and were looked at as such. */
  readonly strongKeys: number;
  readonly violations: readonly Violation[];
  readonly availability: Readonly<Record<"writes" | "reads" | "large writes" | "large reads", Availability>>;
}

/**
 * Checks what clients saw.
 *
 * @param differing What was wrong with the copies at the end, by key.
 * @param isLarge Whether a key is one of the large values.
 */
export function judge(
  witness: Witness,
  differing: ReadonlyMap<string, string>,
  isLarge: (key: string) => boolean,
): Verdict {
  const { history, attempts } = witness;
  const violations: Violation[] = [
    ...witness.torn.map((text) => ({ kind: "torn", text }) as const),
    ...witness.cutShort.map((text) => ({ kind: "cut short", text }) as const),
    ...[...differing].map(([key, text]) => ({ kind: "differing", key, text }) as const),
  ];
  for (const [key, operations] of history.byKey()) {
    for (const text of checkRegister(operations, { readsStick: true })) {
      violations.push({ kind: kindOf(text), key, text });
    }
    if (!isStrong(key)) continue;
    for (const text of checkLinearizable(operations)) violations.push({ kind: "no order", key, text });
  }
  const served = (large: boolean, isWrite: boolean) =>
    availabilityOf(attempts.filter((one) => isLarge(one.key) === large && one.isWrite === isWrite));
  const count = (kind: "acknowledged" | "read") =>
    history.operations.filter(({ client, outcome }) => client !== AUDITOR && outcome.kind === kind).length;
  return {
    operations: attempts.length + witness.excused,
    acknowledgedWrites: count("acknowledged"),
    answeredReads: count("read"),
    strongKeys: [...history.byKey().keys()].filter(isStrong).length,
    violations,
    availability: {
      "writes": served(false, true),
      "reads": served(false, false),
      "large writes": served(true, true),
      "large reads": served(true, false),
    },
  };
}

/** What a sentence of the register checker is called here. One that is not known is no less a violation. */
export function kindOf(text: string): Kind {
  const [what, operation = ""] = text.split("\n");
  switch (what) {
    case "a deleted value came back":
      return "resurrected";
    case "an acknowledged write was lost":
    case "an acknowledged value was not there":
      // What is missing when all have compared what they hold stays missing.
      return operation.includes(` ${AUDITOR} at `) ? "lost" : "stale";
    case "a read went back behind what was there before it began":
    case "a read went back to absence behind what was there before it began":
      return "stale";
    default:
      return "other";
  }
}
