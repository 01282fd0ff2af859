/** Pause between two looks, in milliseconds: a look costs the nodes some work. */
const POLL_MS = 250;

/** Something that was to come within a bounded time, and did not. */
export class NotInTimeError extends Error {
  override readonly name = "NotInTimeError";
}

/** Waits. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Looks again and again until `look` finds nothing missing.
 *
 * @param what What is waited for: `the ring is healed`.
 * @param look What is still missing, in words; undefined where nothing is. One that throws has seen nothing yet.
 * @throws {NotInTimeError} After `timeoutMs`, with what was missing last.
 */
export async function until(
  what: string,
  look: () => Promise<string | undefined>,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const missing = await look().catch((error) => String(error));
    if (missing === undefined) return;
    if (performance.now() > deadlineMs) {
      throw new NotInTimeError(`not within ${timeoutMs / 1000} s: ${what}; last seen: ${missing}`);
    }
    await pause(POLL_MS, signal);
  }
}
