import {
  type Address,
  DEFAULT_PORT,
  formatAddress,
  isAnyHost,
  isLoopbackHost,
  parseAddress,
  parseHost,
  parsePort,
} from "./address.ts";
import { parseArguments } from "./cli/arguments.ts";
import { nodeHelp } from "./cli/node_help.ts";
import { NODE_ENV, NODE_FLAGS } from "./cli/node_flags.ts";
import { type BackgroundRates, DEFAULT_RATES } from "./core/rates.ts";
import { readSecret } from "./secret.ts";

/** How a node is to run, checked. */
export interface NodeConfig {
  /** Host to listen on, in lower case and without brackets; `localhost` is both loopback addresses. */
  readonly host: string;
  readonly port: number;
  /** The name all nodes know this one by, `host:port`: what `--advertise` says, or where it listens. */
  readonly selfAddress: string;
  /** A node of the ring to join, `host:port`; absent: the ring it was last in, or a new one. */
  readonly joinAddress?: string;
  /** Copies of each key where a new ring is founded, 1 to 16. */
  readonly replicas: number;
  /** Partitions where a new ring is founded: a power of two, 1 to 65,536. */
  readonly partitions: number;
  /** Directory of the database, or the `http(s)://` URL of a remote one. */
  readonly data: string;
  /** The secret of the ring, at least 16 characters; always there unless `host` is loopback. */
  readonly secret?: string;
  readonly logFormat: "text" | "json";
  /** Share of the partitions it takes, relative to the other nodes: 0.01 to 100; absent: as it was, 1 at first. */
  readonly weight?: number;
  /** What may fail as one, `-` for none; absent: as it was, and the node a zone of its own at first. */
  readonly zone?: string;
  readonly rates: BackgroundRates;
}

/** What the flags of a node ask for. */
export type ParsedNodeConfig =
  | { readonly kind: "run"; readonly config: NodeConfig }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" }
  /** One sentence on what is wrong and what to do; the exit code is 2. */
  | { readonly kind: "usage"; readonly message: string };

/** Environment variables by name, as `Deno.env.toObject()` gives them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment variables of a node, each read by its name: that needs no permission to see all the others. */
export function nodeEnvironment(get: (name: string) => string | undefined): Environment {
  return Object.fromEntries(NODE_ENV.map((name) => [name, get(name)]));
}

/** Copies of each key, and partitions, of a new ring where nothing is said. */
const DEFAULT_REPLICAS = 3;
const DEFAULT_PARTITIONS = 16_384;

/** A setting that was given, and where: a flag, or the environment variable in its place. */
interface Setting {
  readonly text: string;
  /** `--port` or `MYDHT_PORT`: to name it when it is wrong. */
  readonly from: string;
}

/**
 * Reads the configuration of a node from its flags, and from environment variables where a flag is not given. An
 * empty variable counts as none.
 *
 * @param readSecretFile Gives the text of the file that `--secret-file` names; may throw.
 */
export function parseNodeConfig(
  args: readonly string[],
  env: Environment,
  readSecretFile: (path: string) => string,
): ParsedNodeConfig {
  const parsed = parseArguments(args, NODE_FLAGS);
  if (parsed.kind === "help") return { kind: "help", text: nodeHelp() };
  if (parsed.kind !== "parsed") return parsed;
  const [extra] = parsed.positionals;
  if (extra !== undefined) return { kind: "usage", message: `a node takes flags only, not "${extra}"` };
  const setting = (name: string) => findSetting(name, parsed.values, env);
  try {
    return { kind: "run", config: validate(setting, env, readSecretFile) };
  } catch (error) {
    if (error instanceof SyntaxError) return { kind: "usage", message: error.message };
    throw error;
  }
}

function findSetting(
  name: string,
  values: ReadonlyMap<string, string>,
  env: Environment,
): Setting | undefined {
  const value = values.get(name);
  if (value !== undefined) return { text: value, from: `--${name}` };
  const variable = NODE_FLAGS.find((flag) => flag.name === name)?.env;
  const text = variable === undefined ? undefined : env[variable];
  return variable === undefined || !text ? undefined : { text, from: variable };
}

type FindSetting = (name: string) => Setting | undefined;

