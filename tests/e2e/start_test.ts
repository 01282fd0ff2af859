import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { encode } from "@msgpack/msgpack";
import { encodeEntry, stateKey } from "../../lib/node/entries.ts";
import { freePort } from "./support/free_port.ts";
import { settled, type TestNode } from "./support/test_node.ts";
import { Workspace } from "./support/workspace.ts";

/** Flags or variables that a node refuses, and what it says of them. */
const REFUSED: readonly {
  readonly name: string;
  readonly flags: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly says: RegExp;
}[] = [
  { name: "an unknown flag", flags: ["--prot", "1"], says: /--prot.*--port/ },
  { name: "a port that is none", flags: ["--port", "0x50"], says: /--port: "0x50" is not a port/ },
  { name: "a port that fetch blocks", flags: ["--port", "6666"], says: /--port: port 6666 .* refuse/ },
  {
    name: "such a port in the environment",
    flags: [],
    env: { MYDHT_PORT: "10080" },
    says: /MYDHT_PORT: port 10080 .* refuse/,
  },
  {
    name: "all addresses without --advertise",
    flags: ["-h", "0.0.0.0"],
    env: { MYDHT_SECRET: "0123456789abcdef" },
    says: /--advertise HOST:PORT/,
  },
  {
    name: "an address of the network without a secret",
    flags: ["-h", "0.0.0.0", "--advertise", "db1.example:50140"],
    says: /--secret-file/,
  },
  { name: "no copies at all", flags: ["-r", "0"], says: /--replicas: "0"/ },
  {
    name: "its own address as --server",
    flags: ["--port", "50140", "-s", "localhost:50140"],
    says: /itself/,
  },
  { name: "something that is no flag", flags: ["serve"], says: /takes flags only, not "serve"/ },
];

for (const { name, flags, env = {}, says } of REFUSED) {
  Deno.test(`node given ${name}, then says so in one sentence and exits 2`, async () => {
    await Workspace.run(async (work) => {
      const child = work.start("node", work.nodeCommand(flags), env);
      assertEquals(await child.exit(), 2);
      assertMatch(await child.stderr(), says);
      assertEquals((await child.stderr()).trimEnd().split("\n").length, 2);
    });
  });
}

Deno.test("node given --help or a lone -h, then shows every flag and its variable", async () => {
  await Workspace.run(async (work) => {
    for (const flag of ["--help", "-h"]) {
      const child = work.start(`help${flag}`, work.nodeCommand([flag]));
      assertEquals(await child.exit(), 0);
      for (const shown of ["--port", "MYDHT_PORT", "--server", "MYDHT_JOIN", "--data", "MYDHT_DATA"]) {
        assertMatch(await child.stdout(), new RegExp(shown));
      }
    }
  });
});

Deno.test("node given no flags but a port, then says where it listens, its page, its ring and its data", async () => {
  await Workspace.run(async (work) => {
    const node = await work.node().ready();
    const ring = await node.ring();
    await node.logged(new RegExp(`Ring ${ring.ring}`));
    const log = await node.child.stderr();
    assertMatch(log, new RegExp(`Listening on localhost:${node.port}`));
    assertMatch(log, new RegExp(`http://localhost:${node.port}/`));
    assertMatch(log, new RegExp(`Data: .*mydht-data/${node.port}`));
    for (const host of ["127.0.0.1", "[::1]"]) {
      const answer = await fetch(`http://${host}:${node.port}/healthz`);
      assertEquals([host, answer.status], [host, 200]);
      await answer.body?.cancel();
    }
  });
});

Deno.test("node given --log-format json, then every line of its log is an object", async () => {
  await Workspace.run(async (work) => {
    const node = work.node({ flags: ["--log-format", "json"] });
    await node.logged(/"event":"ring"/);
    for (const line of (await node.child.stderr()).trimEnd().split("\n")) {
      assertEquals(typeof JSON.parse(line).message, "string");
    }
  });
});

Deno.test("node given a port in use, then says so and exits 1", async () => {
  await Workspace.run(async (work) => {
    const first = await work.node().ready();
    const second = work.node({ port: first.port, flags: ["--data", "other"] });
    await assertRefused(second, new RegExp(`[Pp]ort ${first.port}.* in use`));
    assertEquals((await first.put("a", "b")).status, 200);
  });
});

Deno.test("node given the database of a running node, then says so and exits 1", async () => {
  await Workspace.run(async (work) => {
    const first = await work.node().ready();
    const second = work.node({ flags: ["--data", `mydht-data/${first.port}`] });
    await assertRefused(second, new RegExp(`another process \\(${first.child.pid}\\) has it open`));
  });
});

