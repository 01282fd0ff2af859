import { CorruptValueError, MyDhtError, ProblemError, ServerUnreachableError } from "../client.ts";

/** Exit codes of the client. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;

/** The command line asks for something that makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A command could not do what it was asked for; the message is one sentence without a full stop. */
export class FailedError extends Error {
  override readonly name = "FailedError";
}

/** Whether it was the user who ended a command: only Ctrl-C and SIGTERM abort what the client does. */
export function isInterruption(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** One sentence for what went wrong, and the exit code. */
export function explain(error: unknown): { readonly message: string; readonly exitCode: number } {
  if (error instanceof UsageError || error instanceof SyntaxError) {
    return { message: error.message, exitCode: EXIT.usage };
  }
  if (error instanceof ServerUnreachableError) {
    return { message: unreachable(error), exitCode: EXIT.unreachable };
  }
  if (error instanceof ProblemError) return { message: problem(error), exitCode: EXIT.failed };
  if (error instanceof CorruptValueError) {
    return { message: `${error.message}; get it again, or from another node`, exitCode: EXIT.failed };
  }
  const known = error instanceof MyDhtError || error instanceof FailedError;
  const message = error instanceof Error ? error.message : String(error);
  return { message: known ? message : `something unforeseen went wrong: ${message}`, exitCode: EXIT.failed };
}

function unreachable({ server, tries, reason }: ServerUnreachableError): string {
  return `cannot reach ${server} in ${tries} ${tries === 1 ? "try" : "tries"} (${reason}): ` +
    "start a node there, or name another one with --host and --port";
}

/** What this client calls the request that a problem advises. */
const HERE: Readonly<Record<string, string>> = {
  needs_force: " (here: --force)",
  node_reachable: ' (here: "mydht leave HOST:PORT")',
  unknown_node: ' (here: "mydht nodes")',
};

/** What a node says is for all kinds of clients; this one knows its own flags. */
function problem(error: ProblemError): string {
  if (error.code === "unauthorized") {
    return `${error.server} wants the secret of its ring: give it with --secret-file FILE or MYDHT_SECRET`;
  }
  return error.message + (HERE[error.code] ?? "");
}

/** What a file operation failed with, in words. */
export function fileReason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file or directory";
  if (error instanceof Deno.errors.PermissionDenied) return "permission is denied";
  if (error instanceof Deno.errors.NotCapable) return "this program has no permission for it";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  if (error instanceof Deno.errors.NotADirectory) return "a part of its path is not a directory";
  return error instanceof Error ? error.message : String(error);
}
