import {
  type Check,
  type Mutation,
  STORE_LIMITS,
  type StoreKey,
  storeKeyBytes,
  type StoreRange,
} from "../ports/store.ts";

const MAX_KEY_PARTS = 8;

/**
 * Throws `RangeError` where a commit passes one of `STORE_LIMITS`, and
 * `TypeError` where a key is no `StoreKey`: the same for every adapter, so
 * that what a simulation accepts a disk accepts too.
 */
export function assertWithinBounds(mutations: readonly Mutation[], checks: readonly Check[]): void {
  assertAtMost("changes in one commit", mutations.length, STORE_LIMITS.mutations);
  assertAtMost("checks in one commit", checks.length, STORE_LIMITS.checks);
  let keyBytes = 0;
  let valueBytes = 0;
  for (const mutation of mutations) {
    keyBytes += checkedKeyBytes(mutation.key);
    if (mutation.kind === "delete") continue;
    assertAtMost("bytes of one value", mutation.value.byteLength, STORE_LIMITS.valueBytes);
    valueBytes += mutation.value.byteLength;
  }
  for (const check of checks) keyBytes += checkedKeyBytes(check.key);
  assertAtMost("bytes of keys in one commit", keyBytes, STORE_LIMITS.commitKeyBytes);
  assertAtMost("bytes in one commit", keyBytes + valueBytes, STORE_LIMITS.commitBytes);
}

/** Throws `TypeError` where a bound of a range does not share its prefix. */
export function assertRange(range: StoreRange): void {
  for (const bound of [range.after, range.before]) {
    if (bound !== undefined && !range.prefix.every((part, i) => bound[i] === part)) {
      throw new TypeError(`Cannot list below ${JSON.stringify(range.prefix)}: a bound has another prefix`);
    }
  }
}

function checkedKeyBytes(key: StoreKey): number {
  if (key.length === 0) throw new TypeError("Cannot store under a key without parts");
  assertAtMost("parts of a key", key.length, MAX_KEY_PARTS);
  for (const part of key) {
    if (typeof part === "number" && !(Number.isSafeInteger(part) && part >= 0)) {
      throw new TypeError(`Cannot store under a key with the number ${part}: it must be an integer >= 0`);
    }
  }
  const bytes = storeKeyBytes(key);
  assertAtMost("bytes of one key", bytes, STORE_LIMITS.keyBytes);
  return bytes;
}

function assertAtMost(what: string, actual: number, limit: number): void {
  if (actual > limit) throw new RangeError(`Cannot commit: ${actual} ${what}, at most ${limit} are allowed`);
}
