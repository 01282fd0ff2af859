import type { Flag } from "./arguments.ts";

/** Flags of `mydht node`, each with the environment variable that stands in for it. */
export const NODE_FLAGS: readonly Flag[] = [
  {
    name: "host",
    short: "h",
    value: "HOST",
    help: "address to listen on, and to be known by (default localhost)",
    env: "MYDHT_HOST",
  },
  { name: "port", short: "p", value: "PORT", help: "port (default 50140)", env: "MYDHT_PORT" },
  {
    name: "advertise",
    value: "HOST:PORT",
    help: "the name other nodes reach it by, where that differs",
    env: "MYDHT_ADVERTISE",
  },
  {
    name: "server",
    short: "s",
    value: "HOST:PORT",
    help: "a node of the ring to join (default: the ring it was last in, or a new one)",
    env: "MYDHT_JOIN",
    instead: "the node to ask is named by --host and --port, or MYDHT_SERVER",
  },
  {
    name: "replicas",
    short: "r",
    value: "N",
    help: "copies of each key in a new ring, 1 to 16 (default 3); taken from the ring when joining",
    env: "MYDHT_REPLICAS",
  },
  {
    name: "data",
    short: "d",
    value: "DIR",
    help: "directory of its database, or a KV Connect URL (default mydht-data/PORT)",
    env: "MYDHT_DATA",
  },
  {
    name: "secret-file",
    value: "FILE",
    help: "file with the secret of the ring, 16 characters or more; or the secret itself in MYDHT_SECRET",
    env: "MYDHT_SECRET_FILE",
  },
  {
    name: "log-format",
    value: "text|json",
    help: "log lines for people or for machines (default text)",
    env: "MYDHT_LOG_FORMAT",
  },
  {
    name: "weight",
    value: "W",
    help: "share of the data it takes, relative to the others, 0.01 to 100 (default: as it was, 1 at first)",
    env: "MYDHT_WEIGHT",
  },
  {
    name: "zone",
    value: "NAME",
    help: "what may fail as one, a rack or a house; copies go to different zones first; - for none",
    env: "MYDHT_ZONE",
  },
  {
    name: "transfer-rate",
    value: "MIB",
    help: "MiB a second it fetches at most while the ring changes; 0: no limit (default 64)",
    env: "MYDHT_TRANSFER_RATE",
  },
  {
    name: "repair-rate",
    value: "MIB",
    help: "MiB a second it sends and fetches at most to repair copies; 0: no limit (default 32)",
    env: "MYDHT_REPAIR_RATE",
  },
  {
    name: "scrub-rate",
    value: "MIB",
    help: "MiB a second of its own data it verifies at most; 0: no limit (default 4)",
    env: "MYDHT_SCRUB_RATE",
  },
  {
    name: "partitions",
    value: "P",
    help: "slices of a new ring, a power of two up to 65536 (default 16384); for tests",
    env: "MYDHT_PARTITIONS",
  },
];

/** Flags of `mydht cluster`. */
export const CLUSTER_FLAGS: readonly Flag[] = [
  { name: "nodes", value: "N", help: "how many nodes, 1 to 32 (default 3)" },
  {
    name: "port",
    short: "p",
    value: "PORT",
    help: "port of the first; the others take the next ones (default 50140)",
  },
  {
    name: "data",
    short: "d",
    value: "DIR",
    help: "directory of their databases, one below it each (default mydht-data)",
  },
];

/**
 * Environment variables that a node reads: to be granted by name. The last two are set by a serverless host, and by
 * people who want no colors.
 */
export const NODE_ENV: readonly string[] = [
  ...NODE_FLAGS.map((flag) => flag.env!),
  "MYDHT_SECRET",
  "DENO_KV_ACCESS_TOKEN",
  "DENO_DEPLOYMENT_ID",
  "NO_COLOR",
];

/** Permissions that a node needs when it runs from source; the node task of `deno.json` has the same. */
export const NODE_PERMISSIONS: readonly string[] = [
  "--no-prompt",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  // How much room the disk of the database has.
  "--allow-sys=statfs",
  `--allow-env=${NODE_ENV.join(",")}`,
];
