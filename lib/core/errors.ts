/**
 * What can go wrong in a ring, as a closed set of codes that never change
 * meaning: programs branch on the code, people read the message.
 */
export const DHT_ERROR_CODES = [
  /** Fewer owners answered than a read needs. Nothing was changed. */
  "read_quorum_unreachable",
  /** Fewer owners acknowledged than a write needs: it may or may not land later. */
  "write_outcome_unknown",
  /** The node is not (yet) a member of a ring. */
  "not_in_ring",
  /** A bound on queued work was reached. */
  "overloaded",
  /** The disk is full; reads go on. */
  "disk_full",
  /** This node's database refused a read or a write. */
  "store_failed",
  /** A stored value does not match its checksum and no good copy was found. */
  "corrupt_value",
  /** The upload whose chunks a record names is not (any longer) complete here. */
  "upload_incomplete",
  /** The message names layouts other than those this node lives by. */
  "layout_mismatch",
  /** The message is of another ring. */
  "wrong_ring",
  /** The message is meant for a store that is no longer at this address. */
  "wrong_store",
  /** No node of that name is in the ring. */
  "unknown_node",
  /** A node that answers cannot be removed. */
  "node_reachable",
  /** The last node of a ring can neither leave nor be removed. */
  "last_node",
  /** Removing a node would leave writes without their quorum's past; needs force. */
  "needs_force",
  /** No task of that id is known. */
  "unknown_task",
  /** A call to a peer failed or passed its deadline. */
  "peer_unreachable",
  /** A message is malformed or of an unknown version. */
  "bad_message",
  /** The secret is missing or wrong. */
  "unauthorized",
  /** A client's body ended early or stalled. */
  "body_stalled",
  /** The node is stopping. */
  "stopping",
] as const;

/** One of them. */
export type DhtErrorCode = (typeof DHT_ERROR_CODES)[number];

/** Numbers, names and lists that explain an error; shown to people and machines alike. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/**
 * A failure of the cluster, as opposed to a caller's mistake.
 *
 * The message gives the action, then the state, without a full stop.
 */
export class DhtError extends Error {
  override readonly name = "DhtError";

  constructor(
    readonly code: DhtErrorCode,
    message: string,
    readonly facts: ErrorFacts = {},
    options: { cause?: unknown } = {},
  ) {
    super(message, options);
  }

  /** Whether the same request may succeed later without anybody's doing. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }
}

const RETRYABLE: ReadonlySet<DhtErrorCode> = new Set([
  "read_quorum_unreachable",
  "write_outcome_unknown",
  "not_in_ring",
  "overloaded",
  "upload_incomplete",
  "layout_mismatch",
  "peer_unreachable",
  "stopping",
]);

/** A state that the design rules out was reached: the node stops rather than guess. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** What an error says. */
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
