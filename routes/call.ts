import type { Gate } from "../lib/node/session_guard.ts";
import type { NodeService } from "../lib/node/service.ts";
import type { Clock } from "../lib/ports/clock.ts";
import type { Log } from "../lib/ports/log.ts";
import type { HttpMetrics } from "./http_metrics.ts";
import type { BodyWatch } from "./request_body.ts";
import type { Target } from "./target.ts";

/** What the routes are built on. */
export interface RouteDeps {
  readonly node: NodeService;
  /**
   * Answers what another node sends; absent: the node does, as it is. It throws `DhtError` "unauthorized" for what
   * was not made with the ring's secret.
   */
  readonly peerGate?: Gate;
  /** Required, as a bearer token, of requests that change the ring; absent: of none. */
  readonly secret?: string | undefined;
  /** The name other nodes reach this one by, `host:port`. */
  readonly selfAddress: string;
  /** Whether only this machine can connect: requests for unknown hosts are then refused. */
  readonly loopbackOnly: boolean;
  readonly log: Log;
  readonly clock: Clock;
  /** Version of the software. */
  readonly version: string;
}

/** One request on its way through the routes. */
export interface Call {
  readonly request: Request;
  readonly target: Target;
  /** What the path has behind the route's prefix, still percent-encoded; empty for a route without one. */
  readonly rest: string;
  readonly deps: RouteDeps;
  readonly bodies: BodyWatch;
  readonly http: HttpMetrics;
}

/** Answers one request; what it throws becomes a problem document. */
export type Answer = (call: Call) => Promise<Response> | Response;
