/** One request of a client to a node that had to answer. */
export interface Attempt {
  readonly key: string;
  readonly isWrite: boolean;
  readonly startMs: number;
  readonly endMs: number;
  readonly served: boolean;
  /** What it was answered instead: the node, the code, and more words, with colons between. */
  readonly reason?: string;
}

/** The longest time in which a key was asked for in vain. */
export interface Gap {
  readonly key: string;
  readonly startMs: number;
  /** Infinity where no later attempt was served. */
  readonly ms: number;
  /** What the attempt was answered with which it began; undefined where it was served late. */
  readonly reason: string | undefined;
}

/** What clients could not do. */
export interface Availability {
  readonly attempts: number;
  readonly failed: number;
  /** How often which code was answered. */
  readonly codes: ReadonlyMap<string, number>;
  readonly longest: Gap | undefined;
}

/**
 * How available reads, or writes, were.
 *
 * A gap of a key begins with an attempt and ends as soon as that or any other attempt at the key was served.
 */
export function availabilityOf(attempts: readonly Attempt[]): Availability {
  let longest: Gap | undefined;
  for (const [key, ofKey] of groupByKey(attempts)) {
    const servedMs = ofKey.filter(({ served }) => served).map(({ endMs }) => endMs).sort((a, b) => a - b);
    for (const { startMs, reason } of ofKey) {
      const ms = firstAfter(servedMs, startMs) - startMs;
      if (longest === undefined || ms > longest.ms) longest = { key, startMs, ms, reason };
    }
  }
  const failed = attempts.filter(({ served }) => !served);
  return { attempts: attempts.length, failed: failed.length, codes: codesOf(failed), longest };
}

function codesOf(failed: readonly Attempt[]): Map<string, number> {
  const codes = new Map<string, number>();
  for (const { reason } of failed) {
    const code = reason?.split(": ")[1] ?? "no reason";
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  return codes;
}

function groupByKey(attempts: readonly Attempt[]): Map<string, Attempt[]> {
  const groups = new Map<string, Attempt[]>();
  for (const attempt of attempts) {
    const group = groups.get(attempt.key);
    if (group === undefined) groups.set(attempt.key, [attempt]);
    else group.push(attempt);
  }
  return groups;
}

/** The first of the sorted times that is later; Infinity where there is none. */
function firstAfter(sortedMs: readonly number[], ms: number): number {
  let low = 0;
  let high = sortedMs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sortedMs[middle]! > ms) high = middle;
    else low = middle + 1;
  }
  return sortedMs[low] ?? Infinity;
}
