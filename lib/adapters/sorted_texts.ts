const BLOCK_TEXTS = 512;

/**
 * A sorted set of texts, kept in blocks so that adding to a million costs no
 * more than moving a few hundred. Compares by UTF-16 code units, as `<` does.
 */
export class SortedTexts {
  /** None is empty but the only one. */
  readonly #blocks: string[][] = [[]];

  /** Adds a text that is not in the set. */
  add(text: string): void {
    const at = this.#blockOf(text);
    const block = this.#blocks[at] ?? [];
    block.splice(lowerBound(block, text), 0, text);
    if (block.length > BLOCK_TEXTS) this.#blocks.splice(at + 1, 0, block.splice(BLOCK_TEXTS / 2));
  }

  /** Removes a text that is in the set. */
  delete(text: string): void {
    const at = this.#blockOf(text);
    const block = this.#blocks[at] ?? [];
    block.splice(lowerBound(block, text), 1);
    if (block.length === 0 && this.#blocks.length > 1) this.#blocks.splice(at, 1);
  }

  /** At most `limit` texts greater than `after` and less than `before`, from the least up. */
  ascending(after: string, before: string, limit: number): string[] {
    const found: string[] = [];
    for (let at = this.#blockOf(after); at < this.#blocks.length; at++) {
      const block = this.#blocks[at] ?? [];
      for (let i = lowerBound(block, after); i < block.length; i++) {
        const text = block[i] ?? "";
        if (text === after) continue;
        if (text >= before || found.length === limit) return found;
        found.push(text);
      }
    }
    return found;
  }

  /** The same, from the greatest down. */
  descending(after: string, before: string, limit: number): string[] {
    const found: string[] = [];
    for (let at = this.#blockOf(before); at >= 0; at--) {
      const block = this.#blocks[at] ?? [];
      for (let i = lowerBound(block, before) - 1; i >= 0; i--) {
        const text = block[i] ?? "";
        if (text <= after || found.length === limit) return found;
        found.push(text);
      }
    }
    return found;
  }

  /** Index of the last block that begins at or before `text`, or 0. */
  #blockOf(text: string): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#blocks[middle]?.[0] ?? "") <= text) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Index of the first text that is not less than `text`. */
function lowerBound(texts: readonly string[], text: string): number {
  let low = 0;
  let high = texts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((texts[middle] ?? "") < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
