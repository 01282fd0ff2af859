import { compareVersions, type Version } from "./hlc.ts";
import { isMet, isReachable, type QuorumNeed } from "./quorum.ts";

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
  readonly acknowledged = new Set<string>();
  readonly lost = new Set<string>();
  #held: Version | undefined;

  constructor(needs: readonly QuorumNeed[]) {
    this.#needs = needs;
  }

  /** The owner has this version, or the expiry of it, on disk. */
  acknowledge(owner: string): void {
    this.acknowledged.add(owner);
  }

  /** The owner refused, because it holds something not older. */
  refuse(owner: string, held: Version): void {
    this.lost.add(owner);
    if (this.#held === undefined || compareVersions(held, this.#held) > 0) this.#held = held;
  }

  /** The owner did not answer, or could not. */
  fail(owner: string): void {
    this.lost.add(owner);
  }

  /** A refusal matters only where enough acknowledgements have become impossible: two of three is a success. */
  step(): WriteStep {
    if (isMet(this.#needs, (owner) => this.acknowledged.has(owner))) return { kind: "succeed" };
    if (isReachable(this.#needs, (owner) => this.lost.has(owner))) return { kind: "wait" };
    return this.#held === undefined ? { kind: "fail" } : { kind: "restamp", above: this.#held };
  }
}
