/**
 * The HTTP API of a node: one request in, one response out, no business rules.
 *
 * What each route answers is in `lib/api.ts`; every error is a problem document of `problem.ts`.
 */
import { STATUS_CODE } from "@std/http/status";
import { PEER_PATH } from "../lib/api.ts";
import { InvariantError } from "../lib/core/errors.ts";
import type { Answer, RouteDeps } from "./call.ts";
import { checkHost, checkOrigin, type SecretCheck, secretCheck } from "./guard.ts";
import { live, ready, showMetrics } from "./health.ts";
import { HttpMetrics } from "./http_metrics.ts";
import { deleteValue, getValue, hasKey, putValue, whereIs } from "./keys.ts";
import { listKeys } from "./listing.ts";
import { joinRing, removeNode, showRing } from "./members.ts";
import { showPlan } from "./plan.ts";
import { HttpProblem, isExpected, problemResponse } from "./problem.ts";
import { RefusalLog } from "./refusal_log.ts";
import { receiveMessage } from "./replica.ts";
import { BodyWatch } from "./request_body.ts";
import { withoutBody } from "./respond.ts";
import { showStatus } from "./status.ts";
import { splitTarget } from "./target.ts";
import { cancelTask, showTask, startBalance, startLeave, startPurge } from "./tasks.ts";

export type { RouteDeps } from "./call.ts";

type Method = "GET" | "PUT" | "POST" | "DELETE";

/** One line of the table. GET answers HEAD too, and every route answers OPTIONS. */
interface Route extends Readonly<Partial<Record<Method, Answer>>> {
  /** A path, or the beginning of one with a name in braces for the rest, which may hold slashes. */
  readonly path: string;
  /** Methods that need the ring's secret: they change the ring. */
  readonly secret?: readonly Method[];
}

const ANY_KEY: Route = { path: "/{key}", GET: getValue };

const ROUTES: readonly Route[] = [
  { path: "/", GET: showStatus },
  { path: "/keys", GET: listKeys },
  { path: "/keys/{key}", GET: getValue, PUT: putValue, DELETE: deleteValue },
  { path: "/haskey/{key}", GET: hasKey },
  { path: "/whereis/{key}", GET: whereIs },
  { path: "/nodes", GET: showRing, POST: joinRing, secret: ["POST"] },
  { path: "/nodes/{address}", DELETE: removeNode, secret: ["DELETE"] },
  { path: "/balance", POST: startBalance, secret: ["POST"] },
  { path: "/purge", POST: startPurge, secret: ["POST"] },
  { path: "/leave", POST: startLeave, secret: ["POST"] },
  { path: "/plan", GET: showPlan },
  { path: "/tasks/{id}", GET: showTask, DELETE: cancelTask, secret: ["DELETE"] },
  { path: "/healthz", GET: live },
  { path: "/readyz", GET: ready },
  { path: "/metrics", GET: showMetrics },
  // Its messages prove by themselves that they are of the ring: the secret does not travel with them.
  { path: PEER_PATH, POST: receiveMessage },
  ANY_KEY,
];

const EXACT: ReadonlyMap<string, Route> = new Map(
  ROUTES.filter(({ path }) => !path.includes("{")).map((route) => [route.path, route]),
);
/** Routes with a rest, and what stands before it, slash included. */
const PREFIXED: readonly (readonly [prefix: string, route: Route])[] = ROUTES
  .filter((route) => route.path.includes("{") && route !== ANY_KEY)
  .map((route) => [prefixOf(route), route] as const);

/** Who sent a request, as far as the server knows; asked for only where it is logged. */
export interface Sender {
  readonly address?: string | undefined;
}

/** What all requests share. */
interface Shared {
  readonly deps: RouteDeps;
  readonly bodies: BodyWatch;
  readonly http: HttpMetrics;
  readonly checkSecret: SecretCheck;
  readonly refusals: RefusalLog;
}

/** One request, and the route it has found. */
interface Seen {
  readonly request: Request;
  readonly sender: Sender;
  route: string;
}

/**
 * Makes the function that answers every request to a node. It neither throws nor rejects, and answers at once what
 * waits for nothing.
 */
