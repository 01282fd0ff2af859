import { assertEquals } from "@std/assert";
import { handleSignals, type Signalled } from "../../lib/adapters/signals.ts";

/** Sends a node these signals at these times, and gives what came of each. */
async function signalled(
  signals: readonly (readonly [atMs: number, signal: Deno.Signal])[],
  { ready = true, leave = {} }: { readonly ready?: boolean; readonly leave?: { error?: string } } = {},
): Promise<string[]> {
  const { addSignalListener, exit } = Deno;
  const listeners = new Map<Deno.Signal, () => void>();
  const seen: string[] = [];
  let nowMs = 0;
  const node: Signalled["node"] = {
    readiness: () => ({ ready }),
    leave: () => {
      seen.push("leave");
      return Promise.resolve({ done: false, ...leave });
    },
  };
  Deno.addSignalListener = (signal, listener) => void listeners.set(signal, listener);
  Deno.exit = ((code: number) => seen.push(`exit ${code}`)) as typeof exit;
  try {
    handleSignals({
      node,
      clock: { monotonicMs: () => nowMs },
      log: { event: () => {} },
      end: (code) => void seen.push(`end ${code}`),
    });
    for (const [atMs, signal] of signals) {
      nowMs = atMs;
      listeners.get(signal)!();
      await new Promise((resolve) => setTimeout(resolve));
    }
  } finally {
    Deno.addSignalListener = addSignalListener;
    Deno.exit = exit;
  }
  return seen;
}

const CANCELLED = { done: true, error: "Cancelled" };
const ONCE = [[0, "SIGINT"]] as const;
const AT_ONCE = [[0, "SIGINT"], [999, "SIGINT"]] as const;
const TWICE = [[0, "SIGINT"], [1_000, "SIGINT"]] as const;
const sequences: [what: string, came: () => Promise<string[]>, expected: string[]][] = [
  ["Ctrl-C, then it leaves the ring", () => signalled(ONCE), ["leave"]],
  ["Ctrl-C before it is in a ring, then it stops", () => signalled(ONCE, { ready: false }), ["end 0"]],
  ["one Ctrl-C that is delivered twice, then it leaves all the same", () => signalled(AT_ONCE), ["leave"]],
  ["a second Ctrl-C, then it exits at once", () => signalled(TWICE), ["leave", "exit 130"]],
  [
    "Ctrl-C after its leave was cancelled, then it leaves anew",
    () => signalled(AT_ONCE, { leave: CANCELLED }),
    ["leave", "leave"],
  ],
  ["SIGTERM, then it stops and stays in the ring", () => signalled([[0, "SIGTERM"]]), ["end 0"]],
];
for (const [what, came, expected] of sequences) {
  Deno.test(`node given ${what}`, async () => assertEquals(await came(), expected));
}
