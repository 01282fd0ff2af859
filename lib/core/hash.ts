import { createXXHash128 } from "hash-wasm";

// Compiled once, when the module loads; hashing itself is synchronous, so that a simulation replays.
const hasher = await createXXHash128();

/**
 * 128-bit hash (xxHash, XXH3-128) of a text's UTF-8 bytes or of bytes: 16 bytes.
 *
 * Spreads keys and finds damage. It is not cryptographic: whoever chooses the
 * input can make two inputs collide.
 */
export function hash128(data: string | Uint8Array): Uint8Array {
  return hasher.init().update(data).digest("binary");
}
