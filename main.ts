/**
 * A MyDHT node: reads its configuration, builds the adapters, wires them to the
 * node and serves it until a signal stops it.
 *
 * `cli.ts` starts it as `mydht node`. Under `deno serve`, and on a serverless
 * host, the default export answers requests and the environment configures it.
 */
import { CryptoRandom } from "./lib/adapters/crypto_random.ts";
import {
  databaseSetAside,
  isRemoteDatabase,
  openDatabase,
  setDatabaseAside,
} from "./lib/adapters/database.ts";
import { diskRoom } from "./lib/adapters/disk_room.ts";
import { DenoKvStore } from "./lib/adapters/deno_kv_store.ts";
import { type Handler, HttpListener, ListenError } from "./lib/adapters/http_listener.ts";
import { HttpTransport } from "./lib/adapters/http_transport.ts";
import { createLog, lineWriter, wantsColor } from "./lib/adapters/json_log.ts";
import { handleSignals, onSignal } from "./lib/adapters/signals.ts";
import { SystemClock } from "./lib/adapters/system_clock.ts";
import { isLoopbackHost } from "./lib/address.ts";
import { type NodeConfig, nodeEnvironment, parseNodeConfig } from "./lib/config.ts";
import { DhtError } from "./lib/core/errors.ts";
import { nextIncarnation } from "./lib/node/identity.ts";
import { RetiredStoreError } from "./lib/node/retirement.ts";
import { DhtNode } from "./lib/node/node.ts";
import { RingKeeper } from "./lib/node/ring_keeper.ts";
import { messageEnds } from "./lib/node/secure_messages.ts";
import { Storage } from "./lib/node/storage.ts";
import { Isolate } from "./lib/isolate.ts";
import type { Log } from "./lib/ports/log.ts";
import { DatabaseError, type Store } from "./lib/ports/store.ts";
import { VERSION } from "./lib/version.ts";
import { createHandler } from "./routes/mod.ts";

/** How long requests that are under way may take when the node stops: containers are killed after ten seconds. */
const SHUTDOWN_TIMEOUT_MS = 8_000;

const LOOPBACK_NOTE = "There is no secret: only programs on this machine can connect.";

