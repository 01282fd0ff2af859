/**
 * A version: the hybrid logical clock stamp of one write, totally ordered.
 *
 * `wallMs` is milliseconds since 1970 as the coordinator's clock had them (or
 * later, where it had seen a later stamp), `counter` orders stamps within one
 * millisecond, `writer` names the store and the incarnation that issued the
 * stamp, so that no stamp is ever issued twice.
 *
 * After Kulkarni et al., "Logical Physical Clocks", 2014.
 */
export interface Version {
  readonly wallMs: number;
  readonly counter: number;
  readonly writer: string;
}

/** Order of two versions: negative if `a` is older, zero only if they are the same stamp. */
export function compareVersions(a: Version, b: Version): number {
  return a.wallMs - b.wallMs || a.counter - b.counter ||
    (a.writer < b.writer ? -1 : a.writer > b.writer ? 1 : 0);
}

/** Order in which "no version" is older than every version. */
export function compareOptionalVersions(a: Version | undefined, b: Version | undefined): number {
  if (a === undefined || b === undefined) return (a === undefined ? 0 : 1) - (b === undefined ? 0 : 1);
  return compareVersions(a, b);
}

/** The writer id of one run of one store. Incarnations start at 1 and only rise. */
export function writerId(storeId: string, incarnation: number): string {
  return `${storeId}.${incarnation}`;
}

/** A version as people see it: seconds since 1970. Precise to the millisecond; orders nothing. */
export function timestampSeconds(version: Version): number {
  return version.wallMs / 1000;
}

/** The text of a version, as in an `ETag`: letters, digits, dots, dashes and, where it was stamped again, a plus sign. */
export function formatVersion({ wallMs, counter, writer }: Version): string {
  return `${wholeText(wallMs)}-${counter}-${writer}`;
}

const THREE_DIGITS = Array.from({ length: 1000 }, (_, value) => `${value}`.padStart(3, "0"));

/** The decimal text of a number. One above 2^30 takes a microsecond to format as a whole, and every read formats one. */
function wholeText(value: number): string {
  const millions = Math.floor(value / 1e6);
  if (millions < 1 || !Number.isSafeInteger(value)) return `${value}`;
  const rest = value - millions * 1e6;
  const thousands = Math.floor(rest / 1000);
  return `${millions}${THREE_DIGITS[thousands]!}${THREE_DIGITS[rest - thousands * 1000]!}`;
}

/** The clock that a node stamps its writes with. It reads no clock of its own. */
export class HybridLogicalClock {
  readonly #writer: string;
  #wallMs = 0;
  #counter = 0;
  #restamps = 0;

  constructor(writer: string) {
    this.#writer = writer;
  }

  /**
   * Issues a stamp that was never issued before: greater than all this clock issued without going above another,
   * and greater than `above` where that is given.
   *
   * Going above a stamp does not drag the clock along: one far-ahead key must
   * not push the stamps of all others ahead.
   */
  issue(nowMs: number, above?: Version): Version {
    if (nowMs > this.#wallMs) {
      this.#wallMs = nowMs;
      this.#counter = 0;
    } else {
      this.#counter++;
    }
    const own = { wallMs: this.#wallMs, counter: this.#counter, writer: this.#writer };
    if (above === undefined || compareVersions(own, above) > 0) return own;
    return { wallMs: above.wallMs, counter: above.counter + 1, writer: this.#distinct() };
  }

  /**
   * Issues a stamp that was never issued before by another clock than this node's: of `wallMs`, or
   * greater than `above` where that is greater. It may be lower than those issued before.
   */
  issueBy(wallMs: number, above?: Version): Version {
    const own = { wallMs, counter: 0, writer: this.#distinct() };
    if (above === undefined || compareVersions(own, above) > 0) return own;
    return { ...own, wallMs: above.wallMs, counter: above.counter + 1 };
  }

  /** This clock may reach such a millisecond later and issue the same counter: the suffix keeps the two apart. */
  #distinct(): string {
    return `${this.#writer}+${++this.#restamps}`;
  }
}
