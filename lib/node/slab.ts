const SLAB_BYTES = 64 * 1024;
/** What is longer gets a buffer of its own. */
const MAX_COPY_BYTES = 4 * 1024;

/**
 * Copies short byte strings into buffers that they share: one of its own for each costs more than its bytes.
 *
 * A buffer stays as long as any of its copies, so this is for what comes and goes together.
 */
export class Slab {
  #buffer = new Uint8Array();
  #used = 0;

  copy(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    if (length > MAX_COPY_BYTES) return bytes.slice();
    if (this.#used + length > this.#buffer.length) {
      this.#buffer = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    const copy = this.#buffer.subarray(this.#used, this.#used += length);
    copy.set(bytes);
    return copy;
  }
}
