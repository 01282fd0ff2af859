import { compareVersions, type Version } from "./hlc.ts";
import type { QuorumNeed } from "./quorum.ts";

/** What a coordinator does next with a write. */
export type WriteStep =
  | { readonly kind: "wait" }
  /** Enough owners have it on disk. */
  | { readonly kind: "succeed" }
  /** An owner holds something newer: stamp again, above that. */
  | { readonly kind: "restamp"; readonly above: Version }
  /** Too few owners can still acknowledge: the outcome is unknown. */
  | { readonly kind: "fail" };

/**
 * One attempt to write one version: acknowledgements in, what to do next out.
 *
 * @example Two of three owners hold something newer
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const write = new WriteState([{ owners: ["a", "b", "c"], required: 2 }]);
 * write.refuse("a", { wallMs: 7, counter: 0, writer: "x.1" });
 * write.acknowledge("b");
 * assertEquals(write.step(), { kind: "wait" });
 * write.refuse("c", { wallMs: 9, counter: 0, writer: "x.1" });
 * const step: WriteStep = write.step();
 * assertEquals(step, { kind: "restamp", above: { wallMs: 9, counter: 0, writer: "x.1" } });
 * ```
 */
export class WriteState {
  readonly #needs: readonly QuorumNeed[];
  /** Lists, as owners are few. */
  readonly #acknowledged: string[] = [];
  readonly #lost: string[] = [];
  #held: Version | undefined;

  constructor(needs: readonly QuorumNeed[]) {
    this.#needs = needs;
  }

  /** Owners that have it, in the order in which they said so. */
  get acknowledged(): readonly string[] {
    return this.#acknowledged;
  }

  /** The owner has this version, or the expiry of it, on disk. */
  acknowledge(owner: string): void {
    if (!this.#acknowledged.includes(owner)) this.#acknowledged.push(owner);
  }

  /** The owner refused, because it holds something not older. */
  refuse(owner: string, held: Version): void {
    this.fail(owner);
    if (this.#held === undefined || compareVersions(held, this.#held) > 0) this.#held = held;
  }

  /** The owner did not answer, or could not. */
  fail(owner: string): void {
    if (!this.#lost.includes(owner)) this.#lost.push(owner);
  }

  /** A refusal matters only where enough acknowledgements have become impossible: two of three is a success. */
  step(): WriteStep {
    let isMet = true;
    let isReachable = true;
    for (const { owners, required } of this.#needs) {
      isMet &&= count(owners, this.#acknowledged) >= required;
      isReachable &&= owners.length - count(owners, this.#lost) >= required;
    }
    if (isMet) return SUCCEED;
    if (isReachable) return WAIT;
    return this.#held === undefined ? FAIL : { kind: "restamp", above: this.#held };
  }
}

const SUCCEED: WriteStep = { kind: "succeed" };
const WAIT: WriteStep = { kind: "wait" };
const FAIL: WriteStep = { kind: "fail" };

function count(owners: readonly string[], some: readonly string[]): number {
  let found = 0;
  for (const owner of some) if (owners.includes(owner)) found++;
  return found;
}
