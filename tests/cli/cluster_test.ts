import { assertEquals } from "@std/assert";
import { type ClusterHost, type NodeProcess, runCluster } from "../../lib/cli/cluster.ts";
import { linesOf, merged, nodeCommand } from "../../lib/cli/cluster_host.ts";
import { parseCluster } from "../../lib/cli/cluster_plan.ts";
import { NODE_PERMISSIONS } from "../../lib/cli/node_flags.ts";
import { FakeClock } from "../client/fakes.ts";

// What is to be started

function planOf(...args: string[]) {
  const parsed = parseCluster(args);
  if (parsed.kind !== "run") throw new Error(`no plan: ${JSON.stringify(parsed)}`);
  return parsed.plan;
}

Deno.test("parseCluster() given nothing, then the first of three nodes founds and the others join it", () => {
  assertEquals(planOf().nodes.map(({ args }) => args.join(" ")), [
    "--host localhost --port 50140 --advertise localhost:50140 --data mydht-data/50140",
    "--host localhost --port 50141 --advertise localhost:50141 --data mydht-data/50141 --server localhost:50140",
    "--host localhost --port 50142 --advertise localhost:50142 --data mydht-data/50142 --server localhost:50140",
  ]);
});

Deno.test("parseCluster() given flags, then follows them", () => {
  const { nodes, data } = planOf("--nodes", "2", "-p", "60000", "-d", "/tmp/x y");
  assertEquals(data, "/tmp/x y");
  assertEquals(nodes.map(({ address, args }) => [address, args[7]]), [
    ["localhost:60000", "/tmp/x y/60000"],
    ["localhost:60001", "/tmp/x y/60001"],
  ]);
});

Deno.test("parseCluster() given what makes no sense, then says so", () => {
  const rows: [string[], string][] = [
    [["--nodes", "0"], '--nodes: "0" is not a number of nodes: 1 to 32'],
    [["--nodes", "33"], '--nodes: "33" is not a number of nodes: 1 to 32'],
    [["--nodes", "three"], '--nodes: "three" is not a number of nodes: 1 to 32'],
    [["--port", "65534"], "--port: the nodes would take ports 65534 to 65536, and 65536 is no port for one"],
    [["--port", "5999"], "--port: the nodes would take ports 5999 to 6001, and 6000 is no port for one"],
    [["--data", ""], "--data: the name of the directory is empty"],
    [["5"], 'cluster takes flags only, not "5"'],
    [["--node", "5"], 'unknown flag --node; did you mean "--nodes"?'],
    [["--replicas", "5"], "--replicas means nothing to this command"],
  ];
  for (const [args, message] of rows) assertEquals(parseCluster(args), { kind: "usage", message });
  assertEquals(parseCluster(["-h"]).kind, "help");
});

Deno.test("nodeCommand() given a compiled program, then it runs itself; from source, Deno with the node's permissions", () => {
  const mainModule = "file:///app/cli.ts";
  assertEquals(nodeCommand(["--port", "1"], { isStandalone: true, mainModule }), ["node", "--port", "1"]);
  const source = nodeCommand(["--port", "1"], { isStandalone: false, mainModule });
  assertEquals(source.slice(-4), [mainModule, "node", "--port", "1"]);
  assertEquals(NODE_PERMISSIONS.filter((permission) => !source.includes(permission)), []);
});

// Lines