Deno.test("node given a directory that cannot be written, then says so and exits 1", async () => {
  await Workspace.run(async (work) => {
    // Below a file nobody can make a directory, whoever runs the tests.
    await Deno.writeTextFile(work.path("file"), "");
    const node = work.node({ flags: ["--data", "file/data"] });
    await assertRefused(node, /Cannot use the directory file\/data/);
  });
});

Deno.test("node given a damaged database, then says so before it opens it and exits 1", async () => {
  await Workspace.run(async (work) => {
    const node = await work.node().ready();
    for (let i = 0; i < 50; i++) await node.put(`key${i}`, "x".repeat(1_000));
    node.child.signal("SIGTERM");
    await node.child.exit();
    await overwritePages(work.path(`mydht-data/${node.port}/node.db`));
    node.restart();
    await assertRefused(node, /is damaged/);
  });
});

Deno.test("node given the database of another node, then says whose it is and exits 1", async () => {
  await Workspace.run(async (work) => {
    const first = await stopped(await work.node().ready());
    const second = work.node({ flags: ["--data", `mydht-data/${first.port}`] });
    await assertRefused(second, new RegExp(`belongs to node ${first.address}, not to ${second.address}`));
  });
});

Deno.test("node given a database of another ring than --server, then says so and exits 1", async () => {
  await Workspace.run(async (work) => {
    const [first, other] = [work.node(), work.node()];
    await Promise.all([first.ready(), other.ready()]);
    await stopped(other);
    other.restart([...other.options.command, "--server", first.address]);
    await assertRefused(other, /its database belongs to ring \w+, and localhost:\d+ is of another ring/);
    assertEquals((await first.put("a", "b")).status, 200);
    assertEquals((await first.request("/readyz")).status, 200);
  });
});

Deno.test("node given a database of a newer format, then says so and exits 1", async () => {
  await Workspace.run(async (work) => {
    const node = await stopped(await work.node().ready());
    await raiseFormat(work.path(`mydht-data/${node.port}/node.db`));
    node.restart();
    await assertRefused(node, /its format is 99/);
  });
});

Deno.test("node given a --server that does not answer, then keeps trying, and joins when it comes up", async () => {
  await Workspace.run(async (work) => {
    const port = freePort();
    const joiner = work.node({ flags: ["--server", `localhost:${port}`] });
    await joiner.logged(new RegExp(`Cannot join the ring through localhost:${port}: .*trying again`));
    const readiness = await joiner.request("/readyz");
    assertEquals(readiness.status, 503);
    assertMatch(readiness.text, new RegExp(`localhost:${port}`));
    const refused = await joiner.put("a", "b");
    assertEquals([refused.status, JSON.parse(refused.text).code], [503, "not_in_ring"]);

    const server = await work.node({ port }).ready();
    await settled([server, joiner]);
    assertEquals((await joiner.put("a", "b")).status, 200);
    assertEquals((await server.get("a")).text, "b");
  });
});

Deno.test("node given Ctrl-C while it waits for its --server, then stops", async () => {
  await Workspace.run(async (work) => {
    const joiner = work.node({ flags: ["--server", `localhost:${freePort()}`] });
    await joiner.logged(/trying again/);
    joiner.child.signal("SIGINT");
    assertEquals(await joiner.child.exit(), 0);
  });
});

/** One clear sentence, and no trace of the program's inside. */
async function assertRefused(node: TestNode, says: RegExp): Promise<void> {
  assertEquals(await node.child.exit(), 1);
  const log = await node.child.stderr();
  const last = log.trimEnd().split("\n").filter((line) => line.startsWith("mydht"));
  assertEquals(last.length, 1, log);
  assertMatch(last[0]!, says);
  for (const trace of ["    at ", "panicked", "Uncaught"]) {
    assertNotEquals([trace, log.includes(trace)], [trace, true]);
  }
}

async function stopped(node: TestNode): Promise<TestNode> {
  node.child.signal("SIGTERM");
  assertEquals(await node.child.exit(), 0);
  return node;
}

/** Every page but the first, turned into noise, as a failing disk may do. */
async function overwritePages(path: string): Promise<void> {
  const { size } = await Deno.stat(path);
  using file = await Deno.open(path, { write: true });
  await file.seek(4096, Deno.SeekMode.Start);
  await file.write(new Uint8Array(size - 4096).fill(0xab));
}

/** As a later version of MyDHT would leave it. */
async function raiseFormat(path: string): Promise<void> {
  using kv = await Deno.openKv(path);
  const identity = encode([99, "store", 1, "localhost:50140"]);
  await kv.set(stateKey("identity", 0), encodeEntry([1, identity]));
}
