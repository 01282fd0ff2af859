import { compareKeys } from "../core/key_order.ts";

/** Keys added since the others were sorted; that many are looked through one by one. */
const MAX_UNSORTED = 1_024;

/** Which keys are looked for: those greater than `after` or equal to `from`, and not greater than `upTo`. */
export interface KeySpan {
  readonly after?: string | undefined;
  readonly from?: string;
  readonly upTo?: string | undefined;
  readonly before?: string | undefined;
}

/** Keys to which others are added all the time, in their byte order where somebody asks for it: adding costs nothing. */
export class SortedKeys {
  #sorted: string[] = [];
  #added: string[] = [];

  /** Adds a key that is not among them. */
  add(key: string): void {
    this.#added.push(key);
  }

  /** The first `limit` keys of a span, in order. */
  within(span: KeySpan, limit: number): string[] {
    if (this.#added.length > MAX_UNSORTED) this.#sort();
    const found: string[] = [];
    for (let i = this.#firstWithin(span); i < this.#sorted.length && found.length < limit; i++) {
      if (isBehind(this.#sorted[i]!, span)) break;
      found.push(this.#sorted[i]!);
    }
    const added = this.#added.filter((key) => !isAhead(key, span) && !isBehind(key, span));
    return added.length === 0 ? found : merged(found, added.sort(compareKeys)).slice(0, limit);
  }

  #sort(): void {
    this.#sorted = merged(this.#sorted, this.#added.sort(compareKeys));
    this.#added = [];
  }

  #firstWithin(span: KeySpan): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isAhead(this.#sorted[middle]!, span)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isAhead(key: string, { after, from = "" }: KeySpan): boolean {
  return compareKeys(key, from) < 0 || (after !== undefined && compareKeys(key, after) <= 0);
}

function isBehind(key: string, { upTo, before }: KeySpan): boolean {
  return (upTo !== undefined && compareKeys(key, upTo) > 0) ||
    (before !== undefined && compareKeys(key, before) >= 0);
}

function merged(a: readonly string[], b: readonly string[]): string[] {
  const all: string[] = [];
  let at = 0;
  for (const key of a) {
    while (at < b.length && compareKeys(b[at]!, key) < 0) all.push(b[at++]!);
    all.push(key);
  }
  while (at < b.length) all.push(b[at++]!);
  return all;
}
