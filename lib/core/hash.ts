import { createXXHash128 } from "hash-wasm";

// Compiled once, when the module loads; hashing itself is synchronous, so that a simulation replays.
const hasher = await createXXHash128();

// Texts up to this long are written here, where nothing has to be allocated for them.
const scratch = new Uint8Array(1_024);
const encoder = new TextEncoder();

/**
 * 128-bit hash (xxHash, XXH3-128) of a text's UTF-8 bytes or of bytes: 16 bytes.
 *
 * Spreads keys and finds damage. It is not cryptographic: whoever chooses the
 * input can make two inputs collide.
 */
export function hash128(data: string | Uint8Array): Uint8Array {
  return hasher.init().update(typeof data === "string" ? utf8(data) : data).digest("binary");
}

/** The first 32 bits of `hash128` of a text: without the array, which would cost as much as the hash. */
export function hash32(text: string): number {
  const hex = hasher.init().update(utf8(text)).digest("hex");
  return Number.parseInt(hex.slice(0, 8), 16);
}

function utf8(text: string): Uint8Array {
  const { length } = text;
  if (length > scratch.length) return encoder.encode(text);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return encoder.encode(text);
    scratch[i] = unit;
  }
  return scratch.subarray(0, length);
}
