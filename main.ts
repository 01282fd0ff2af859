/**
 * A MyDHT node: reads its configuration, builds the adapters, wires them to the
 * node and serves it until a signal stops it.
 *
 * `cli.ts` starts it as `mydht node`. Under `deno serve`, and on a serverless
 * host, the default export answers requests and the environment configures it.
 */
import { CryptoRandom } from "./lib/adapters/crypto_random.ts";
import { isRemoteDatabase, openDatabase } from "./lib/adapters/database.ts";
import { DenoKvStore } from "./lib/adapters/deno_kv_store.ts";
import { Drain } from "./lib/adapters/drain.ts";
import { HttpTransport } from "./lib/adapters/http_transport.ts";
import { createLog, lineWriter, wantsColor } from "./lib/adapters/json_log.ts";
import { SystemClock } from "./lib/adapters/system_clock.ts";
import { isLoopbackHost } from "./lib/address.ts";
import { NODE_ENV } from "./lib/cli/node_flags.ts";
import { type Environment, type NodeConfig, parseNodeConfig } from "./lib/config.ts";
import { DhtError } from "./lib/core/errors.ts";
import { nextIncarnation } from "./lib/node/identity.ts";
import { RetiredStoreError } from "./lib/node/membership.ts";
import { DhtNode } from "./lib/node/node.ts";
import { RingKeeper } from "./lib/node/ring_keeper.ts";
import { Storage } from "./lib/node/storage.ts";
import type { Log } from "./lib/ports/log.ts";
import { DatabaseError, type Store } from "./lib/ports/store.ts";
import { VERSION } from "./lib/version.ts";
import { createHandler } from "./routes/mod.ts";

/** How long requests that are under way may take when the node stops: containers are killed after ten seconds. */
const SHUTDOWN_TIMEOUT_MS = 8_000;
/** A second Ctrl-C counts from here on: task runners deliver one twice. */
const SECOND_INTERRUPT_MS = 1_000;

type Handler = (request: Request, info: { readonly remoteAddress?: string }) => Promise<Response>;

/** A node with what was built for it. */
interface Running {
  readonly node: DhtNode;
  readonly handler: Handler;
  stop(): Promise<void>;
}

/** What a running node asks of the process around it. */
interface ProcessHooks {
  onLeft(): void;
  /** The node cannot go on; the sentence says why. */
  onFatal(reason: string): void;
}

const clock = new SystemClock();
const random = new CryptoRandom();
let current: Running | undefined;

const cronEnd = new AbortController();
// At top level, so that a serverless host finds it when it deploys this module.
Deno.cron("mydht compare owners", "*/10 * * * *", { signal: cronEnd.signal }, async () => {
  await current?.node.compareAll();
});

/**
 * Runs a node until it is stopped.
 *
 * @param args Flags, as after `mydht node`.
 * @returns The exit code: 0 after a stop, 1 if the node could not start or go on, 2 for a usage error.
 */
export async function runNode(args: string[]): Promise<number> {
  try {
    const parsed = parseNodeConfig(args, environment(), Deno.readTextFileSync);
    switch (parsed.kind) {
      case "help":
        console.log(parsed.text);
        return 0;
      case "version":
        console.log(VERSION);
        return 0;
      case "usage":
        console.error(`mydht node: ${parsed.message}\nTry "mydht node --help".`);
        return 2;
      case "run":
        return await serve(parsed.config);
    }
  } catch (error) {
    if (!isPlain(error)) throw error;
    console.error(`mydht node: ${error.message}`);
    return 1;
  } finally {
    cronEnd.abort();
  }
}

/** The node of this isolate, for `deno serve` and serverless hosts; started by the first request. */
export default {
  async fetch(request, info): Promise<Response> {
    const running = await isolateNode();
    const { remoteAddr } = info ?? {};
    const remoteAddress = remoteAddr !== undefined && "hostname" in remoteAddr
      ? remoteAddr.hostname
      : undefined;
    return await running.handler(request, remoteAddress === undefined ? {} : { remoteAddress });
  },
} satisfies Deno.ServeDefaultExport;

let isolate: Promise<Running> | undefined;

/** Where isolates share a database, the last one to open it owns it: an isolate that lost it opens it again. */
async function isolateNode(): Promise<Running> {
  const running = await (isolate ??= startIsolate());
  if (await running.node.confirmClaim().catch(() => false)) return running;
  if (current === running) {
    current = undefined;
    isolate = undefined;
    await running.stop().catch(() => {});
  }
  return await (isolate ??= startIsolate());
}