export function createHandler(
  deps: RouteDeps,
): (request: Request, sender: Sender) => Response | Promise<Response> {
  const shared: Shared = {
    deps,
    bodies: new BodyWatch(deps.clock),
    http: new HttpMetrics(),
    checkSecret: secretCheck(deps.secret),
    refusals: new RefusalLog(deps),
  };
  return (request, sender) => {
    const seen = { request, sender, route: "none" };
    try {
      const answered = answer(seen, shared);
      return answered instanceof Promise ? settled(answered, seen, shared) : finished(answered, seen, shared);
    } catch (error) {
      return finished(failed(error, seen, shared), seen, shared);
    }
  };
}

async function settled(answered: Promise<Response>, seen: Seen, shared: Shared): Promise<Response> {
  try {
    return finished(await answered, seen, shared);
  } catch (error) {
    return finished(failed(error, seen, shared), seen, shared);
  }
}

function finished(response: Response, { request, route }: Seen, { http }: Shared): Response {
  http.count(route, request.method, response.status);
  return request.method === "HEAD" ? withoutBody(response) : response;
}

function answer(seen: Seen, shared: Shared): Response | Promise<Response> {
  const { request } = seen;
  const { deps, bodies, http } = shared;
  const target = splitTarget(request.url);
  checkHost(request, target, deps);
  const { route, rest } = findRoute(target.path);
  seen.route = route.path;
  if (request.method === "OPTIONS") return optionsResponse(route);
  const method = (request.method === "HEAD" ? "GET" : request.method) as Method;
  if (method !== "GET") checkOrigin(request, target);
  const answerMethod = METHODS.includes(method) ? route[method] : undefined;
  if (answerMethod === undefined) throw methodNotAllowed(route, request.method);
  if (route.secret?.includes(method)) shared.checkSecret(request);
  return answerMethod({ request, target, rest, deps, bodies, http });
}

const METHODS: readonly Method[] = ["GET", "PUT", "POST", "DELETE"];

function findRoute(path: string): { readonly route: Route; readonly rest: string } {
  // No exact path begins as one of these does. They come first, as looking the path up costs its hash.
  for (const [prefix, route] of PREFIXED) {
    if (path.startsWith(prefix)) return { route, rest: path.slice(prefix.length) };
  }
  const exact = EXACT.get(path);
  return exact === undefined ? { route: ANY_KEY, rest: path.slice(1) } : { route: exact, rest: "" };
}

function prefixOf(route: Route): string {
  return route.path.slice(0, route.path.indexOf("{"));
}

function optionsResponse(route: Route): Response {
  return new Response(null, {
    status: STATUS_CODE.NoContent,
    headers: { "allow": allowed(route), "cache-control": "no-store", "x-content-type-options": "nosniff" },
  });
}

function allowed(route: Route): string {
  const names = METHODS.filter((method) => route[method] !== undefined);
  return names.flatMap((name) => name === "GET" ? ["GET", "HEAD"] : [name]).concat("OPTIONS").join(", ");
}

function methodNotAllowed(route: Route, method: string): HttpProblem {
  const hint = route === ANY_KEY ? "; keys are changed under /keys/{key}" : "";
  return new HttpProblem("method_not_allowed", `Cannot ${method} ${route.path}${hint}`, {
    headers: { allow: allowed(route) },
  });
}

function failed(error: unknown, seen: Seen, { deps, refusals }: Shared): Response {
  const { request, sender, route } = seen;
  if (isExpected(error)) {
    if (error.code === "unauthorized") {
      refusals.note({ method: request.method, route, remoteAddress: sender.address });
    }
    return problemResponse(error);
  }
  if (request.signal.aborted) {
    return problemResponse(new HttpProblem("client_gone", "Cannot answer: the client closed the connection"));
  }
  logDefect(error, seen, deps);
  return problemResponse(error);
}

function logDefect(error: unknown, { request, sender, route }: Seen, deps: RouteDeps): void {
  const event = error instanceof InvariantError ? "invariant_broken" : "request_failed";
  deps.log.event("error", event, "Answered 500, which is a defect of this program", {
    method: request.method,
    route,
    remoteAddress: sender.address,
    error: error instanceof Error ? error.stack ?? error.message : String(error),
  });
}
