import { DEFAULT_PORT, isBlockedPort, parsePort } from "../address.ts";
import { parseArguments, type ParsedArguments } from "./arguments.ts";
import { CLUSTER_FLAGS, NODE_FLAGS } from "./node_flags.ts";

/** One node of a cluster on this machine. */
export interface PlannedNode {
  readonly port: number;
  /** `localhost:port`. */
  readonly address: string;
  /** Arguments behind `mydht node`. */
  readonly args: readonly string[];
}

/** A cluster that is to be started. */
export interface ClusterPlan {
  /** The first founds the ring, the others join it. */
  readonly nodes: readonly PlannedNode[];
  /** Directory that the databases are in. */
  readonly data: string;
}

/** What the flags of `mydht cluster` ask for. */
export type ParsedCluster =
  | { readonly kind: "run"; readonly plan: ClusterPlan }
  | Exclude<ParsedArguments, { readonly kind: "parsed" }>;

const DEFAULT_NODES = 3;
const MOST_NODES = 32;

/** Reads the flags of `mydht cluster`. */
export function parseCluster(args: readonly string[]): ParsedCluster {
  const parsed = parseArguments(args, CLUSTER_FLAGS, NODE_FLAGS);
  if (parsed.kind !== "parsed") return parsed;
  const [extra] = parsed.positionals;
  if (extra !== undefined) return { kind: "usage", message: `cluster takes flags only, not "${extra}"` };
  try {
    return { kind: "run", plan: planCluster(parsed.values) };
  } catch (error) {
    if (error instanceof SyntaxError) return { kind: "usage", message: error.message };
    throw error;
  }
}

function planCluster(values: ReadonlyMap<string, string>): ClusterPlan {
  const data = values.get("data") ?? "mydht-data";
  if (data === "") throw new SyntaxError("--data: the name of the directory is empty");
  const port = values.get("port");
  const first = port === undefined ? DEFAULT_PORT : parsePort(port);
  const ports = Array.from({ length: parseNodes(values.get("nodes")) }, (_, i) => first + i);
  const bad = ports.find((each) => each > 65_535 || isBlockedPort(each));
  if (bad !== undefined) {
    throw new SyntaxError(
      `--port: the nodes would take ports ${first} to ${ports.at(-1)}, and ${bad} is no port for one`,
    );
  }
  const founder = `localhost:${first}`;
  return { data, nodes: ports.map((each) => planNode(each, data, each === first ? undefined : founder)) };
}

/** Every flag is given, so that no environment variable makes all nodes the same. */
function planNode(port: number, data: string, join: string | undefined): PlannedNode {
  const address = `localhost:${port}`;
  const own = [
    "--host",
    "localhost",
    "--port",
    String(port),
    "--advertise",
    address,
    "--data",
    `${data}/${port}`,
  ];
  return { port, address, args: join === undefined ? own : [...own, "--server", join] };
}

function parseNodes(text: string | undefined): number {
  if (text === undefined) return DEFAULT_NODES;
  const nodes = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (nodes < 1 || nodes > MOST_NODES) {
    throw new SyntaxError(`--nodes: "${text}" is not a number of nodes: 1 to ${MOST_NODES}`);
  }
  return nodes;
}
