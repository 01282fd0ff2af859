import { flagLines } from "./help_lines.ts";
import { CLUSTER_FLAGS, NODE_FLAGS } from "./node_flags.ts";
import { COMMON_FLAGS } from "./arguments.ts";

/** What `mydht node --help` prints. */
export function nodeHelp(): string {
  return [
    "Run a node of a MyDHT ring.",
    "",
    "Usage: mydht node [flags]        (from source: deno task node [flags])",
    "",
    "Flags, and the environment variables that stand in for them:",
    ...flagLines([...NODE_FLAGS, ...COMMON_FLAGS]),
    "",
    "Ctrl-C lets the node leave: it hands over what it holds first; once more ends it at once.",
    "SIGTERM only stops it: started again on its data, it is back in its ring.",
    "",
    "Examples:",
    "  mydht node                                            a new ring, on localhost:50140",
    "  mydht node --port 50141 --server localhost:50140      one more node for it",
    "  mydht node --host 0.0.0.0 --advertise db1.example:50140 --secret-file ring.secret",
    "",
  ].join("\n");
}

/** What `mydht cluster --help` prints. */
export function clusterHelp(): string {
  return [
    "Run a ring of several nodes on this machine, to try MyDHT.",
    "",
    "Usage: mydht cluster [flags]     (from source: deno task cluster [flags])",
    "",
    "Flags:",
    ...flagLines([...CLUSTER_FLAGS, ...COMMON_FLAGS]),
    "",
    "Ctrl-C stops all nodes without making them leave: started again, the ring has its data.",
    "",
  ].join("\n");
}
