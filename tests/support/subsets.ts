/** Every subset of the letters of `set`, as lists of letters; the empty one first. */
export function subsets(set: string): string[][] {
  const letters = [...set];
  return Array.from(
    { length: 2 ** letters.length },
    (_, bits) => letters.filter((_, i) => bits >>> i & 1),
  );
}