async function startIsolate(): Promise<Running> {
  const parsed = parseNodeConfig([], environment(), Deno.readTextFileSync);
  if (parsed.kind !== "run") throw new Error(parsed.kind === "usage" ? parsed.message : "No configuration");
  const log = logFor(parsed.config);
  const hooks: ProcessHooks = {
    onLeft: () => log.event("info", "stopped", "This node has left its ring"),
    onFatal: (reason) => log.event("error", "fatal", reason),
  };
  return current = await startNode(parsed.config, log, hooks);
}

/** Listens, starts the node and waits for the signal or the event that ends it. */
async function serve(config: NodeConfig): Promise<number> {
  const log = logFor(config);
  const ended = Promise.withResolvers<number>();
  const hooks: ProcessHooks = {
    onLeft: () => ended.resolve(0),
    onFatal: (reason) => {
      log.event("error", "fatal", reason);
      ended.resolve(1);
    },
  };
  // Before the database is opened: a port in use is the likelier mistake, and the clearer message.
  const drain = new Drain();
  const servers = listen(
    config,
    (request, info) => drain.run(() => current?.handler(request, info) ?? Promise.resolve(starting())),
  );
  try {
    current = await startNode(config, log, hooks);
    announce(config, current.node, log);
    handleSignals(current.node, log, (code) => ended.resolve(code));
    return await ended.promise;
  } finally {
    await finish(drain, servers);
    if (current !== undefined) {
      await current.stop();
      log.event("info", "stopped", "Stopped");
    }
  }
}

async function startNode(config: NodeConfig, log: Log, hooks: ProcessHooks): Promise<Running> {
  try {
    return await openNode(config, log, hooks, config.joinAddress === undefined ? [] : [config.joinAddress]);
  } catch (error) {
    if (!(error instanceof RetiredStoreError) || isRemoteDatabase(config.data)) throw error;
    const aside = `${config.data}.retired-${clock.nowMs()}`;
    await Deno.rename(config.data, aside);
    log.event(
      "warn",
      "data_set_aside",
      `${error.message}. Its data is kept in ${aside}; joining as a new node`,
    );
    const servers = config.joinAddress === undefined ? error.servers : [config.joinAddress, ...error.servers];
    return await openNode(config, log, hooks, servers);
  }
}

async function openNode(
  config: NodeConfig,
  log: Log,
  hooks: ProcessHooks,
  servers: readonly string[],
): Promise<Running> {
  const { selfAddress, secret, replicas, partitions } = config;
  const store = await openStore(config, log);
  let storage: Storage | undefined;
  try {
    const onClaimLost = () =>
      hooks.onFatal("Another process has opened this node's database; this one stops");
    storage = await Storage.open({ store, clock, random, log, onClaimLost });
    const keeper = new RingKeeper(storage, await nextIncarnation(storage, random, selfAddress));
    const transport = new HttpTransport(secret === undefined ? {} : { secret });
    const onRetired = () =>
      hooks.onFatal("This node was removed from the ring; start it again to join as a new one");
    const node = new DhtNode({
      storage,
      keeper,
      transport,
      clock,
      random,
      log,
      version: VERSION,
      onLeft: hooks.onLeft,
      onRetired,
    });
    const loopbackOnly = isLoopbackOnly(config);
    const handler = createHandler({ node, secret, selfAddress, loopbackOnly, log, clock, version: VERSION });
    const stop = async () => {
      await node.stop();
      transport.close();
    };
    try {
      await node.start({ servers, replicas, partitions });
    } catch (error) {
      transport.close();
      throw error;
    }
    return { node, handler, stop };
  } catch (error) {
    await (storage ?? store).close();
    throw error;
  }
}

/** The database that the configuration names; on a serverless host, which has no directories, the host's own. */
async function openStore(config: NodeConfig, log: Log): Promise<Store> {
  if (Deno.env.get("DENO_DEPLOYMENT_ID") !== undefined && !isRemoteDatabase(config.data)) {
    return new DenoKvStore(await Deno.openKv(), { remote: true });
  }
  return await openDatabase(config.data, log);
}

/** `localhost` is both loopback addresses; a machine without IPv6 has only the first. */
function listen(config: NodeConfig, handler: Handler): Deno.HttpServer<Deno.NetAddr>[] {
  const hosts = config.host === "localhost" ? ["127.0.0.1", "::1"] : [config.host];
  const servers: Deno.HttpServer<Deno.NetAddr>[] = [];
  for (const hostname of hosts) {
    try {
      const options = { hostname, port: config.port, onListen: () => {} };
      servers.push(
        Deno.serve(options, (request, info) => handler(request, { remoteAddress: info.remoteAddr.hostname })),
      );
    } catch (error) {
      if (hostname === "::1" && !(error instanceof Deno.errors.AddrInUse)) continue;
      throw listenError(config, error);
    }
  }
  return servers;
}

