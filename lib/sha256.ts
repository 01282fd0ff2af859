import type { Hash } from "node:crypto";

/** A SHA-256 on its way. */
export type Sha256 = Hash;

/** Bytes of a SHA-256. */
const SHA256_BYTES = 32;
/** Digests that share their memory: arrays of their own take longer than the way from hex to bytes. */
const DIGESTS_PER_PAGE = 16;

let page = new Uint8Array();
/** Where the next digest begins in the page. */
let pageAt = 0;

/** The value of each hex digit, by its character's code. */
const NIBBLES = Uint8Array.from(
  { length: 128 },
  (_, code) => Number.parseInt(String.fromCharCode(code), 16) || 0,
);

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
  const hex = crypto().hash("sha256", data, "hex");
  const digest = newDigest();
  for (let i = 0; i < SHA256_BYTES; i++) {
    digest[i] = NIBBLES[hex.charCodeAt(2 * i)]! << 4 | NIBBLES[hex.charCodeAt(2 * i + 1)]!;
  }
  return digest;
}

/** A page is kept as long as any digest of it is: it is no longer than what a record takes otherwise. */
function newDigest(): Uint8Array {
  if (pageAt === page.length) {
    page = new Uint8Array(DIGESTS_PER_PAGE * SHA256_BYTES);
    pageAt = 0;
  }
  return page.subarray(pageAt, pageAt += SHA256_BYTES);
}

function crypto(): typeof import("node:crypto") {
  // deno-lint-ignore no-process-global -- Importing it would load `node:process` in its place.
  return loaded ??= process.getBuiltinModule("node:crypto");
}
