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

/** What a run must have had for its silence to mean anything, and how many seconds it must have lasted for that. */
const FLOORS = [
  { what: "value put", fromSeconds: 1 },
  { what: "value read", fromSeconds: 1 },
  { what: "key deleted", fromSeconds: 10 },
  { what: "strong operation", fromSeconds: 10 },
  { what: "large value put", fromSeconds: 20 },
  { what: "large value read", fromSeconds: 20 },
] as const;
type Floor = typeof FLOORS[number]["what"];

/**
 * Why a run says too little, in a few words each: something never happened, and so nothing could go wrong with it.
 *
 * @param run.steps What went wrong, in number.
 */
export function weaknessesOf(
  { history }: Witness,
  isLarge: (key: string) => boolean,
  run: { readonly seconds: number; readonly largeMib: number; readonly steps: number },
): string[] {
  const seen = new Set<Floor>();
  for (const { client, kind, key, outcome } of history.operations) {
    const isDone = outcome.kind === "acknowledged" ||
      (outcome.kind === "read" && outcome.version !== undefined);
    if (!isDone || client === AUDITOR) continue;
    if (kind === "delete") seen.add("key deleted");
    else {
      const how = kind === "put" ? "put" : "read";
      seen.add(isLarge(key) ? `large value ${how}` : `value ${how}`);
    }
    if (isStrong(key)) seen.add("strong operation");
  }
  const isAsked = ({ what, fromSeconds }: typeof FLOORS[number]) =>
    run.seconds >= fromSeconds && (run.largeMib > 0 || !what.startsWith("large"));
  const missing = FLOORS.filter((floor) => isAsked(floor) && !seen.has(floor.what));
  return [...missing.map(({ what }) => `no ${what}`), ...(run.steps === 0 ? ["no step of the nemesis"] : [])];
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
