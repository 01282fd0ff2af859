import { hash128 } from "./hash.ts";

/** What placement needs to know of a node. */
export interface PlacementNode {
  /** Its name: the only thing that decides where it lies on the ring, so that a replaced disk moves nothing. */
  readonly address: string;
  /** Share of the partitions it takes, relative to the others; > 0. */
  readonly weight: number;
  /** Copies of one partition go to different zones first; absent: a zone of its own. */
  readonly zone?: string;
}

/**
 * The preference list of every partition: indices into `nodes`, best first.
 *
 * Weighted rendezvous hashing: every node draws a score for every partition
 * from the hash of both, and the `n` best own it. So a table is a pure function of the nodes, and adding
 * or removing one moves only what it gains or loses. Where zones are given, each
 * zone's best node comes before any zone's second.
 *
 * After Thaler & Ravishankar, "Using name-based mappings to increase hit rates", 1998; the weights
 * after Schindelhauer & Schomaker, "Weighted distributed hash tables", 2005.
 *
 * @param n Owners of each partition; fewer nodes than that all own everything.
 * @returns A table of `partitions` rows with `min(n, nodes.length)` entries each.
 */
export function placePartitions(
  nodes: readonly PlacementNode[],
  options: { readonly partitions: number; readonly n: number },
): Uint16Array[] {
  const seeds = nodes.map((node) => seedOf(node.address));
  const zones = nodes.map((node) => node.zone ?? `\0${node.address}`);
  const width = Math.min(options.n, nodes.length);
  const scores = new Float64Array(nodes.length);
  const table: Uint16Array[] = [];
  for (let partition = 0; partition < options.partitions; partition++) {
    for (let i = 0; i < nodes.length; i++) {
      // -ln(u) / w is exponential with rate w: the least of several falls to each in proportion to its weight.
      scores[i] = -Math.log(draw(seeds[i]!, partition)) / nodes[i]!.weight;
    }
    table.push(chooseOwners(scores, zones, width));
  }
  return table;
}

/** The `width` lowest scores, one of each zone first. */
function chooseOwners(scores: Float64Array, zones: readonly string[], width: number): Uint16Array {
  const chosen: number[] = [];
  const usedZones = new Set<string>();
  while (chosen.length < width) {
    const best = lowest(scores, (i) => !chosen.includes(i) && !usedZones.has(zones[i]!)) ??
      lowest(scores, (i) => !chosen.includes(i))!;
    chosen.push(best);
    usedZones.add(zones[best]!);
  }
  return Uint16Array.from(chosen);
}

function lowest(scores: Float64Array, allowed: (i: number) => boolean): number | undefined {
  let best: number | undefined;
  for (let i = 0; i < scores.length; i++) {
    if ((best === undefined || scores[i]! < scores[best]!) && allowed(i)) best = i;
  }
  return best;
}

/** A node's place in the hash space, as two 32-bit words. */
function seedOf(address: string): readonly [number, number] {
  const hash = hash128(address);
  const view = new DataView(hash.buffer, hash.byteOffset);
  return [view.getUint32(0), view.getUint32(4)];
}

/** A uniform number, 0 < u < 1, from a node and a partition. */
function draw(seed: readonly [number, number], partition: number): number {
  const high = mix(seed[0] ^ Math.imul(partition + 1, 0x9e3779b1));
  const low = mix(seed[1] ^ high ^ Math.imul(partition + 1, 0x85ebca77));
  return (high * 2 ** 21 + (low >>> 11) + 0.5) / 2 ** 53;
}

/** Finalizer of MurmurHash3 (Appleby): every input bit changes half of the output's. */
function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
