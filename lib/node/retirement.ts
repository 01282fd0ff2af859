import type { Member } from "../core/membership.ts";

/** The ring will not have this store any more: its data is to be set aside, and the node to join as a new one. */
export class RetiredStoreError extends Error {
  override readonly name = "RetiredStoreError";

  /** @param servers Members through which the node can join again. */
  constructor(message: string, readonly servers: readonly string[]) {
    super(message);
  }
}

/** Why the ring will not have this store any more; `undefined` where it does. */
export function retirement(member: Member | undefined, remembered: number): string | undefined {
  if (member === undefined) return "another store has taken this node's place in the ring";
  if (member.state === "left") return "this node has left the ring with it";
  if (member.state === "removed") return "this node was removed from the ring";
  // The ring has heard from a later start of this store: what it acknowledged since is not in this copy.
  return member.incarnation > remembered ? "it is an old copy of this node's database" : undefined;
}
