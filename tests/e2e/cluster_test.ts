import { assertEquals, assertMatch } from "@std/assert";
import type { RingAnswer } from "../../lib/api.ts";
import type { Child } from "./support/child.ts";
import { eventually } from "./support/eventually.ts";
import { freePort, freePorts } from "./support/free_port.ts";
import { ROOT } from "./support/program.ts";
import { Workspace } from "./support/workspace.ts";

const CONFIG = `${ROOT}/deno.json`;

Deno.test("deno task cluster given Ctrl-C, then stops all nodes without leaving, and starts again with the data", async () => {
  await Workspace.run(async (work) => {
    const ports = freePorts(3);
    const first = `localhost:${ports[0]}`;
    const start = (name: string) =>
      inItsOwnGroup(work, name, "cluster", "--port", `${ports[0]}`, "--data", work.path("data"));
    const addresses = ports.map((port) => `localhost:${port}`);

    const cluster = start("first");
    await ready(cluster, addresses);
    assertMatch(await cluster.stdout(), new RegExp(`^${ports[2]} \\| .*Joined the ring`, "m"));
    const put = await work.cli(["put", "a", "b"], { env: { MYDHT_SERVER: first } });
    assertEquals(put.stdout, "PUT OK a\n");
    const { ring } = await ringOf(first);

    await interruptAsTerminal(cluster);
    assertEquals(await cluster.exit(), 0);
    for (const port of ports) await assertFree(port);
    assertEquals((await cluster.stdout()).includes("Left the ring"), false);

    const again = start("again");
    await ready(again, addresses);
    assertEquals((await ringOf(first)).ring, ring);
    for (const address of addresses) {
      const get = await work.cli(["get", "a"], { env: { MYDHT_SERVER: address } });
      assertEquals([get.code, get.stdout], [0, "b"]);
    }
    await interruptAsTerminal(again);
    assertEquals(await again.exit(), 0);
  });
});

Deno.test("deno task cluster given a number of nodes that is none, then says so and exits 2", async () => {
  await Workspace.run(async (work) => {
    const cluster = inItsOwnGroup(work, "cluster", "cluster", "--nodes", "none");
    assertEquals(await cluster.exit(), 2);
    assertMatch(await cluster.stderr(), /--nodes: "none" is not a number of nodes/);
  });
});

Deno.test("deno task node given Ctrl-C at a terminal, then leaves its ring and exits 0", async () => {
  await Workspace.run(async (work) => {
    const stays = await work.node().ready();
    const port = freePort();
    const data = work.path("data");
    const leaver = inItsOwnGroup(
      work,
      "node",
      "node",
      "--port",
      `${port}`,
      "--data",
      data,
      "-s",
      stays.address,
    );
    await eventually("it has joined", async () => {
      const { nodes, changing } = await stays.ring();
      return nodes.length === 2 && !changing;
    });
    await stays.put("a", "b");
    await interruptAsTerminal(leaver);
    assertEquals(await leaver.exit(), 0);
    assertEquals((await stays.ring()).nodes.map((node) => node.address), [stays.address]);
    assertEquals((await stays.get("a")).text, "b");
  });
});

/** A task as a shell at a terminal starts it. */
function inItsOwnGroup(work: Workspace, name: string, task: string, ...flags: string[]): Child {
  return work.start(name, ["setsid", Deno.execPath(), "task", "--config", CONFIG, task, ...flags]);
}

/** A terminal sends Ctrl-C to every process of the group. */
async function interruptAsTerminal(leader: Child): Promise<void> {
  await new Deno.Command("kill", { args: ["-INT", "--", `-${leader.pid}`] }).output();
}

async function ready(cluster: Child, addresses: readonly string[]): Promise<void> {
  const output = await eventually("the cluster is ready", async () => {
    if (cluster.exitCode !== undefined) throw new Error(`it ended with ${cluster.exitCode}`);
    const text = await cluster.stdout();
    return text.includes("Ctrl-C stops them") && text;
  });
  for (const address of addresses) assertMatch(output, new RegExp(`^ {2}http://${address}/$`, "m"));
  await eventually("every node shows the same ring", async () => {
    const rings = await Promise.all(addresses.map(ringOf));
    return rings.every(({ nodes, changing }) => !changing && nodes.length === addresses.length);
  });
}

async function ringOf(address: string): Promise<RingAnswer> {
  return await (await fetch(`http://${address}/nodes`)).json();
}

/** Nothing listens there any more. */
async function assertFree(port: number): Promise<void> {
  await eventually(`port ${port} is free`, () => {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  });
}
