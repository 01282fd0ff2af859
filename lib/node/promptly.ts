import type { Clock } from "../ports/clock.ts";

/** How long who asks how much there is waits for a node that counts yet: it reads all its records after a start. */
export const COUNTING_MS = 1_000;

const IN_TIME = new Error("It came in time");

/** What `work` resolves to, or `undefined` where that takes longer than `ms`: it goes on, and nobody waits for it. */
export async function promptly<T>(
  clock: Pick<Clock, "sleep">,
  ms: number,
  work: Promise<T>,
): Promise<T | undefined> {
  const patience = new AbortController();
  const tooLate = clock.sleep(ms, patience.signal).then(() => undefined, () => undefined);
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    patience.abort(IN_TIME);
    work.catch(() => {});
  }
}