/** A node with what was built for it. */
interface Running {
  readonly node: DhtNode;
  readonly handler: Handler;
  /** Whether the database is still its own. */
  isOwner(): Promise<boolean>;
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
// At top level, so that a serverless host finds it when it deploys this module. It is missing where the program
// runs without its deno.json and without the flags for it: asking for help works there all the same.
if (typeof Deno.cron === "function") {
  Deno.cron("mydht compare owners", "*/10 * * * *", { signal: cronEnd.signal }, async () => {
    await current?.node.compareAll();
  });
}

/**
 * Runs a node until it is stopped.
 *
 * @param args Flags, as after `mydht node`.
 * @returns The exit code: 0 after a stop, 1 if the node could not start or go on, 2 for a usage error.
 */
export async function runNode(args: string[]): Promise<number> {
  try {
    const parsed = parseNodeConfig(args, nodeEnvironment(readVariable), Deno.readTextFileSync);
    switch (parsed.kind) {
      case "help":
        console.log(parsed.text);
        return 0;
      case "version":
        console.log(`mydht ${VERSION}`);
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

/** The node of this isolate, for `deno serve` and serverless hosts; its first request starts it, if nothing has. */
export default {
  onListen: servedByDeno,
  async fetch(request, info): Promise<Response> {
    // A serverless host may say less than Deno.
    const { completed } = info as Partial<Deno.ServeHandlerInfo>;
    if (completed !== undefined) isolate.watch(completed);
    let running: Running;
    try {
      running = await isolate.running();
    } catch (error) {
      console.error("mydht:", isPlain(error) ? error.message : error);
      return notStarted();
    }
    return await running.handler(request, {
      get address() {
        const { remoteAddr } = info as Partial<Deno.ServeHandlerInfo>;
        return remoteAddr !== undefined && "hostname" in remoteAddr ? remoteAddr.hostname : undefined;
      },
    });
  },
} satisfies Deno.ServeDefaultExport;

const isolate = new Isolate(startIsolate);

async function startIsolate(): Promise<Running> {
  const config = isolateConfig();
  const log = logFor(config);
  const hooks: ProcessHooks = {
    onLeft: () => log.event("info", "stopped", "This node has left its ring"),
    onFatal: (reason) => log.event("error", "fatal", reason),
  };
  return current = await startNode(config, log, hooks);
}

/** @throws {StartError} If the environment makes no configuration. */
function isolateConfig(): NodeConfig {
  const parsed = parseNodeConfig([], nodeEnvironment(readVariable), Deno.readTextFileSync);
  if (parsed.kind === "run") return parsed.config;
  throw new StartError(parsed.kind === "usage" ? parsed.message : "No configuration");
}

/** `deno serve` listens by flags of its own; what it does must be what the node says of itself. */
function servedByDeno(address: Deno.Addr): void {
  try {
    const config = isolateConfig();
    if ("hostname" in address) checkServed(address, config);
    stopWithDeno(logFor(config));
    void isolate.running().then(
      ({ node }) => announce(config, node, logFor(config)),
      (error) => endWith(error, 1),
    );
  } catch (error) {
    endWith(error, 2);
  }
}

function checkServed({ hostname, port }: Deno.NetAddr, config: NodeConfig): void {
  if (config.secret === undefined && !isLoopbackHost(hostname)) {
    throw new StartError(
      `deno serve listens on ${hostname}, which opens the node to other machines and needs a secret: ` +
        "set MYDHT_SECRET_FILE or MYDHT_SECRET, or start it with --host localhost",
    );
  }
  if (port !== config.port && !readVariable("MYDHT_ADVERTISE")) {
    throw new StartError(
      `deno serve listens on port ${port}, but this node is known as ${config.selfAddress}: ` +
        `start it with --port ${config.port}, or set MYDHT_PORT=${port}`,
    );
  }
}

/** Deno ends its server at these signals, but waits for all else that runs; nobody leaves the ring here. */
function stopWithDeno(log: Log): void {
  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    cronEnd.abort();
    await isolate.stop(clock.sleep(SHUTDOWN_TIMEOUT_MS));
    log.event("info", "stopped", "Stopped");
    Deno.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) onSignal(signal, () => void stop());
}

function endWith(error: unknown, code: number): void {
  console.error("mydht:", isPlain(error) ? error.message : error);
  Deno.exit(code);
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
  const listener = new HttpListener(
    config,
    (request, sender) => current === undefined ? starting() : current.handler(request, sender),
  );
  try {
    current = await startNode(config, log, hooks);
    announce(config, current.node, log);
    handleSignals({ node: current.node, clock, log, end: (code) => ended.resolve(code) });
    return await ended.promise;
  } finally {
    await finish(listener);
    if (current !== undefined) {
      await current.stop();
      log.event("info", "stopped", "Stopped");
    }
  }
}

async function startNode(config: NodeConfig, log: Log, hooks: ProcessHooks): Promise<Running> {
  if (config.joinAddress === undefined && !isRemoteDatabase(config.data)) {
    const aside = await databaseSetAside(config.data);
    // It ended between setting its data aside and joining: without anybody to join it would found a ring of its own.
    if (aside !== undefined) {
      throw new StartError(
        `This node's data was set aside in ${aside}, and it is in no ring since: ` +
          "name a node of the ring with --server, or another directory with --data",
      );
    }
  }
  try {
    return await openNode(config, log, hooks, config.joinAddress === undefined ? [] : [config.joinAddress]);
  } catch (error) {
    if (!(error instanceof RetiredStoreError) || isRemoteDatabase(config.data)) throw error;
    const servers = config.joinAddress === undefined ? error.servers : [config.joinAddress, ...error.servers];
    // Without anybody to join it would found a ring of its own, and nobody would notice.
    if (servers.length === 0) {
      throw new StartError(
        `${error.message}; name a node of the ring with --server to join it as a new node`,
      );
    }
    const aside = await setDatabaseAside(config.data, clock.nowMs());
    log.event(
      "warn",
      "data_set_aside",
      `${error.message}. Its data is kept in ${aside}; joining as a new node`,
    );
    return await openNode(config, log, hooks, servers);
  }
}

async function openNode(
  config: NodeConfig,
  log: Log,
  hooks: ProcessHooks,
  servers: readonly string[],
): Promise<Running> {
  const { selfAddress, secret, replicas, partitions, weight, zone } = config;
  const share = { ...(weight !== undefined && { weight }), ...(zone !== undefined && { zone }) };
  const store = await openStore(config, log);
  let storage: Storage | undefined;
  try {
    const onClaimLost = () =>
      hooks.onFatal("Another process has opened this node's database; this one stops");
    storage = await Storage.open({ store, clock, random, log, onClaimLost });
    const keeper = new RingKeeper(storage, await nextIncarnation(storage, random, selfAddress));
    const transport = new HttpTransport();
    const ends = messageEnds({ secret, transport, keeper, clock, random });
    const onRetired = () =>
      hooks.onFatal("This node was removed from the ring; start it again to join as a new one");
    const loopbackOnly = isLoopbackOnly(config);
    const notes = secret === undefined && loopbackOnly ? [LOOPBACK_NOTE] : [];
    const node = new DhtNode({
      storage,
      keeper,
      transport: ends.transport,
      clock,
      random,
      log,
      version: VERSION,
      notes,
      lookAtDisk: () => isRemoteDatabase(config.data) ? Promise.resolve(undefined) : diskRoom(config.data),
      rates: config.rates,
      onLeft: hooks.onLeft,
      onRetired,
    });
    const peerGate = ends.guard((message) => node.receive(message));
    const handler = createHandler({
      node,
      peerGate,
      secret,
      selfAddress,
      loopbackOnly,
      log,
      clock,
      version: VERSION,
    });
    const stop = async () => {
      const stopped = node.stop();
      // What its loops are waiting for ends now, and not when a peer that hangs has had its time.
      transport.close();
      await stopped;
    };
    try {
      await node.start({ servers, replicas, partitions, share });
    } catch (error) {
      transport.close();
      throw error;
    }
    return { node, handler, stop, isOwner: () => node.confirmClaim() };
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

/** The node could not start, for a reason its user can mend. */
class StartError extends Error {
  override readonly name = "StartError";
}

/** Errors whose message is a sentence for the user; anything else is a defect and keeps its stack. */
function isPlain(error: unknown): error is Error {
  return error instanceof StartError || error instanceof ListenError || error instanceof DatabaseError ||
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

/** Stops serving once all requests are answered, or their time is over. */
async function finish(listener: HttpListener): Promise<void> {
  const allAnswered = new AbortController();
  await listener.stop(clock.sleep(SHUTDOWN_TIMEOUT_MS, allAnswered.signal).catch(() => {}));
  allAnswered.abort();
}

function starting(): Response {
  return new Response("The node is starting\n", { status: 503, headers: { "retry-after": "1" } });
}

function notStarted(): Response {
  return new Response("The node could not start; its log says why\n", {
    status: 503,
    headers: { "retry-after": "5" },
  });
}

/** An empty variable counts as none. */
function readVariable(name: string): string | undefined {
  return Deno.env.get(name) || undefined;
}

function isLoopbackOnly({ host, selfAddress }: NodeConfig): boolean {
  return isLoopbackHost(host) && isLoopbackHost(selfAddress.slice(0, selfAddress.lastIndexOf(":")));
}

function logFor({ logFormat }: NodeConfig): Log {
  const color = wantsColor(Deno.stderr, Deno.env.get("NO_COLOR"));
  return createLog({ format: logFormat, write: lineWriter(Deno.stderr), nowMs: () => clock.nowMs(), color });
}
