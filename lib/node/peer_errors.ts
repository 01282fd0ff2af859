import { DhtError, sentence } from "../core/errors.ts";

/** Any failure as a `DhtError`; what is none came from this program and is not hidden. */
export function asDhtError(error: unknown): DhtError {
  if (error instanceof DhtError) return error;
  const reason = sentence(error);
  return new DhtError("peer_unreachable", `Cannot ask a peer: ${reason}`, {}, { cause: error });
}

/** What is asked of a peer that is down fails with. */
export function downError(address: string): DhtError {
  return new DhtError("peer_unreachable", `Cannot reach ${address}: it did not answer the last calls`, {
    node: address,
  });
}
