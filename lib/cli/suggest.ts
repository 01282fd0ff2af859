import { closestString } from "@std/text/closest-string";
import { levenshteinDistance } from "@std/text/levenshtein-distance";

/**
 * The word that was probably meant, or nothing where none is near.
 *
 * Near is one edit for words of up to two letters, two up to eight, three beyond.
 */
export function nearWord(given: string, words: readonly string[]): string | undefined {
  if (words.length === 0) return undefined;
  const near = closestString(given, words);
  const editsAllowed = given.length <= 2 ? 1 : given.length <= 8 ? 2 : 3;
  return levenshteinDistance(given.toLowerCase(), near) <= editsAllowed ? near : undefined;
}

/** `; did you mean "put"?`, or nothing where no word is near. */
export function didYouMean(given: string, words: readonly string[]): string {
  const near = nearWord(given, words);
  return near === undefined ? "" : `; did you mean "${near}"?`;
}
