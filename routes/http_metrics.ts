import type { Metric } from "../lib/node/service.ts";

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"]);

/** Counts the requests answered, by route, method and status class. Bounded by the number of routes. */
export class HttpMetrics {
  readonly #counts = new Map<string, { route: string; method: string; status: string; value: number }>();

  count(route: string, method: string, status: number): void {
    const known = METHODS.has(method) ? method : "other";
    const statusClass = Math.trunc(status / 100);
    const id = `${route} ${known} ${statusClass}`;
    const count = this.#counts.get(id);
    if (count !== undefined) count.value++;
    else this.#counts.set(id, { route, method: known, status: `${statusClass}xx`, value: 1 });
  }

  metric(): Metric {
    return {
      name: "http_requests_total",
      kind: "counter",
      help: "Requests answered, by route, method and status class",
      values: [...this.#counts.values()].map(({ value, ...labels }) => ({ labels, value })),
    };
  }
}

/** Metrics in the text format of Prometheus, version 0.0.4. */
export function prometheusText(metrics: readonly Metric[]): string {
  return metrics.map(metricText).join("");
}

function metricText({ name, kind, help, values }: Metric): string {
  const full = `mydht_${name}`;
  const lines = values.map(({ labels, value }) => `${full}${labelText(labels)} ${numberText(value)}\n`);
  return `# HELP ${full} ${escapeHelp(help)}\n# TYPE ${full} ${kind}\n${lines.join("")}`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : `${value}`;
}

function escapeHelp(help: string): string {
  return help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(value: string): string {
  return escapeHelp(value).replaceAll('"', '\\"');
}
