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
  const guarded = new GuardedBody(bytes, source, observer);
  return new ReadableStream<Uint8Array>({
    start: (controller) => guarded.start(controller),
    pull: () => guarded.pull(),
    cancel: (reason) => guarded.cancel(reason),
  }, { highWaterMark: 0 });
}

/** One watch for the whole body: one for each of its pieces would cost as much as reading them. */
class GuardedBody {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #source: BodySource;
  readonly #observer: Observer;
  readonly #watchdog: Watchdog;
  readonly #onAbort = (): void => this.#fail(this.#source.signal?.reason);
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #receivedBytes = 0;
  #isDone = false;

  constructor(bytes: ReadableStream<Uint8Array>, source: BodySource, observer: Observer) {
    this.#reader = bytes.getReader();
    this.#source = source;
    this.#observer = observer;
    this.#watchdog = new Watchdog(source.clock, source.idleMs);
    this.#watchdog.pause();
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const { signal } = this.#source;
    this.#controller = controller;
    this.#watchdog.signal.addEventListener("abort", () => {
      const stalled = this.#watchdog.signal.reason as Error;
      this.#fail(this.#cutShort(stalled.message, stalled));
    });
    signal?.addEventListener("abort", this.#onAbort);
    if (signal?.aborted) this.#onAbort();
  }

  async pull(): Promise<void> {
    this.#watchdog.resume();
    const read = await this.#reader.read().catch((error) =>
      this.#fail(
        this.#source.signal?.aborted
          ? this.#source.signal.reason
          : this.#cutShort("the connection broke", error),
      )
    );
    this.#watchdog.pause();
    if (read === undefined || this.#isDone) return;
    try {
      if (read.done) await this.#end();
      else this.#take(read.value);
    } catch (error) {
      this.#fail(error);
    }
  }

  async cancel(reason: unknown): Promise<void> {
    this.#finish();
    await this.#reader.cancel(reason);
  }

  #take(chunk: Uint8Array): void {
    this.#receivedBytes += chunk.length;
    this.#observer.seen(chunk);
    this.#controller!.enqueue(chunk);
  }

  async #end(): Promise<void> {
    await this.#observer.ended(this.#receivedBytes);
    if (this.#isDone) return;
    this.#finish();
    this.#controller!.close();
  }

  #fail(error: unknown): void {
    if (this.#isDone) return;
    this.#finish();
    this.#controller!.error(error);
    this.#reader.cancel(error).catch(() => {});
  }

  #finish(): void {
    this.#isDone = true;
    this.#watchdog.stop();
    this.#source.signal?.removeEventListener("abort", this.#onAbort);
  }

  #cutShort(reason: string, cause: unknown): ValueCutShortError {
    return new ValueCutShortError(this.#source.server, this.#receivedBytes, reason, { cause });
  }
}
