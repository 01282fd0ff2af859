/** Reads a byte stream in portions of a chosen length. */
export class ByteReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #left: Uint8Array[] = [];
  #leftBytes = 0;
  #ended: boolean;

  constructor(stream: ReadableStream<Uint8Array> | undefined) {
    this.#reader = stream?.getReader();
    this.#ended = stream === undefined;
  }

  /** The next `length` bytes; fewer only at the end of the stream. */
  async read(length: number): Promise<Uint8Array> {
    while (this.#leftBytes < length && !this.#ended) {
      const { done, value } = await this.#reader!.read();
      if (done) this.#ended = true;
      else this.#append(value);
    }
    const all = concatChunks(this.#left);
    const taken = all.subarray(0, length);
    const rest = all.subarray(taken.length);
    this.#left = rest.length > 0 ? [rest] : [];
    this.#leftBytes = rest.length;
    return taken;
  }

  /** Puts bytes back, to be read first. */
  unread(bytes: Uint8Array): void {
    this.#left.unshift(bytes);
    this.#leftBytes += bytes.length;
  }

  /** Gives the stream up; what is left of it is not read. */
  async release(): Promise<void> {
    if (!this.#ended) await this.#reader?.cancel().catch(() => {});
    this.#reader?.releaseLock();
  }

  /** Appends bytes behind those that are left. */
  #append(bytes: Uint8Array): void {
    this.#left.push(bytes);
    this.#leftBytes += bytes.length;
  }
}

/** One array of all the bytes; the array itself where there is only one. */
export function concatChunks(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.length;
  }
  return all;
}
