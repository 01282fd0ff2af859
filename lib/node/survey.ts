import { reachedByQuorum } from "../core/clock_bound.ts";
import { DhtError } from "../core/errors.ts";
import { compareOptionalVersions, type Version } from "../core/hlc.ts";
import { addressOf, type LiveLayouts, type OwnerId, writeNeeds } from "../core/layout.ts";
import { allOwners, isMet, isReachable, type QuorumNeed } from "../core/quorum.ts";
import type { Answer } from "../wire.ts";
import type { Place } from "./coordinator.ts";
import { isLayoutMismatch } from "./layout_mismatch.ts";
import { asDhtError } from "./peer_errors.ts";
import type { Peers } from "./peers.ts";

/** What a majority of the owners, in each live layout, know of a key. */
export interface Survey {
  /** Whatever is above this is above all that was acknowledged before, and all that was collected. */
  readonly greatest: Version | undefined;
  /** Whether the greatest version held is a value. */
  readonly hasValue: boolean;
  /** What the clocks of a quorum have reached. */
  readonly quorumMs: number;
}

/**
 * Asks all owners what a write must go above; settles when a write quorum in each live layout has answered.
 *
 * @throws {DhtError} "layout_mismatch"; "read_quorum_unreachable" if too few answered.
 */
export function survey(peers: Pick<Peers, "ask">, live: LiveLayouts, place: Place): Promise<Survey> {
  const needs = writeNeeds(live, place.partition);
  const answers = new Map<OwnerId, Answer<"survey">>();
  const lost = new Set<string>();
  const failures: DhtError[] = [];
  return new Promise((resolve, reject) => {
    const decide = () => {
      if (isMet(needs, (owner) => answers.has(owner))) {
        const clocks = new Map([...answers].map(([owner, { nowMs }]) => [owner, nowMs]));
        return resolve({ ...greatestOf([...answers.values()]), quorumMs: reachedByQuorum(needs, clocks)! });
      }
      if (isReachable(needs, (owner) => lost.has(owner))) return;
      reject(
        failures.find(isLayoutMismatch) ?? tooFew(place, needs, [...answers.keys()], failures),
      );
    };
    for (const owner of allOwners(needs)) {
      peers.ask(owner, live, "survey", place).then((answer) => void answers.set(owner, answer), (error) => {
        failures.push(asDhtError(error));
        lost.add(owner);
      }).then(decide);
    }
  });
}

function greatestOf(answers: readonly Answer<"survey">[]): Pick<Survey, "greatest" | "hasValue"> {
  const greater = (a: Version | undefined, b: Version | undefined) =>
    compareOptionalVersions(a, b) >= 0 ? a : b;
  const newest = answers.reduce((a, b) => (compareOptionalVersions(b.held, a.held) > 0 ? b : a));
  const floor = answers.map((answer) => answer.floor).reduce(greater);
  return { greatest: greater(newest.held, floor), hasValue: newest.hasValue };
}

function tooFew(
  place: Place,
  needs: readonly QuorumNeed<OwnerId>[],
  answered: readonly OwnerId[],
  failures: readonly DhtError[],
): DhtError {
  const required = Math.max(...needs.map((need) => need.required));
  return new DhtError(
    "read_quorum_unreachable",
    `Cannot write key "${place.key}": ${answered.length} of its owners answered, ${required} are required, ` +
      "nothing was written",
    {
      asked: allOwners(needs).map(addressOf),
      answered: answered.map(addressOf),
      required,
      reasons: failures.map((failure) => failure.message),
    },
  );
}
