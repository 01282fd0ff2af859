/** Pause between two looks, in milliseconds. */
const POLL_MS = 40;
/** Long enough for a busy machine: what comes at all comes far sooner. */
const TIMEOUT_MS = 30_000;

/**
 * Looks again and again until `probe` gives something, and returns it.
 *
 * A probe that throws has seen nothing yet.
 *
 * @param what What is waited for, for the message: `node is ready`.
 * @throws {Error} After `timeoutMs`, with what the last look came to.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = TIMEOUT_MS,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    let last: unknown;
    try {
      const seen = await probe();
      if (seen) return seen as NonNullable<Exclude<T, false>>;
      last = seen;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadlineMs) {
      throw new Error(`Not within ${timeoutMs} ms: ${what}; last seen: ${last}`, { cause: last });
    }
    await pause(POLL_MS);
  }
}

/** For the loops that poll, never to wait for something to have happened. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
