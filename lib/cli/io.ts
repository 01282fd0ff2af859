import { type ClientClock, PROCESS_CLOCK } from "../client/watchdog.ts";
import type { Fetch } from "../client/call.ts";
import { uploadFetch } from "../client/upload_fetch.ts";

/** A stream that a program writes to. */
export interface Output {
  isTerminal(): boolean;
  /**
   * Writes all of the bytes.
   *
   * @throws {ClosedOutputError} If nobody reads them any more, as in `mydht ls | head`.
   * @throws {FailedError} If they cannot be written, as to a full disk.
   */
  write(bytes: Uint8Array): Promise<void>;
}

/** Who read the output has gone: the program ends quietly. */
export class ClosedOutputError extends Error {
  override readonly name = "ClosedOutputError";
}

/** Ctrl-C and SIGTERM, while somebody cleans up after them. */
export interface Interruption extends Disposable {
  /** Aborted by the first of them. */
  readonly signal: AbortSignal;
}

/** Everything outside of the client program; the tests put their own in its place. */
export interface CliIo {
  env(name: string): string | undefined;
  readonly stdout: Output;
  readonly stderr: Output;
  stdin(): ReadableStream<Uint8Array>;
  readonly fetch: Fetch;
  readonly clock: ClientClock;
  /** `bytes` random bytes in hex, for names of files. */
  randomHex(bytes: number): string;
  /** From now to its disposal, Ctrl-C and SIGTERM abort its signal instead of ending the program. */
  interruption(): Interruption;
}

/** Environment variables that the client reads: to be granted by name. */
export const CLIENT_ENV: readonly string[] = ["MYDHT_SERVER", "MYDHT_SECRET", "NO_COLOR"];

/** The terminal, files and network of this process. */
export function processIo(): CliIo {
  return {
    env: (name) => Deno.env.get(name),
    stdout: output(Deno.stdout),
    stderr: output(Deno.stderr),
    stdin: () => Deno.stdin.readable,
    fetch: uploadFetch,
    clock: PROCESS_CLOCK,
    randomHex: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)).toHex(),
    interruption,
  };
}

/** One of the streams of this process. */
export function output(stream: Pick<typeof Deno.stdout, "isTerminal" | "write">): Output {
  return {
    isTerminal: () => stream.isTerminal(),
    async write(bytes) {
      try {
        for (let at = 0; at < bytes.length;) at += await stream.write(bytes.subarray(at));
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) throw new ClosedOutputError("closed", { cause: error });
        const { FailedError, fileReason } = await import("./failures.ts");
        throw new FailedError(`cannot write the output: ${fileReason(error)}`, { cause: error });
      }
    },
  };
}

function interruption(): Interruption {
  const ending = new AbortController();
  const end = () => ending.abort();
  const signals: Deno.Signal[] = ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, end);
  return {
    signal: ending.signal,
    [Symbol.dispose]() {
      for (const signal of signals) Deno.removeSignalListener(signal, end);
    },
  };
}

const ENCODER = new TextEncoder();

/** Writes text and a newline. */
export function printLine(to: Output, text: string): Promise<void> {
  return to.write(ENCODER.encode(`${text}\n`));
}
