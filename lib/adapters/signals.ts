import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";

/** A second Ctrl-C counts from here on: task runners deliver one twice. */
const SECOND_INTERRUPT_MS = 1_000;

/** Leaving the ring, as far as it has come. */
interface Leave {
  readonly done: boolean;
  readonly error?: string;
}

/** What signals act on. */
export interface Signalled {
  readonly node: {
    readiness(): { readonly ready: boolean };
    leave(options: { readonly lingerMs: number }): Promise<Leave>;
  };
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly log: Log;
  /** Has the process stop its node and end with that exit code. */
  end(code: number): void;
}

/**
 * Has the signals of a terminal stop a node: Ctrl-C leaves the ring, a second one exits at once, with 130; SIGTERM
 * only stops, so that a restart moves no data.
 */
export function handleSignals({ node, clock, log, end }: Signalled): void {
  let interruptedMs: number | undefined;
  let leave: Leave | undefined;
  onSignal("SIGINT", () => {
    const nowMs = clock.monotonicMs();
    // One that was cancelled is begun anew.
    const isLeaving = leave?.done !== true || leave.error === undefined;
    if (interruptedMs === undefined || !isLeaving) {
      interruptedMs = nowMs;
      // Without a ring there is nothing to leave.
      if (!node.readiness().ready) return end(0);
      log.event(
        "info",
        "interrupted",
        "Leaving the ring; press Ctrl-C again to stop at once, without leaving",
      );
      node.leave({ lingerMs: 0 }).then((task) => leave = task, (error) => {
        log.event("error", "leave_failed", `Cannot leave the ring: ${error.message}`);
      });
    } else if (nowMs - interruptedMs >= SECOND_INTERRUPT_MS) {
      log.event(
        "warn",
        "interrupted_again",
        "Stopping at once: this node stays in the ring, and can be started again",
      );
      Deno.exit(130);
    }
  });
  onSignal("SIGTERM", () => end(0));
}

/** Listens for a signal until the process ends. */
export function onSignal(signal: Deno.Signal, listener: () => void): void {
  // Windows knows no SIGTERM that could be listened for; there Ctrl-Break does it.
  const known = Deno.build.os === "windows" && signal === "SIGTERM" ? "SIGBREAK" : signal;
  Deno.addSignalListener(known, listener);
}
