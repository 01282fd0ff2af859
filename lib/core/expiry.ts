import type { RecordHead, Tombstone } from "./record.ts";

/** Longest time a value may be given, in seconds: a hundred years. */
export const TTL_MAX_SECONDS = 3_155_760_000;

/** Whether a value's time is over, by a clock that shows `nowMs`. */
export function isDue(head: Pick<RecordHead, "kind" | "expiresMs">, nowMs: number): boolean {
  return head.kind === "value" && head.expiresMs !== undefined && head.expiresMs <= nowMs;
}

/**
 * The deletion that ends a value whose time is over: of the value's own version, so that it beats that value and
 * nothing else. Whoever writes it, and however often, it is the same.
 */
export function expiryOf(head: Pick<RecordHead, "version">): Tombstone {
  return { kind: "tombstone", version: head.version, expired: true };
}
