import type { Metric } from "../lib/node/service.ts";

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"]);

interface Count {
  readonly route: string;
  readonly method: string;
  readonly status: string;
  value: number;
}

/** Counts the requests answered, by route, method and status class. Bounded by the number of routes. */
export class HttpMetrics {
  /** By route, method and class of status. */
  readonly #counts = new Map<string, Map<string, Map<number, Count>>>();
  readonly #all: Count[] = [];

  count(route: string, method: string, status: number): void {
    const known = METHODS.has(method) ? method : "other";
    const statusClass = Math.trunc(status / 100);
    const count = this.#counts.get(route)?.get(known)?.get(statusClass) ??
      this.#add(route, known, statusClass);
    count.value++;
  }

  #add(route: string, method: string, statusClass: number): Count {
    const ofRoute = this.#counts.get(route) ?? new Map<string, Map<number, Count>>();
    const ofMethod = ofRoute.get(method) ?? new Map<number, Count>();
    const count = { route, method, status: `${statusClass}xx`, value: 0 };
    this.#counts.set(route, ofRoute.set(method, ofMethod.set(statusClass, count)));
    this.#all.push(count);
    return count;
  }

  metric(): Metric {
    return {
      name: "http_requests_total",
      kind: "counter",
      help: "Requests answered, by route, method and status class",
      values: this.#all.map(({ value, ...labels }) => ({ labels, value })),
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
