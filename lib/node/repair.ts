import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Background } from "./background.ts";
import { balance, type BalanceDeps } from "./balance.ts";
import type { HintedHandoff } from "./hinted_handoff.ts";
import { emptyTask, noteFailure } from "./tasks.ts";

/** Wait before a comparison that failed in part, or was put off by a peer, is made again; doubled with each, up to the most. */
const RETRY_MS = 5_000;
const RETRY_MAX_MS = 160_000;

/** What repairing needs of its node. */
export interface RepairDeps extends BalanceDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly hints: Pick<HintedHandoff, "deliver" | "askForMine">;
  readonly background: Pick<Background, "anti-entropy">;
}

/** Compares this node with other owners when it may have missed something, without a task anybody waits for. */
export class Repair {
  readonly #deps: RepairDeps;
  readonly #signal: AbortSignal;
  /** Peers being compared with, and whether each came back once more meanwhile. */
  readonly #running = new Map<string, "once" | "again">();

  /** @param signal Ends all of it. */
  constructor(deps: RepairDeps, signal: AbortSignal) {
    this.#deps = deps;
    this.#signal = signal;
  }

  /**
   * Fetches what this node missed while it was away: first what others have kept for it, then what a comparison
   * with all of them finds; again after a while where that failed in part, or one of them had no time for it. Never rejects.
   */
  async catchUp(): Promise<void> {
    const { hints, trees } = this.#deps;
    trees.isBehind = true;
    await hints.askForMine();
    await this.#run(undefined, () => trees.isBehind = false);
    trees.isBehind = false;
  }

  /** A node that answers again has missed writes, and may hold some that this one missed. */
  recovered(address: string): void {
    if (!this.#deps.keeper.inRing) return;
    if (this.#running.has(address)) this.#running.set(address, "again");
    else void this.#runUntilDone(address);
  }

  /** One comparison with a node at a time, however often that one comes and goes. */
  async #runUntilDone(address: string): Promise<void> {
    do {
      this.#running.set(address, "once");
      // What is known to be missing needs no comparison, which then finds little.
      await this.#deps.hints.deliver(address);
      await this.#run(address);
    } while (this.#running.get(address) === "again" && !this.#signal.aborted);
    this.#running.delete(address);
  }

  async #run(peer?: string, tried?: () => void): Promise<void> {
    const { clock, log, background } = this.#deps;
    const pace = (bytes: number) => background["anti-entropy"].pace(bytes, this.#signal);
    // What still fails after the last wait is left to the next scheduled comparison.
    for (let waitMs = RETRY_MS; waitMs <= RETRY_MAX_MS; waitMs *= 2) {
      const task = emptyTask();
      let isPutOff = false;
      const putOff = () => void (isPutOff = true);
      const base = { task, signal: this.#signal, comparing: "by itself", pace, putOff } as const;
      const scope = { ...base, ...(peer === undefined ? {} : { peer }) };
      await balance(this.#deps, scope).catch((error) => noteFailure(task, error));
      tried?.();
      if (this.#signal.aborted) return;
      const { fetched, sent, failed } = task;
      if (fetched + sent > 0) {
        log.event("info", "repaired", "Exchanged what differed with the other owners", { fetched, sent });
      }
      if (failed === 0 && !isPutOff) return;
      if (failed > 0) {
        const when = `will compare with the other owners again in ${waitMs / 1000} s`;
        log.event("warn", "repair_failed", `${task.error ?? "A comparison failed"}; ${when}`, { failed });
      }
      await clock.sleep(waitMs, this.#signal).catch(() => {});
    }
  }
}
