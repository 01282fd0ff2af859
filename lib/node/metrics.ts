import type { BackgroundView } from "./background.ts";
import type { ClockSkew } from "./clock_skew.ts";
import type { Coordinator } from "./coordinator.ts";
import type { HintedHandoff } from "./hinted_handoff.ts";
import type { Peers } from "./peers.ts";
import type { Metric, RingView } from "./service.ts";
import type { Storage } from "./storage.ts";

/** Where the figures come from. */
export interface MetricSources {
  /** Undefined while the node is in no ring. */
  readonly ring: RingView | undefined;
  readonly storage: ReturnType<Storage["stats"]>;
  readonly sent: Peers["sent"];
  readonly hints: HintedHandoff["counts"];
  readonly retries: Coordinator["retries"];
  readonly background: readonly BackgroundView[];
  readonly oldestVerifiedMs: number;
  readonly clockOffsets: ReturnType<ClockSkew["offsets"]>;
}

/** A node's figures under their Prometheus names. */
export function nodeMetrics(
  { ring, storage, sent, hints, retries, background, clockOffsets, oldestVerifiedMs }: MetricSources,
): Metric[] {
  const nodes = ring?.nodes ?? [];
  return [
    gauge("ring_nodes", "Nodes of the ring, as this one sees it", nodes.length),
    gauge(
      "ring_nodes_down",
      "Of those, nodes that do not answer",
      nodes.filter((node) => !node.reachable).length,
    ),
    gauge(
      "ring_changing",
      "Whether a change of layout is being carried out",
      Number(ring?.changing ?? false),
    ),
    counter("peer_messages_total", "Messages sent to other nodes", sent.messages),
    counter("peer_operations_total", "Operations in those messages", sent.operations),
    counter("peer_bytes_total", "Bytes of those messages and of their answers", sent.bytes),
    counter("requests_restamped_total", "Writes stamped again above a newer version", retries.restamped),
    counter(
      "requests_ahead_total",
      "Writes stamped again because they were too far ahead of the owners' clocks",
      retries.ahead,
    ),
    counter("requests_layout_retries_total", "Requests made again under newer layouts", retries.layout),
    gauge("hints_kept", "Records kept in mind for owners that missed them", hints.kept),
    counter("hints_delivered_total", "Records delivered to owners that had missed them", hints.delivered),
    counter("hints_dropped_total", "Hints given up; comparing owners finds the same", hints.dropped),
    counter("read_repairs_total", "Copies repaired by a read", retries.repaired),
    gauge("storage_journal_bytes", "Bytes of the journal not yet applied", storage.journalBytes),
    gauge("storage_table_records", "Records in memory that are not yet applied", storage.tableRecords),
    gauge("storage_table_bytes", "Bytes of those records", storage.tableBytes),
    gauge(
      "storage_cache_bytes",
      "Bytes of records, and of what is held of keys, kept in memory",
      storage.cacheBytes,
    ),
    gauge("storage_queued_changes", "Changes that wait for the disk", storage.queued),
    gauge("storage_open_uploads", "Large values being written to this node", storage.openUploads),
    gauge("storage_garbage_blobs", "Large values whose bytes are to be freed", storage.garbageBlobs),
    gauge("storage_damaged_records", "Records found damaged and not mended yet", storage.damagedRecords),
    counter("storage_damage_found_total", "Records found damaged since the start", storage.foundDamaged),
    counter("storage_commits_total", "Commits, each one fsync", storage.commits),
    counter("storage_failed_commits_total", "Commits that failed", storage.failedCommits),
    counter(
      "storage_applied_records_total",
      "Records moved from the journal to their keys",
      storage.appliedRecords,
    ),
    counter("storage_failed_applies_total", "Attempts at that which failed", storage.failedApplies),
    gauge(
      "anti_entropy_oldest_verified_seconds",
      "Age of the oldest comparison of a partition with all its other owners",
      oldestVerifiedMs / 1_000,
    ),
    {
      name: "clock_skew_seconds",
      kind: "gauge",
      help: "How far the clock of another node is ahead of this one's",
      values: [...clockOffsets].map(([node, { offsetMs }]) => ({ labels: { node }, value: offsetMs / 1000 })),
    },
    ...backgroundMetrics(background),
  ];
}

/** How far each background task of a node is, by its name. */
export function backgroundMetrics(background: readonly BackgroundView[]): Metric[] {
  const each = (value: (view: BackgroundView) => number | undefined) =>
    background.flatMap((view) => {
      const found = value(view);
      return found === undefined ? [] : [{ labels: { task: view.name }, value: found }];
    });
  const metric = (
    name: string,
    kind: Metric["kind"],
    help: string,
    value: (view: BackgroundView) => number | undefined,
  ): Metric => ({ name, kind, help, values: each(value) });
  return [
    metric("background_running", "gauge", "Whether a background task is at work", (v) => Number(v.running)),
    metric("background_done", "gauge", "Steps of its present or last round that are done", (v) => v.done),
    metric("background_left", "gauge", "Steps of its present round that are left", (v) => v.left),
    metric("background_bytes_total", "counter", "Bytes it moved or read", (v) => v.bytes),
    metric(
      "background_bytes_per_second",
      "gauge",
      "Of those, a second over its present or last round",
      (v) => v.bytesPerSecond,
    ),
    metric("background_failures_total", "counter", "Its failures", (v) => v.failed),
    metric(
      "background_failing",
      "gauge",
      "Whether it has failed, and no round of it has ended well since",
      (v) => Number(v.error !== undefined),
    ),
    metric(
      "background_completed_seconds",
      "gauge",
      "When a round of it last ended well, in seconds since 1970",
      (v) => v.completedMs === undefined ? undefined : v.completedMs / 1000,
    ),
  ];
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, kind: "gauge", help, values: [{ labels: {}, value }] };
}

function counter(name: string, help: string, value: number): Metric {
  return { name, kind: "counter", help, values: [{ labels: {}, value }] };
}
