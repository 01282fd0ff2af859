import type { Hash } from "node:crypto";

/** A SHA-256 on its way. */
export type Sha256 = Hash;

let loaded: typeof import("node:crypto").createHash | undefined;

/**
 * Starts a SHA-256. Synchronous, so that a simulation replays.
 *
 * `node:crypto` is loaded by the first: a bundle would load whatever is imported at the top of any of its files when
 * it starts, and this one takes longer than all that a `mydht get` does.
 */
export function newSha256(): Sha256 {
  // deno-lint-ignore no-process-global -- Importing it would load `node:process` in its place.
  loaded ??= process.getBuiltinModule("node:crypto").createHash;
  return loaded("sha256");
}

/** SHA-256 of bytes, or of a text in UTF-8: 32 bytes. */
export function sha256(data: Uint8Array | string): Uint8Array {
  return new Uint8Array(newSha256().update(data).digest());
}
