import { assertEquals, assertStringIncludes } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { COMMANDS } from "../../lib/cli/commands.ts";
import { CLIENT_ENV } from "../../lib/cli/io.ts";
import { NODE_PERMISSIONS } from "../../lib/cli/node_flags.ts";
import { run } from "./fake_io.ts";

Deno.test("mydht --help given no command, then lists every command and the exit codes", async () => {
  const { code, stdout, stderr } = await run(["--help"]);
  assertEquals([code, stderr], [0, ""]);
  for (const { name, summary } of COMMANDS) assertStringIncludes(stdout, `  ${name.padEnd(10)}${summary}\n`);
  for (const name of ["node", "cluster"]) assertStringIncludes(stdout, `\n  ${name} `);
  assertStringIncludes(
    stdout,
    "Exit codes: 0 done, 1 failed or no such key, 2 not understood, 3 no node reached.\n",
  );
});

Deno.test("mydht COMMAND --help given each command, then shows its forms and all of its flags", async () => {
  for (const { name, usage, flags } of COMMANDS) {
    const { code, stdout } = await run([name, "--help"]);
    assertEquals(code, 0);
    for (const form of usage) assertStringIncludes(stdout, ` mydht ${form}\n`);
    assertStringIncludes(stdout, ` mydht -c ${name}`);
    for (const flag of flags) assertStringIncludes(stdout, `--${flag.name}`);
    assertEquals((await run([name, "-h"])).stdout, stdout);
    assertEquals((await run(["help", name])).stdout, stdout);
  }
});

Deno.test("mydht get --help given as an example, then prints exactly this", async () => {
  assertEquals(
    (await run(["get", "--help"])).stdout,
    `Print the value of a key, or write it to a file.

Usage: mydht get KEY
       mydht get KEY -o FILE
       mydht -c get -k KEY

Flags:
  -k, --key KEY            the key; the same as writing it last
  -o, --output FILE        write the value to this file; - is standard output as it is
      --consistency LEVEL  whom to ask: quorum (default), strong, all, one or local
  -h, --host HOST          host of the node to ask (default localhost) [MYDHT_SERVER]
  -p, --port PORT          its port (default 50140) [MYDHT_SERVER]
      --help               show this help; so does a lone -h
      --version            show the version

The value is checked against its checksum. FILE appears whole or not at all.
To a terminal only text of up to 1 KiB is printed; into a pipe, the exact bytes.
`,
  );
});

Deno.test("deno.json given its node task, then nodes of a cluster run with the same permissions", () => {
  assertEquals(config.tasks.node.command, `deno run ${NODE_PERMISSIONS.join(" ")} cli.ts node`);
});

Deno.test("deno.json given its cli task, then it may read every variable of the client", () => {
  const granted = /--allow-env=(\S+)/.exec(config.tasks.cli.command)![1]!.split(",");
  assertEquals(CLIENT_ENV.filter((name) => !granted.includes(name)), []);
});
