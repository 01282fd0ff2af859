import { CorruptValueError, ValueCutShortError } from "./errors.ts";
import { type ClientClock, Watchdog } from "./watchdog.ts";

/** What a value has to be in the end. */
export interface ExpectedValue {
  /** Bytes, where the node said so. */
  readonly size: number | undefined;
  /** SHA-256 in base64, where the node said so. */
  readonly sha256: string | undefined;
}

/** Where a body comes from, and what ends it early. */
export interface BodySource {
  readonly server: string;
  readonly clock: ClientClock;
  /** How long the node may send nothing, in milliseconds. */
  readonly idleMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Sees the bytes of a stream as they pass. */
interface Observer {
  seen(chunk: Uint8Array): void;
  /** May fail: the stream then errors instead of ending. */
  ended(receivedBytes: number): void | Promise<void>;
}

/** A SHA-256 of bytes that come in pieces. */
interface Hasher {
  update(chunk: Uint8Array): void;
  /** In base64. */
  digest(): string | Promise<string>;
}

/** Longest value that is hashed in one piece. */
const WHOLE_MAX_BYTES = 65_536;

/** The SHA-256 of a `Repr-Digest` (RFC 9530), in base64; `undefined` where it has none. */
export function sha256OfReprDigest(header: string | null): string | undefined {
  return /(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):/.exec(header ?? "")?.[1];
}

/**
 * Hands on the bytes of a value, and errors in the end if they are not what the node promised, or earlier if the
 * node sends nothing for too long. Bytes handed on before the end are unverified.
 */
export async function verifiedStream(
  bytes: ReadableStream<Uint8Array>,
  expected: ExpectedValue,
  source: BodySource,
): Promise<ReadableStream<Uint8Array>> {
  const hash = expected.size === undefined || expected.size > WHOLE_MAX_BYTES
    ? await incrementalHasher()
    : wholeHasher(expected.size);
  return guardedStream(bytes, source, {
    seen: (chunk) => hash.update(chunk),
    async ended(receivedBytes) {
      const { size, sha256 } = expected;
      if (size !== undefined && size !== receivedBytes) {
        throw new ValueCutShortError(source.server, receivedBytes, `it has ${size}`);
      }
      if (sha256 !== undefined && sha256 !== await hash.digest()) {
        throw new CorruptValueError(source.server);
      }
    },
  });
}

async function incrementalHasher(): Promise<Hasher> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest("base64") };
}

/** Hashes what is short without `node:crypto`, which takes longer to load than a small value to get. */
function wholeHasher(mostBytes: number): Hasher {
  const bytes = new Uint8Array(mostBytes);
  let length = 0;
  return {
    update(chunk) {
      // More than was promised is refused for its size alone.
      const wanted = chunk.subarray(0, mostBytes - length);
      bytes.set(wanted, length);
      length += wanted.length;
    },
    async digest() {
      const sum = await crypto.subtle.digest("SHA-256", bytes);
      return new Uint8Array(sum).toBase64();
    },
  };
}

/** Hands on bytes, and errors if the node sends nothing for too long. Time in which nobody reads does not count. */
export function guardedStream(
  bytes: ReadableStream<Uint8Array>,
  source: BodySource,
  observer: Observer = { seen() {}, ended() {} },
): ReadableStream<Uint8Array> {
  const reader = bytes.getReader();
  let receivedBytes = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const chunk = await readChunk(reader, source, receivedBytes);
      if (chunk === undefined) {
        await observer.ended(receivedBytes);
        return controller.close();
      }
      receivedBytes += chunk.length;
      observer.seen(chunk);
      controller.enqueue(chunk);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

async function readChunk(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  { server, clock, idleMs, signal }: BodySource,
  receivedBytes: number,
): Promise<Uint8Array | undefined> {
  const watchdog = new Watchdog(clock, idleMs);
  try {
    const { done, value } = await orAborted(reader.read(), [watchdog.signal, ...(signal ? [signal] : [])]);
    return done ? undefined : value;
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    signal?.throwIfAborted();
    const reason = watchdog.signal.aborted ? (error as Error).message : "the connection broke";
    throw new ValueCutShortError(server, receivedBytes, reason, { cause: error });
  } finally {
    watchdog.stop();
  }
}

async function orAborted<T>(promise: Promise<T>, signals: readonly AbortSignal[]): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const listeners = signals.map((signal) => () => reject(signal.reason));
  signals.forEach((signal, i) => signal.addEventListener("abort", listeners[i]!));
  try {
    // Raced even so: a promise that nobody waits for would end the program when it fails, too.
    for (const signal of signals) if (signal.aborted) reject(signal.reason);
    return await Promise.race([aborted, promise]);
  } finally {
    signals.forEach((signal, i) => signal.removeEventListener("abort", listeners[i]!));
  }
}