function bytesOf(...texts: string[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(texts.map((text) => new TextEncoder().encode(text)));
}

Deno.test("linesOf() given text in pieces, then gives its lines whole", async () => {
  assertEquals(await Array.fromAsync(linesOf(bytesOf("a\nb", "c\r\n\nd"))), ["a", "bc", "", "d"]);
  assertEquals(await Array.fromAsync(linesOf(bytesOf())), []);
  const long = await Array.fromAsync(linesOf(bytesOf("x".repeat(70_000), "y\nz")));
  assertEquals(long.map((line) => line.length), [70_000, 1, 1]);
});

Deno.test("merged() given two sources, then gives all of both", async () => {
  const all = await Array.fromAsync(merged(linesOf(bytesOf("a\nb\n")), linesOf(bytesOf("c\n"))));
  assertEquals(all.toSorted(), ["a", "b", "c"]);
});

// Running

/** A machine on which nodes are only played. */
class FakeHost implements ClusterHost {
  readonly clock = new FakeClock();
  readonly printed: string[] = [];
  readonly started: string[] = [];
  readonly killed: string[] = [];
  readonly #ends = new Map<string, (how: string) => void>();
  /** Addresses of the nodes that answer with 200. */
  readonly ready = new Set<string>();
  /** Addresses of the nodes that do not heed SIGTERM. */
  readonly stubborn = new Set<string>();
  /** What happens when a node is started. */
  onStart: (address: string) => void = (address) => this.ready.add(address);
  stop: () => void = () => {};

  spawn(args: readonly string[]): NodeProcess {
    const address = `localhost:${args[3]}`;
    this.started.push(address);
    const { promise: ended, resolve } = Promise.withResolvers<string>();
    this.#ends.set(address, resolve);
    this.onStart(address);
    return {
      lines: linesUntil(ended, `starting ${address}`),
      ended,
      kill: (signal) => {
        this.killed.push(`${signal} ${address}`);
        if (signal === "SIGKILL" || !this.stubborn.has(address)) this.end(address, `signal ${signal}`);
      },
    };
  }

  end(address: string, how: string): void {
    this.ready.delete(address);
    this.#ends.get(address)?.(how);
  }

  fetch = (url: string): Promise<Response> => {
    const status = this.ready.has(new URL(url).host) ? 200 : 503;
    return Promise.resolve(new Response(null, { status }));
  };

  print(line: string): Promise<void> {
    this.printed.push(line);
    return Promise.resolve();
  }

  printOf(index: number, port: number, line: string): Promise<void> {
    return this.print(`${index} ${port} ${line}`);
  }

  onStop(stop: () => void): Disposable {
    this.stop = stop;
    return { [Symbol.dispose]: () => void (this.stop = () => {}) };
  }
}

async function* linesUntil(ended: Promise<unknown>, line: string): AsyncGenerator<string, void, void> {
  yield line;
  await ended;
}

const PLAN = planOf();

/** Calls back as soon as a line is printed that contains the text. */
function whenPrinted(host: FakeHost, text: string, act: () => void): void {
  const print = host.print.bind(host);
  host.print = async (line) => {
    await print(line);
    if (line.includes(text)) act();
  };
}

Deno.test("cluster given nodes that get ready, then prints their addresses, and stops them by SIGTERM", async () => {
  const host = new FakeHost();
  whenPrinted(host, "Ctrl-C stops", () => host.stop());
  assertEquals(await host.clock.settle(runCluster(PLAN, host)), 0);
  assertEquals(host.printed, [
    "0 50140 starting localhost:50140",
    "1 50141 starting localhost:50141",
    "2 50142 starting localhost:50142",
    "a ring of 3 nodes is ready; its page, on each of them:",
    "  http://localhost:50140/",
    "  http://localhost:50141/",
    "  http://localhost:50142/",
    "Ctrl-C stops them; their data stays in mydht-data",
    "stopping 3 nodes",
  ]);
  assertEquals(host.killed, [
    "SIGTERM localhost:50140",
    "SIGTERM localhost:50141",
    "SIGTERM localhost:50142",
  ]);
  assertEquals(host.clock.pending, 0);
});

Deno.test("cluster given a first node that is slow, then the others are started once it answers", async () => {
  const host = new FakeHost();
  host.onStart = (address) => {
    if (address !== "localhost:50140") return void host.ready.add(address);
    host.clock.sleep(3000).then(() => {
      assertEquals(host.started, ["localhost:50140"]);
      host.ready.add(address);
    });
  };
  whenPrinted(host, "Ctrl-C stops", () => host.stop());
  await host.clock.settle(runCluster(PLAN, host));
  assertEquals(host.started.length, 3);
});

Deno.test("cluster given a first node that ends at once, then starts no other and ends with 1", async () => {
  const host = new FakeHost();
  host.onStart = (address) => void Promise.resolve().then(() => host.end(address, "exit code 1"));
  assertEquals(await host.clock.settle(runCluster(PLAN, host)), 1);
  assertEquals(host.printed, [
    "0 50140 starting localhost:50140",
    "localhost:50140 ended by itself (exit code 1)",
    "no node is left: the cluster ends",
  ]);
  assertEquals([host.started, host.clock.pending], [["localhost:50140"], 0]);
});

Deno.test("cluster given a node that ends by itself, then says so, and the others go on", async () => {
  const host = new FakeHost();
  whenPrinted(host, "Ctrl-C stops", () => host.end("localhost:50141", "signal SIGKILL"));
  whenPrinted(host, "ended by itself", () => host.stop());
  assertEquals(await host.clock.settle(runCluster(PLAN, host)), 0);
  assertEquals(host.printed.slice(-2), [
    "localhost:50141 ended by itself (signal SIGKILL); it is not started again, the others go on",
    "stopping 2 nodes",
  ]);
  assertEquals(host.killed, ["SIGTERM localhost:50140", "SIGTERM localhost:50142"]);
});

Deno.test("cluster given a node that never gets ready, then says so after a minute and keeps it", async () => {
  const host = new FakeHost();
  host.onStart = (address) => void (address !== "localhost:50142" && host.ready.add(address));
  whenPrinted(host, "Ctrl-C stops", () => host.stop());
  await host.clock.settle(runCluster(PLAN, host));
  assertEquals(host.printed.slice(3, 7), [
    "a ring of 2 nodes is ready; its page, on each of them:",
    "  http://localhost:50140/",
    "  http://localhost:50141/",
    "localhost:50142 is not ready after 60 s; its lines above say why",
  ]);
  assertEquals(host.clock.monotonicMs() >= 60_000, true);
});

Deno.test("cluster given a node that does not stop, then kills it after 20 s", async () => {
  const host = new FakeHost();
  host.stubborn.add("localhost:50141");
  whenPrinted(host, "Ctrl-C stops", () => host.stop());
  assertEquals(await host.clock.settle(runCluster(PLAN, host)), 0);
  assertEquals(host.killed.at(-1), "SIGKILL localhost:50141");
  assertEquals(host.printed.at(-1), "localhost:50141 did not stop within 20 s and is killed");
});

Deno.test("cluster given Ctrl-C twice at once, then stops; given a second one later, then kills", async () => {
  for (const [laterMs, kills] of [[500, false], [1000, true]] as const) {
    const host = new FakeHost();
    host.stubborn.add("localhost:50141");
    whenPrinted(host, "stopping", () => void host.clock.sleep(laterMs).then(() => host.stop()));
    whenPrinted(host, "Ctrl-C stops", () => host.stop());
    await host.clock.settle(runCluster(PLAN, host));
    assertEquals(host.printed.some((line) => line.includes("did not stop within")), !kills);
  }
});

Deno.test("cluster given Ctrl-C before it is ready, then stops what was started", async () => {
  const host = new FakeHost();
  host.onStart = () => void host.clock.sleep(1000).then(() => host.stop());
  assertEquals(await host.clock.settle(runCluster(PLAN, host)), 0);
  assertEquals([host.started, host.killed], [["localhost:50140"], ["SIGTERM localhost:50140"]]);
});
