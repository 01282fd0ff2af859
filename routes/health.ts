import type { Call } from "./call.ts";
import { prometheusText } from "./http_metrics.ts";
import { HttpProblem } from "./problem.ts";
import { json, text } from "./respond.ts";

/** `GET /healthz`: the process answers. */
export function live(): Response {
  return json({ status: "ok" });
}

/** `GET /readyz`: the node is in the ring, or 503 and why not. */
export function ready({ deps }: Call): Response {
  const readiness = deps.node.readiness();
  if (readiness.ready) return json({ status: "ready" });
  throw new HttpProblem("not_ready", `Cannot serve yet: ${readiness.reason}`, {
    facts: { reason: readiness.reason },
  });
}

/** `GET /metrics`: what the node and its routes count. */
export function showMetrics({ deps, http }: Call): Response {
  const build = {
    name: "build_info",
    kind: "gauge" as const,
    help: "Version of the software that runs",
    values: [{ labels: { version: deps.version }, value: 1 }],
  };
  const metrics = [build, ...deps.node.metrics(), http.metric()];
  return text(prometheusText(metrics), "text/plain; version=0.0.4; charset=utf-8");
}
