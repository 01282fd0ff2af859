import { eventually } from "../e2e/support/eventually.ts";
import { freePort, freePorts } from "../e2e/support/free_port.ts";
import { taskArguments } from "../e2e/support/program.ts";
import { settled, type TestNode } from "../e2e/support/test_node.ts";
import type { Arena } from "./arena.ts";
import type { Api } from "./requests.ts";

/** Nodes of each side. */
export const NODES = 3;
const START_MS = 60_000;

/** What is measured: some processes that answer HTTP on loopback. */
export interface Side {
  readonly name: string;
  /** How it is spoken to, by default. */
  readonly api: Api;
  /** The one that is loaded comes first. */
  readonly ports: readonly number[];
  readonly pids: readonly number[];
  /** Query of reads that see every acknowledged write. */
  readonly readBackQuery: string;
}

/** A ring of this project's nodes. */
export class OurRing implements Side {
  readonly name = "mydht";
  readonly api = "mydht";
  readonly readBackQuery = "";
  readonly nodes: readonly TestNode[];

  private constructor(nodes: readonly TestNode[]) {
    this.nodes = nodes;
  }

  /**
   * Starts a ring with the settings a user gets, and waits until it has settled.
   *
   * @param advertise Port by which the others are to reach the node of a port; its own where absent.
   */
  static async start(arena: Arena, advertise?: (port: number) => number): Promise<OurRing> {
    const nodes: TestNode[] = [];
    for (let i = 0; i < NODES; i++) {
      const port = freePort();
      const known = advertise === undefined ? [] : ["--advertise", `localhost:${advertise(port)}`];
      const node = await arena.startNode(port, nodeCommand(arena, port, [...known, ...joining(nodes[0])]));
      if (i === 0) await node.ready();
      nodes.push(node);
    }
    await settled(nodes, ({ port }) => `localhost:${advertise?.(port) ?? port}`);
    return new OurRing(nodes);
  }

  get ports(): readonly number[] {
    return this.nodes.map(({ port }) => port);
  }

  get pids(): readonly number[] {
    return this.nodes.map(({ child }) => child.pid);
  }

  /** Starts one more node at a port, that joins. */
  async add(arena: Arena, port: number): Promise<TestNode> {
    return await arena.startNode(port, nodeCommand(arena, port, joining(this.nodes[0])));
  }

  /** Stops all nodes as SIGTERM does, and starts them again; returns how long each took to be ready, in seconds. */
  async restart(arena: Arena): Promise<number[]> {
    for (const { child } of this.nodes) child.signal("SIGTERM");
    await Promise.all(this.nodes.map(({ child }) => arena.exit(child, START_MS)));
    const beganMs = performance.now();
    for (const node of this.nodes) await arena.restartNode(node);
    return await Promise.all(this.nodes.map(async (node) => {
      await node.ready();
      return (performance.now() - beganMs) / 1000;
    }));
  }
}

function nodeCommand(arena: Arena, port: number, flags: readonly string[]): string[] {
  const own = ["--port", `${port}`, "--data", arena.path(`data-${port}`)];
  return [Deno.execPath(), ...taskArguments("node"), ...own, ...flags];
}

function joining(through: TestNode | undefined): string[] {
  return through === undefined ? [] : ["--server", through.address];
}

/** A cluster of etcd, with its defaults and the v2 API. */
export class EtcdCluster implements Side {
  readonly name = "etcd";
  readonly readBackQuery = "quorum=true";

  private constructor(
    readonly api: "etcd2" | "etcd3",
    readonly ports: readonly number[],
    readonly pids: readonly number[],
  ) {}

  /**
   * Starts one, waits until it has a leader, and puts that first: where it answers fastest.
   *
   * @param api The two know nothing of one another's keys.
   */
  static async start(arena: Arena, api: "etcd2" | "etcd3" = "etcd2"): Promise<EtcdCluster> {
    const ports = freePorts(NODES);
    const peers = freePorts(NODES);
    const children = await Promise.all(
      ports.map((port, i) => arena.start(`etcd-${port}`, etcdCommand(arena, { ports, peers, i }))),
    );
    const leader = await eventually("etcd has a leader", async () => {
      const states = await Promise.all(ports.map(async (port) => {
        const health = await (await fetch(`http://127.0.0.1:${port}/health`)).json();
        const self = await (await fetch(`http://127.0.0.1:${port}/v2/stats/self`)).json();
        return health.health === "true" ? self.state : undefined;
      }));
      return states.every((state) => state !== undefined) && states.indexOf("StateLeader") + 1;
    }, START_MS);
    const order = [leader - 1, ...ports.keys().filter((i) => i !== leader - 1)];
    return new EtcdCluster(api, order.map((i) => ports[i]!), children.map(({ pid }) => pid));
  }
}

function etcdCommand(
  arena: Arena,
  { ports, peers, i }: {
    readonly ports: readonly number[];
    readonly peers: readonly number[];
    readonly i: number;
  },
): string[] {
  const url = (port: number) => `http://127.0.0.1:${port}`;
  const [client, peer] = [url(ports[i]!), url(peers[i]!)];
  return [
    "etcd",
    `--name=e${i}`,
    `--data-dir=${arena.path(`etcd-data-${i}`)}`,
    "--enable-v2=true",
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=${peers.map((port, at) => `e${at}=${url(port)}`).join(",")}`,
    "--logger=zap",
    "--log-level=error",
  ];
}
