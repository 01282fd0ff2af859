import { sentence } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Background } from "./background.ts";
import { inRounds, type Pauses } from "./pauses.ts";
import type { Storage } from "./storage.ts";

/** What freeing bytes needs of its node. */
export interface GarbageDeps {
  readonly storage: Pick<Storage, "collectGarbage" | "stats">;
  readonly clock: Clock;
  readonly log: Log;
  readonly background: Pick<Background, "garbage">;
  readonly pauses: Pick<Pauses, "garbageMs">;
}

/**
 * Frees the bytes of large values that were overwritten, and of uploads that were given up.
 *
 * It keeps to no rate: a step deletes a few thousand keys at most and moves no bytes, and a disk that is full waits for it.
 */
export class GarbageCollector {
  readonly #deps: GarbageDeps;

  constructor(deps: GarbageDeps) {
    this.#deps = deps;
  }

  /** Runs rounds until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, pauses } = this.#deps;
    await inRounds({ clock, pauseMs: () => pauses.garbageMs, signal }, () => this.round(signal));
  }

  /** One bounded step; what is left after it waits for the next, or to be read by nobody any more. Never rejects. */
  async round(signal: AbortSignal): Promise<void> {
    const { storage, log, background: { garbage: task } } = this.#deps;
    task.begin(storage.stats().garbageBlobs);
    try {
      const { values, bytes } = await storage.collectGarbage();
      task.advance(values);
      await task.pace(bytes, signal);
    } catch (error) {
      task.fail(error);
      log.event("warn", "background_failed", sentence(error));
    }
    task.end();
    task.setLeft(storage.stats().garbageBlobs);
  }
}
