import { ServerUnreachableError } from "../client.ts";
import { explain } from "./failures.ts";

/** How many requests are under way at a time. */
const WORKERS = 4;

/** How many items went well, and how many did not. */
export interface Outcome {
  readonly done: number;
  readonly failed: number;
}

/**
 * Does something with every item, four at a time, in about their order.
 *
 * An item that fails is told and counted, and the others go on; they stop where no node can be reached any more, or
 * the signal is aborted.
 *
 * @throws {unknown} What stopped all of it, once what was under way has ended.
 */
export async function inParallel<T>(
  items: AsyncIterable<T> | Iterable<T>,
  act: (item: T) => Promise<void>,
  options: {
    readonly signal: AbortSignal;
    readonly failed: (item: T, message: string) => Promise<void>;
  },
): Promise<Outcome> {
  const source = iterate(items);
  let done = 0;
  let failed = 0;
  let stopped: { readonly error: unknown } | undefined;

  async function work(): Promise<void> {
    while (stopped === undefined) {
      const next = await source.next();
      if (next.done) return;
      try {
        await act(next.value);
        done++;
      } catch (error) {
        if (options.signal.aborted || error instanceof ServerUnreachableError) throw error;
        failed++;
        await options.failed(next.value, explain(error).message);
      }
    }
  }

  await Promise.all(Array.from({ length: WORKERS }, () =>
    work().catch((error) => {
      stopped ??= { error };
    })));
  if (stopped !== undefined) throw stopped.error;
  return { done, failed };
}

/** A generator answers one question at a time, in the order in which they were asked. */
async function* iterate<T>(items: AsyncIterable<T> | Iterable<T>): AsyncGenerator<T, void, void> {
  yield* items;
}
