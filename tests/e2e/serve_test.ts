import { dirname } from "node:path";
import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Child } from "./support/child.ts";
import { eventually } from "./support/eventually.ts";
import { freePort, freePorts } from "./support/free_port.ts";
import { ROOT } from "./support/program.ts";
import { Workspace } from "./support/workspace.ts";

/** What `deno task serve` runs. It is plain shell, run by one here, so that signals reach the program itself. */
const TASK: string = JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`)).tasks.serve.command;
const PATH = `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`;

function serve(work: Workspace, env: Readonly<Record<string, string>>, command = TASK): Child {
  return work.start("serve", ["sh", "-c", `cd "${ROOT}" && exec ${command}`], { PATH, ...env });
}

/** Waits until the node answers, or ends. */
async function ready(child: Child, port: number): Promise<void> {
  await eventually("the node is ready", async () => {
    if (child.exitCode !== undefined) throw new Error(`it ended with ${child.exitCode}`);
    return (await request(port, "/readyz")).status === 200;
  });
}

async function request(port: number, path: string, init: RequestInit = {}) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
  return { status: response.status, text: await response.text() };
}

Deno.test("deno serve given a key and a restart on its data, then still has the key", async () => {
  await Workspace.run(async (work) => {
    const port = freePort();
    const env = { MYDHT_PORT: `${port}`, MYDHT_DATA: work.path("data") };
    for (const run of ["first", "second"]) {
      const child = serve(work, env);
      await ready(child, port);
      if (run === "first") {
        assertEquals((await request(port, "/keys/a", { method: "PUT", body: "1" })).status, 200);
      }
      assertEquals(await request(port, "/keys/a"), { status: 200, text: "1" });
      child.signal("SIGTERM");
      assertEquals(await child.exit(), 0);
    }
  });
});

Deno.test("deno serve given no request yet, when it gets SIGTERM, then exits 0", async () => {
  await Workspace.run(async (work) => {
    const child = serve(work, { MYDHT_PORT: `${freePort()}`, MYDHT_DATA: work.path("data") });
    await eventually("it listens", async () => (await child.stderr()).includes("Listening on"));
    child.signal("SIGTERM");
    assertEquals(await child.exit(), 0);
  });
});

Deno.test("deno serve given MYDHT_JOIN, then both nodes hold and serve the keys of the ring", async () => {
  await Workspace.run(async (work) => {
    const [port, other] = freePorts(2) as [number, number];
    const node = await work.node({ port: other }).ready();
    await node.put("a", "1");
    const child = serve(work, {
      MYDHT_PORT: `${port}`,
      MYDHT_DATA: work.path("data"),
      MYDHT_JOIN: node.address,
    });
    await ready(child, port);
    await eventually("the ring has both", async () => (await node.ring()).nodes.length === 2);
    await eventually(
      "the key is on it",
      async () => (await request(port, "/keys/a?consistency=local")).text === "1",
    );
    child.signal("SIGTERM");
    assertEquals(await child.exit(), 0);
    assertEquals((await node.ring()).nodes.length, 2);
  });
});

Deno.test("deno serve given an address of other machines and no secret, then exits 2 and says what to set", async () => {
  await Workspace.run(async (work) => {
    const port = freePort();
    const open = TASK.replace(/--host "\$\(.*?\)"/, "--host 0.0.0.0");
    const child = serve(work, { MYDHT_PORT: `${port}`, MYDHT_DATA: work.path("data") }, open);
    assertEquals(await child.exit(), 2);
    assertStringIncludes(await child.stderr(), "MYDHT_SECRET");
  });
});

Deno.test("deno serve given another port than MYDHT_PORT, then exits 2 and says what to set", async () => {
  await Workspace.run(async (work) => {
    const [port, other] = freePorts(2) as [number, number];
    const elsewhere = TASK.replace(/--port "\$\(.*?\)"/, `--port ${other}`);
    const child = serve(work, { MYDHT_PORT: `${port}`, MYDHT_DATA: work.path("data") }, elsewhere);
    assertEquals(await child.exit(), 2);
    assertStringIncludes(await child.stderr(), `set MYDHT_PORT=${other}`);
  });
});
