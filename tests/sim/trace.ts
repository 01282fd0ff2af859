import { encodeHex } from "@std/encoding/hex";
import { hash128 } from "../../lib/core/hash.ts";

/** Lines kept for whoever has to find out what went wrong. */
const MAX_LINES = 20_000;
/** Characters gathered before they go into the digest. */
const PENDING_MAX = 16_384;

/**
 * What has happened: a digest of all of it, and the lines a person wants to
 * read when a check fails.
 */
export class Trace {
  readonly #nowMs: () => number;
  readonly #lines: string[] = [];
  #digest = "";
  #pending = "";

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** An event that people read, too. */
  note(text: string): void {
    const line = `${(this.#nowMs() / 1000).toFixed(4).padStart(9)}  ${text}`;
    this.#add(line);
    if (this.#lines.length < MAX_LINES) this.#lines.push(line);
  }

  /** An event that only the digest is to know. */
  count(text: string): void {
    this.#add(`${this.#nowMs()} ${text}`);
  }

  /** Equal for two runs exactly if the same happened at the same times. */
  digest(): string {
    this.#fold();
    return this.#digest;
  }

  /** The lines, in order; only those with one of the words, where words are given. */
  lines(words?: readonly string[]): string[] {
    return words === undefined
      ? [...this.#lines]
      : this.#lines.filter((line) => words.some((word) => line.includes(word)));
  }

  #add(text: string): void {
    this.#pending += `${text}\n`;
    if (this.#pending.length > PENDING_MAX) this.#fold();
  }

  #fold(): void {
    if (this.#pending === "") return;
    this.#digest = encodeHex(hash128(this.#digest + this.#pending));
    this.#pending = "";
  }
}
