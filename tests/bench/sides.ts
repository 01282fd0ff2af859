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

  /** Starts a ring with the settings a user gets, and waits until it has settled. */
  static async start(arena: Arena, flags: (port: number) => readonly string[] = () => []): Promise<OurRing> {
    const first = await arena.startNode(...nodeCommand(arena, freePort(), flags));
    await first.ready();
    const others: TestNode[] = [];
    for (let i = 1; i < NODES; i++) {
      others.push(await arena.startNode(...nodeCommand(arena, freePort(), flags, first.port)));
    }
    const ring = new OurRing([first, ...others]);
    if (flags(0).length === 0) await settled(ring.nodes);
    else await Promise.all(ring.nodes.map((node) => node.ready()));
    return ring;
  }

  get ports(): readonly number[] {
    return this.nodes.map(({ port }) => port);
  }

  get pids(): readonly number[] {
    return this.nodes.map(({ child }) => child.pid);
  }

  /** A fourth node, that joins. */
  async add(arena: Arena): Promise<TestNode> {
    return await arena.startNode(...nodeCommand(arena, freePort(), () => [], this.ports[0]!));
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

function nodeCommand(
  arena: Arena,
  port: number,
  flags: (port: number) => readonly string[],
  server?: number,
): [number, string[]] {
  const own = ["--port", `${port}`, "--data", arena.path(`data-${port}`), ...flags(port)];
  const join = server === undefined ? [] : ["--server", `localhost:${server}`];
  return [port, [Deno.execPath(), ...taskArguments("node"), ...own, ...join]];
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
