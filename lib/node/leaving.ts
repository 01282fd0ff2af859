import { DhtError, sentence } from "../core/errors.ts";
import { isChanging } from "../core/layout.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { type ChangeProgress, changeWords, waitingWords } from "./change_progress.ts";
import type { Gossip } from "./gossip.ts";
import type { Joining } from "./joining.ts";
import type { MembershipService } from "./membership.ts";
import type { RingKeeper } from "./ring_keeper.ts";
import type { TaskView } from "./service.ts";
import type { Task, Tasks } from "./tasks.ts";

/** How long a leaving node waits between two looks at whether the others have taken over. */
const POLL_MS = 200;
/** Time between two questions after how far they are, and between two log lines that say so. */
const LOOK_MS = 1_000;
const REPORT_MS = 5_000;
/** How long a node that has left answers whoever asks after the task: longer than a client waits between two looks. */
export const LEAVE_LINGER_MS = 3_000;
/** The one task of a node that leaves. */
const LEAVE_TASK = "leave";

/** What leaving needs of its node. */
export interface LeavingDeps {
  readonly keeper: RingKeeper;
  readonly joining: Pick<Joining, "entered">;
  readonly membership: MembershipService;
  readonly gossip: Gossip;
  readonly progress: ChangeProgress;
  readonly tasks: Tasks;
  readonly clock: Clock;
  readonly log: Log;
  /** Called once this node has left: the process may end. */
  onLeft(): void;
}

/**
 * A node's way out of its ring: it stays and serves until the others hold what it holds.
 *
 * It may be called off at any time before the end. What the others have fetched by then they keep, so that leaving
 * again goes on where it was.
 */
export class Leaving {
  readonly #deps: LeavingDeps;
  readonly #stopping: AbortSignal;
  #looking: Promise<void> | undefined;

  constructor(deps: LeavingDeps, stopping: AbortSignal) {
    this.#deps = deps;
    this.#stopping = stopping;
  }

  /** @param lingerMs How long to stay afterwards, for those who poll the task. */
  start(lingerMs: number): TaskView {
    const { tasks, log } = this.#deps;
    if (tasks.find(LEAVE_TASK)?.error !== undefined) tasks.forget(LEAVE_TASK);
    const work = async (task: Task) => {
      await this.#leave(task).catch((error) => {
        if (!(error instanceof LeaveCancelled)) {
          log.event("error", "leave_failed", `Could not leave the ring: ${sentence(error)}`);
        }
        throw error;
      });
      void this.#goAfter(lingerMs);
    };
    return tasks.start("leave", work, LEAVE_TASK);
  }

  /**
   * Has a node that is leaving stay after all: the newest word on it, like any other change of the ring.
   *
   * @throws {DhtError} "unknown_task" where it is not leaving, or has left already.
   */
  async cancel(): Promise<TaskView> {
    const { keeper, membership, tasks, log } = this.#deps;
    const task = tasks.find(LEAVE_TASK);
    if (task === undefined || task.done || !await membership.stayAfterAll()) {
      throw new DhtError("unknown_task", `Cannot cancel: node ${keeper.self.address} is not leaving`, {
        task: LEAVE_TASK,
      });
    }
    log.event("info", "leave_cancelled", "Staying in the ring: the leave was cancelled");
    while (!task.done) await this.#deps.clock.sleep(POLL_MS, this.#stopping);
    return task;
  }

  /** Waits until the others hold what this node holds; the last node of a ring only stops. */
  async #leave(task: Task): Promise<void> {
    const { joining, membership, log } = this.#deps;
    // A start that is still under way takes back a leave, which it thinks was of the run before.
    await joining.entered;
    if (!membership.isLast() && await this.#handOver(task)) {
      await this.#sayGoodbye();
      return log.event("info", "left", "Left the ring");
    }
    // Others that are leaving, too, would wait for this node to take over.
    if (!membership.isAlone()) await membership.startLeaving();
    log.event("info", "left", lastWords(membership.isAlone()));
  }

  /** @returns Whether the others hold it all; false where none of them stays. */
  async #handOver(task: Task): Promise<boolean> {
    const { keeper, membership, clock, log } = this.#deps;
    log.event("info", "leaving", "Leaving the ring: the other nodes are taking over");
    await membership.startLeaving();
    const copies = keeper.live.newest.n;
    if (copies < keeper.state.replicas) {
      log.event(
        "warn",
        "fewer_copies",
        `Once this node has left, each key has ${copies} of ${keeper.state.replicas} copies: too few nodes are left`,
      );
    }
    let lookedMs = -Infinity;
    let saidMs = clock.monotonicMs();
    while (isChanging(keeper.live) || keeper.live.base.has(keeper.selfId)) {
      if (keeper.selfMember?.state === "up") throw new LeaveCancelled();
      if (membership.isLast()) return false;
      const nowMs = clock.monotonicMs();
      if (nowMs - lookedMs >= LOOK_MS) {
        lookedMs = nowMs;
        this.#look(task);
      }
      if (nowMs - saidMs >= REPORT_MS && task.change !== undefined) {
        saidMs = nowMs;
        const words = [changeWords(task.change), waitingWords(task.change)].filter((text) => text !== "");
        log.event("info", "still_leaving", `Still leaving: ${words.join("; ")}`);
      }
      await clock.sleep(POLL_MS, this.#stopping);
    }
    return true;
  }

  /** Not awaited: a member that hangs must not keep this node from seeing that all is done. */
  #look(task: Task): void {
    this.#looking ??= this.#deps.progress.ring().then((change) => {
      if (change !== undefined) task.change = change;
    }, () => {}).finally(() => this.#looking = undefined);
  }

  /** Says that this node has left, until another has heard it: else they would wait for it for ever. */
  async #sayGoodbye(): Promise<void> {
    const { gossip, clock } = this.#deps;
    let heard = await this.#sayLeft();
    if (heard === undefined) throw new LeaveCancelled();
    while (!heard) {
      await clock.sleep(POLL_MS, this.#stopping);
      heard = await gossip.announce();
    }
  }

  /** The others hold all of it: a disk that takes nothing for a while must not keep this node a leaver for ever. */
  async #sayLeft(): Promise<boolean | undefined> {
    const { membership, clock, log } = this.#deps;
    for (;;) {
      try {
        return await membership.sayLeft();
      } catch (error) {
        if (!(error instanceof DhtError) || !DISK_TROUBLE.has(error.code)) throw error;
        log.event(
          "warn",
          "leave_delayed",
          `Cannot write down that this node has left, will try again: ${error.message}`,
        );
        await clock.sleep(REPORT_MS, this.#stopping);
      }
    }
  }

  async #goAfter(ms: number): Promise<void> {
    if (ms > 0) await this.#deps.clock.sleep(ms, this.#stopping).catch(() => {});
    this.#deps.onLeft();
  }
}

/** What may pass: a disk that is full, or fails. */
const DISK_TROUBLE: ReadonlySet<string> = new Set(["disk_full", "store_failed"]);

/** Why a leave that was called off did not come to its end. */
class LeaveCancelled extends Error {
  override readonly name = "LeaveCancelled";

  constructor() {
    super(
      "It was cancelled, and the node stays in the ring; what the others have fetched they keep until purge, " +
        "so leaving again goes on from there",
    );
  }
}

function lastWords(isAlone: boolean): string {
  return isAlone
    ? "The last node of the ring stops and keeps its data"
    : "All nodes of the ring are leaving: the last ones stop, stay its members and keep their data";
}
