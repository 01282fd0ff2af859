import type { Hash } from "node:crypto";

/** A SHA-256 on its way. */
export type Sha256 = Hash;

let loaded: typeof import("node:crypto") | undefined;

/**
 * Starts a SHA-256. Synchronous, so that a simulation replays.
 *
 * `node:crypto` is loaded by the first: a bundle would load whatever is imported at the top of any of its files when
 * it starts, and this one takes longer than all that a `mydht get` does.
 */
export function newSha256(): Sha256 {
  return crypto().createHash("sha256");
}

/** SHA-256 of bytes, or of a text in UTF-8: 32 bytes. */
export function sha256(data: Uint8Array | string): Uint8Array {
  // By way of hex: it takes less than half the time, as there is no hash object to be collected.
  return Uint8Array.fromHex(crypto().hash("sha256", data, "hex"));
}

function crypto(): typeof import("node:crypto") {
  // deno-lint-ignore no-process-global -- Importing it would load `node:process` in its place.
  return loaded ??= process.getBuiltinModule("node:crypto");
}