function validate(
  setting: FindSetting,
  env: Environment,
  readSecretFile: (path: string) => string,
): NodeConfig {
  const host = read(setting("host"), parseHost) ?? "localhost";
  const port = read(setting("port"), parsePort) ?? DEFAULT_PORT;
  const selfAddress = formatAddress(selfOf(host, port, read(setting("advertise"), parseReachable)));
  const join = read(setting("server"), parseReachable);
  const joinAddress = join && formatAddress(join);
  if (joinAddress === selfAddress) {
    throw new SyntaxError(
      `a node cannot join itself: ${
        setting("server")!.from
      } names ${selfAddress}, this node's own address; ` +
        "start the first node of a ring without it",
    );
  }
  const file = setting("secret-file");
  const secret = readSecret({
    ...(file && { file: { path: file.text, from: file.from } }),
    text: env["MYDHT_SECRET"],
    readFile: readSecretFile,
  });
  if (secret === undefined && !isLoopbackHost(host)) throw new SyntaxError(openNode(host));
  return {
    host,
    port,
    selfAddress,
    replicas: read(setting("replicas"), parseReplicas) ?? DEFAULT_REPLICAS,
    partitions: read(setting("partitions"), parsePartitions) ?? DEFAULT_PARTITIONS,
    data: read(setting("data"), parseData) ?? `mydht-data/${port}`,
    logFormat: read(setting("log-format"), parseLogFormat) ?? "text",
    ...(joinAddress !== undefined && { joinAddress }),
    ...(secret !== undefined && { secret }),
    ...readWeight(setting("weight")),
    ...readZone(setting("zone")),
    rates: {
      transfer: read(setting("transfer-rate"), parseRate) ?? DEFAULT_RATES.transfer,
      repair: read(setting("repair-rate"), parseRate) ?? DEFAULT_RATES.repair,
      scrub: read(setting("scrub-rate"), parseRate) ?? DEFAULT_RATES.scrub,
    },
  };
}

/** Reads a setting, and names it where it is wrong. */
function read<T>(setting: Setting | undefined, parse: (text: string) => T): T | undefined {
  if (setting === undefined) return undefined;
  try {
    return parse(setting.text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new SyntaxError(`${setting.from}: ${error.message}`);
    throw error;
  }
}

function selfOf(host: string, port: number, advertise: Address | undefined): Address {
  if (advertise !== undefined) return advertise;
  if (isAnyHost(host)) {
    throw new SyntaxError(
      `listening on ${host} means on every address of this machine: ` +
        "say with --advertise HOST:PORT by which one the other nodes reach it",
    );
  }
  return { host, port };
}

function openNode(host: string): string {
  return `listening on ${host} opens the node to other machines, which needs a secret that all nodes of the ring ` +
    "share: name a file that holds it with --secret-file FILE (or set MYDHT_SECRET), or listen on localhost";
}

function parseReachable(text: string): Address {
  const address = parseAddress(text);
  if (isAnyHost(address.host)) throw new SyntaxError(`"${text}" is no address that a node can be reached by`);
  return address;
}

function parseReplicas(text: string): number {
  const replicas = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (replicas < 1 || replicas > 16) throw new SyntaxError(`"${text}" is not a number of copies: 1 to 16`);
  return replicas;
}

function parsePartitions(text: string): number {
  const partitions = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  const isPowerOfTwo = partitions > 0 && Number.isInteger(Math.log2(partitions));
  if (!isPowerOfTwo || partitions > 65_536) {
    throw new SyntaxError(`"${text}" is not a power of two from 1 to 65536`);
  }
  return partitions;
}

function parseWeight(text: string): number {
  const weight = /^\d{1,3}(\.\d{1,4})?$/.test(text) ? Number(text) : 0;
  if (weight < 0.01 || weight > 100) throw new SyntaxError(`"${text}" is not a weight: 0.01 to 100`);
  return weight;
}

function readWeight(setting: Setting | undefined): { readonly weight?: number } {
  const weight = read(setting, parseWeight);
  return weight === undefined ? {} : { weight };
}

function readZone(setting: Setting | undefined): { readonly zone?: string } {
  const zone = read(setting, parseZone);
  return zone === undefined ? {} : { zone };
}

function parseZone(text: string): string {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(text)) return text;
  throw new SyntaxError(`"${text}" is not the name of a zone: 1 to 64 letters, digits, dots, dashes`);
}

/** Bytes a second, from MiB. */
function parseRate(text: string): number {
  const rate = /^\d{1,5}(\.\d{1,4})?$/.test(text) ? Number(text) : -1;
  if (rate < 0) throw new SyntaxError(`"${text}" is not a number of MiB a second: 0 (no limit) to 99999`);
  return rate === 0 ? Infinity : rate * 1024 * 1024;
}

function parseData(text: string): string {
  if (text === "") throw new SyntaxError("the name of the directory is empty");
  return text;
}

function parseLogFormat(text: string): "text" | "json" {
  if (text !== "text" && text !== "json") throw new SyntaxError(`"${text}" is neither text nor json`);
  return text;
}