function listenError({ host, port }: NodeConfig, error: unknown): Error {
  if (error instanceof Deno.errors.AddrInUse) {
    return new StartError(`Port ${port} on ${host} is in use by another program; choose another with --port`);
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return new StartError(`Port ${port} may not be opened by this user; choose one above 1023 with --port`);
  }
  return new StartError(
    `Cannot listen on ${host}:${port}: ${error instanceof Error ? error.message : error}`,
  );
}

/** The node could not start, for a reason its user can mend. */
class StartError extends Error {
  override readonly name = "StartError";
}

/** Errors whose message is a sentence for the user; anything else is a defect and keeps its stack. */
function isPlain(error: unknown): error is Error {
  return error instanceof StartError || error instanceof DatabaseError ||
    error instanceof RetiredStoreError ||
    error instanceof DhtError;
}

function announce(config: NodeConfig, node: DhtNode, log: Log): void {
  const { host, port, selfAddress, data, joinAddress } = config;
  const readiness = node.readiness();
  log.event("info", "listening", `Listening on ${host}:${port}, known as ${selfAddress}`);
  log.event("info", "page", `Status page: http://${selfAddress}/`);
  log.event("info", "data", `Data: ${data}`);
  if (readiness.ready) {
    const { ringId, nodes, replicas } = node.ring();
    log.event("info", "ring", `Ring ${ringId}: ${nodes.map((member) => member.address).join(", ")}`, {
      replicas,
    });
  } else log.event("info", "joining", `Joining the ring through ${joinAddress ?? "its other nodes"}`);
  if (isLoopbackOnly(config)) {
    const how = "start all nodes with --secret-file FILE and -h ADDRESS to open the ring to other machines";
    log.event("info", "loopback_only", `Only this machine can connect; ${how}`);
  }
}

/** Ctrl-C leaves the ring, a second one ends at once; SIGTERM only stops. */
function handleSignals(node: DhtNode, log: Log, end: (code: number) => void): void {
  let interruptedMs: number | undefined;
  onSignal("SIGINT", () => {
    const nowMs = clock.monotonicMs();
    if (interruptedMs === undefined) {
      interruptedMs = nowMs;
      // Without a ring there is nothing to leave.
      if (!node.readiness().ready) return end(0);
      log.event(
        "info",
        "interrupted",
        "Leaving the ring; press Ctrl-C again to stop at once, without leaving",
      );
      void node.leave();
    } else if (nowMs - interruptedMs >= SECOND_INTERRUPT_MS) {
      log.event(
        "warn",
        "interrupted_again",
        "Stopping at once: this node stays in the ring, and can be started again",
      );
      Deno.exit(130);
    }
  });
  onSignal("SIGTERM", () => end(0));
}

function onSignal(signal: Deno.Signal, listener: () => void): void {
  // Windows knows no SIGTERM that could be listened for; there Ctrl-Break does it.
  const known = Deno.build.os === "windows" && signal === "SIGTERM" ? "SIGBREAK" : signal;
  Deno.addSignalListener(known, listener);
}

/** Stops serving once all requests are answered, or their time is over. */
async function finish(drain: Drain, servers: readonly Deno.HttpServer[]): Promise<void> {
  const allAnswered = new AbortController();
  const timeout = clock.sleep(SHUTDOWN_TIMEOUT_MS, allAnswered.signal).catch(() => {});
  const answered = drain.end().then(() => Promise.all(servers.map((server) => server.shutdown())));
  await Promise.race([answered, timeout]);
  allAnswered.abort();
}

function starting(): Response {
  return new Response("The node is starting\n", { status: 503, headers: { "retry-after": "1" } });
}

function isLoopbackOnly({ host, selfAddress }: NodeConfig): boolean {
  return isLoopbackHost(host) && isLoopbackHost(selfAddress.slice(0, selfAddress.lastIndexOf(":")));
}

/** The variables a node reads, one by one: no more than their names is permitted. */
function environment(): Environment {
  return Object.fromEntries(NODE_ENV.map((name) => [name, Deno.env.get(name)]));
}

function logFor({ logFormat }: NodeConfig): Log {
  const color = wantsColor(Deno.stderr, Deno.env.get("NO_COLOR"));
  return createLog({ format: logFormat, write: lineWriter(Deno.stderr), nowMs: () => clock.nowMs(), color });
}
