import type { ClientClock } from "../client/watchdog.ts";
import { bytesText, spanText } from "./format.ts";
import type { CliIo } from "./io.ts";

/** Shows how far a transfer of bytes is. */
export interface Progress {
  /** So many more bytes have passed; fewer, where some have to pass again. */
  add(bytes: number): void;
  /** Takes the display away. */
  stop(): void;
}

/** A display of one line that is drawn over and over. */
export interface Bar {
  start(total: number, value: number, payload: { text: string }): void;
  update(value: number, payload: { text: string }): void;
  stop(): void;
}

/** Shortest time between two drawings, in milliseconds. */
const DRAW_EVERY_MS = 100;

/** Shows nothing. */
const SILENT: Progress = { add() {}, stop() {} };

/**
 * A progress bar on stderr, where that is a terminal; elsewhere it shows nothing.
 *
 * @param totalBytes What there is to be transferred; `undefined` where nobody knows.
 */
export async function showProgress(
  io: Pick<CliIo, "stderr" | "clock">,
  totalBytes: number | undefined,
): Promise<Progress> {
  if (!io.stderr.isTerminal()) return SILENT;
  return barProgress(await terminalBar(totalBytes !== undefined), totalBytes, io.clock);
}

/** A progress that draws on a bar, at most ten times a second. */
export function barProgress(
  bar: Bar,
  totalBytes: number | undefined,
  clock: Pick<ClientClock, "monotonicMs">,
): Progress {
  const startMs = clock.monotonicMs();
  let doneBytes = 0;
  let drawnMs = startMs;
  const text = () => progressText(doneBytes, totalBytes, clock.monotonicMs() - startMs);
  // A bar of nothing at all is full.
  bar.start(totalBytes || 1, totalBytes === 0 ? 1 : 0, { text: text() });
  return {
    add(bytes) {
      doneBytes += bytes;
      if (clock.monotonicMs() - drawnMs < DRAW_EVERY_MS) return;
      drawnMs = clock.monotonicMs();
      bar.update(totalBytes === undefined ? 0 : doneBytes, { text: text() });
    },
    stop: () => bar.stop(),
  };
}

/** Bytes, rate and the time that is left: `1.2 MB of 4 MB, 600 kB/s, 5 s left`. */
export function progressText(doneBytes: number, totalBytes: number | undefined, elapsedMs: number): string {
  const bytesPerSecond = elapsedMs > 0 ? doneBytes / (elapsedMs / 1000) : 0;
  const parts = [
    totalBytes === undefined ? bytesText(doneBytes) : `${bytesText(doneBytes)} of ${bytesText(totalBytes)}`,
  ];
  if (bytesPerSecond > 0) parts.push(`${bytesText(Math.round(bytesPerSecond))}/s`);
  if (bytesPerSecond > 0 && totalBytes !== undefined) {
    parts.push(`${spanText((totalBytes - doneBytes) / bytesPerSecond)} left`);
  }
  return parts.join(", ");
}

async function terminalBar(hasTotal: boolean): Promise<Bar> {
  const [{ default: process }, { default: cliProgress }] = await Promise.all([
    import("node:process"),
    // @ts-types="./cli_progress.d.ts"
    import("cli-progress"),
  ]);
  return new cliProgress.SingleBar({
    format: hasTotal ? "{bar} {percentage}%  {text}" : "{text}",
    stream: process.stderr,
    barsize: 24,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    clearOnComplete: true,
    hideCursor: true,
  });
}

/** Hands on a stream, and tells the bytes of each chunk as it passes. */
export function counted(
  stream: ReadableStream<Uint8Array>,
  seen: (bytes: number) => void,
): ReadableStream<Uint8Array> {
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        seen(chunk.length);
        controller.enqueue(chunk);
      },
    }),
  );
}
