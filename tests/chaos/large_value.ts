import { createHash } from "node:crypto";
import { formatVersion } from "../../lib/core/hlc.ts";
import { makePayload } from "../sim/payload.ts";
import { keyUrl, parseEtag } from "./requests.ts";
import { pause } from "./waiting.ts";

const MIB = 1024 ** 2;
/** Bytes at the start of each further MiB that hold its number. */
const NUMBER_BYTES = 4;
/** After so many MiB the others get a turn. */
const MIB_PER_TURN = 4;

/** A value of many MiB that is never in memory as a whole: its id in its first line, then noise that follows from that. */
export class LargeValue {
  readonly #block: Uint8Array<ArrayBuffer>;

  private constructor(readonly id: string, readonly mib: number) {
    this.#block = makePayload(id, MIB) as Uint8Array<ArrayBuffer>;
  }

  /** Makes a value, and its SHA-256. */
  static async make(id: string, mib: number): Promise<{ value: LargeValue; sha256: string }> {
    const value = new LargeValue(id, mib);
    const hash = createHash("sha256");
    for (let i = 0; i < mib; i++) {
      hash.update(value.#part(i));
      if (i % MIB_PER_TURN === 0) await pause(0);
    }
    return { value, sha256: hash.digest("hex") };
  }

  get bytes(): number {
    return this.mib * MIB;
  }

  /** Its bytes, made as they are asked for. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    let next = 0;
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => {
        if (next === this.mib) controller.close();
        else controller.enqueue(this.#part(next++));
      },
    }, { highWaterMark: 1 });
  }

  #part(index: number): Uint8Array<ArrayBuffer> {
    if (index === 0) return this.#block;
    const part = this.#block.slice();
    new DataView(part.buffer).setUint32(0, index);
    part.copyWithin(NUMBER_BYTES, 2 * NUMBER_BYTES);
    return part;
  }
}

/** What is read of a large value. */
export interface LargeRead {
  /** Its first line. */
  readonly id: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly version: string;
}

/** A value that was being read and whose bytes ended too soon. */
export class CutShortError extends Error {
  override readonly name = "CutShortError";
}

/**
 * Reads a value of any size, a piece at a time.
 *
 * @returns The answer where it is not good, its body unread.
 * @throws {CutShortError} If it began well, and did not come to its end.
 */
export async function readLarge(
  address: string,
  key: string,
  { query = "", signal }: { readonly query?: string; readonly signal: AbortSignal },
): Promise<LargeRead | Response> {
  const response = await fetch(keyUrl(address, key, query), { signal });
  if (!response.ok || response.body === null) return response;
  const hash = createHash("sha256");
  let head = "";
  let bytes = 0;
  try {
    for await (const chunk of response.body) {
      if (!head.includes("\n")) head += new TextDecoder().decode(chunk.subarray(0, 200));
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (cause) {
    throw new CutShortError(`after ${bytes} bytes of ${response.headers.get("content-length")}: ${cause}`, {
      cause,
    });
  }
  const version = formatVersion(parseEtag(response.headers.get("etag")));
  return { id: head.split("\n")[0]!, sha256: hash.digest("hex"), bytes, version };
}
