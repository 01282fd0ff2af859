/**
 * One call to one peer: bytes there, bytes back.
 *
 * A call that fails throws `DhtError` "peer_unreachable", whose message says which address failed and why;
 * the peer may or may not have acted on it. Messages may arrive late, twice, in
 * any order, or after the caller gave up. Nothing is retried here.
 */
export interface Transport {
  call(address: string, message: Uint8Array, options: CallOptions): Promise<Uint8Array>;
}

/** How long a call may take. */
export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}
