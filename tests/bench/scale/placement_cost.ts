import { Layout } from "../../../lib/core/layout.ts";
import { placePartitions } from "../../../lib/core/placement.ts";
import { median } from "../statistics.ts";

/** What placement costs, and how well it shares, with so many nodes of equal weight. */
export interface PlacementCost {
  readonly nodes: number;
  /** Time to build the table once, in milliseconds. */
  readonly buildMs: number;
  /** Memory of the table, and of a layout whose every preference list was asked for, in bytes; unknown without a collector. */
  readonly tableBytes: number | undefined;
  readonly listsBytes: number | undefined;
  /** Partitions that a node owns, on the average. */
  readonly perNode: number;
  /** The most that one owns, and the least, by that average. */
  readonly most: number;
  readonly least: number;
  /** What the most is to stay under: 1 + 4 / sqrt(perNode). */
  readonly bound: number;
  /** Copies of partitions that one node's joining moves, by what it then owns; the same of its leaving. */
  readonly joinMoved: number;
  readonly leaveMoved: number;
}

/** Copies of each partition. */
const N = 3;

/** Works it out by the real placement, of as many partitions. */
export function placementCost(nodes: number, partitions: number): PlacementCost {
  const buildsMs: number[] = [];
  const build = (count: number) => {
    const beganMs = performance.now();
    const table = placePartitions(members(count), { partitions, n: N });
    buildsMs.push(performance.now() - beganMs);
    return table;
  };
  const table = build(nodes);
  const bigger = build(nodes + 1);
  const owned = ownedBy(table, nodes);
  const perNode = partitions * Math.min(N, nodes) / nodes;
  return {
    nodes,
    buildMs: median(buildsMs),
    tableBytes: bytesOf(() => build(nodes)),
    listsBytes: bytesOf(() => askedLayout(nodes, partitions)),
    perNode,
    most: Math.max(...owned) / perNode,
    least: Math.min(...owned) / perNode,
    bound: 1 + 4 / Math.sqrt(perNode),
    // Members are sorted by nothing here: the last of the bigger table is the one that joined.
    joinMoved: gained(table, bigger) / ownedBy(bigger, nodes + 1)[nodes]!,
    leaveMoved: gained(bigger, table) / ownedBy(bigger, nodes + 1)[nodes]!,
  };
}

function members(count: number): { address: string; storeId: string; version: number; weight: number }[] {
  return Array.from({ length: count }, (_, i) => ({
    address: `node-${i}.example:50140`,
    storeId: String(i).padStart(16, "0"),
    version: 1,
    weight: 1,
  }));
}

function askedLayout(nodes: number, partitions: number): Layout {
  const layout = new Layout({ members: members(nodes), replicas: N, height: nodes }, partitions);
  for (let partition = 0; partition < partitions; partition++) layout.owners(partition);
  return layout;
}

function ownedBy(table: readonly Uint16Array[], nodes: number): number[] {
  const owned = Array.from({ length: nodes }, () => 0);
  for (const row of table) for (const node of row) owned[node]!++;
  return owned;
}

/** Copies that somebody has in `after` and had not in `before`. */
function gained(before: readonly Uint16Array[], after: readonly Uint16Array[]): number {
  return after.reduce(
    (sum, row, partition) => sum + row.filter((node) => !before[partition]!.includes(node)).length,
    0,
  );
}

/** Memory that something takes which stays; `undefined` unless Deno runs with `--v8-flags=--expose-gc`. */
function bytesOf(make: () => unknown): number | undefined {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) return undefined;
  const used = () => {
    gc();
    const { heapUsed, external } = Deno.memoryUsage();
    return heapUsed + external;
  };
  const before = used();
  const kept = [make()];
  const bytes = used() - before;
  return kept.length === 1 ? Math.max(0, bytes) : undefined;
}
