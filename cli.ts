/**
 * MyDHT in a terminal: the client of a ring, and with `mydht node` a node of one.
 *
 * What a command needs is loaded when it is asked for, so that the others start fast.
 */
import { processIo } from "./lib/cli/io.ts";
import { runCli } from "./lib/cli/run.ts";

if (import.meta.main) {
  const io = processIo();
  const exitCode = await runCli(Deno.args, io, {
    node: async (args) => {
      const { runNode } = await import("./main.ts");
      return await runNode([...args]);
    },
    cluster: async (args) => {
      const { cluster } = await import("./lib/cli/cluster_host.ts");
      return await cluster(args, io);
    },
  });
  Deno.exit(exitCode);
}
