/** Nodes that must have a write on disk before it is acknowledged: a majority of `n` owners. */
export function writeQuorum(n: number): number {
  if (!Number.isInteger(n) || n < 1) throw new RangeError(`n must be an integer >= 1, got ${n}`);
  return Math.floor(n / 2) + 1;
}

/**
 * Nodes that must answer a read, so that it meets every acknowledged write: `n - W + 1`.
 *
 * Overlap lets a read meet the last acknowledged write; it says nothing of
 * writes whose outcome is unknown.
 */
export function readQuorum(n: number): number {
  return n - writeQuorum(n) + 1;
}

/**
 * What one request needs: in each live layout, answers from some of the key's
 * owners there.
 *
 * @example A write while d takes the place of a
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 *
 * const needs: QuorumNeed[] = [
 *   { owners: ["b", "c", "d"], required: writeQuorum(3) },
 *   { owners: ["a", "b", "c"], required: writeQuorum(3) },
 * ];
 * assertEquals(allOwners(needs), ["b", "c", "d", "a"]);
 * assert(isMet(needs, (owner) => "bc".includes(owner)));
 * assert(!isMet(needs, (owner) => "cd".includes(owner)));
 * assert(isReachable(needs, (lost) => "ad".includes(lost)));
 * assertEquals([writeQuorum(3), readQuorum(3)], [2, 2]);
 * assertEquals([writeQuorum(2), readQuorum(2)], [2, 1]);
 * ```
 */
export interface QuorumNeed<Owner extends string = string> {
  readonly owners: readonly Owner[];
  readonly required: number;
}

/** Whether `have` fills every need. */
export function isMet(needs: readonly QuorumNeed[], have: (owner: string) => boolean): boolean {
  return needs.every((need) => count(need.owners, have) >= need.required);
}

/** Whether every need can still be met once those in `lost` are given up. */
export function isReachable(needs: readonly QuorumNeed[], lost: (owner: string) => boolean): boolean {
  return needs.every((need) => need.owners.length - count(need.owners, lost) >= need.required);
}

/** All owners of all needs, each once, in the order first met. */
export function allOwners<Owner extends string>(needs: readonly QuorumNeed<Owner>[]): readonly Owner[] {
  if (needs.length === 1) return needs[0]!.owners;
  return [...new Set(needs.flatMap((need) => need.owners))];
}

/**
 * Owners enough to fill every need, and mostly as few as can be: first those that help to fill the most needs, of
 * these those in front in `order`. Who is down is only among them where the others do not suffice.
 *
 * While a change of layout is open, those that stay owners help in each layout. A newcomer is so asked last: it may
 * not hold the key yet, and a read that meets it has to bring it there before it answers.
 *
 * @param order All owners of the needs; those that are down behind the others.
 */
export function fewestOwners<Owner extends string>(
  needs: readonly QuorumNeed<Owner>[],
  order: readonly Owner[],
  isDown: (owner: Owner) => boolean,
): readonly Owner[] {
  if (needs.length === 1) return order.slice(0, needs[0]!.required);
  const chosen = new Set<string>();
  const isChosen = (owner: string) => chosen.has(owner);
  const helpOf = (owner: Owner) => {
    if (isChosen(owner)) return 0;
    const helped =
      needs.filter((need) => need.owners.includes(owner) && count(need.owners, isChosen) < need.required)
        .length;
    return helped > 0 && !isDown(owner) ? needs.length + helped : helped;
  };
  while (!isMet(needs, isChosen)) {
    chosen.add(order.reduce((best, owner) => helpOf(owner) > helpOf(best) ? owner : best));
  }
  return [...chosen] as Owner[];
}

function count(owners: readonly string[], test: (owner: string) => boolean): number {
  let found = 0;
  for (const owner of owners) if (test(owner)) found++;
  return found;
}
