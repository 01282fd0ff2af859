/** Keys as bytes, and where tables in memory put them: without an object for any of it. */

const encoder = new TextEncoder();

/** The key that was last encoded. A key that is stored is shorter, see `STORE_LIMITS`. */
export const keyBytes = new Uint8Array(8_192);

/** Puts a key's UTF-8 into `keyBytes`. Returns its length. */
export function encodeKey(key: string): number {
  const { length } = key;
  for (let i = 0; i < length; i++) {
    const unit = key.charCodeAt(i);
    if (unit >= 0x80 || i >= keyBytes.length) return encoder.encodeInto(key, keyBytes).written;
    keyBytes[i] = unit;
  }
  return length;
}

/** 32 bits: FNV-1a, and then the last steps of MurmurHash3, after which the lowest bits are as good as any. */
export function hashBytes(bytes: Uint8Array, start: number, length: number, seed: number): number {
  let hash = seed ^ 0x811c9dc5;
  for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return mixed(hash);
}

/** The last steps of MurmurHash3 (32 bits). */
export function mixed(hash: number): number {
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return hash ^ hash >>> 16;
}
