import { assertEquals, assertMatch } from "@std/assert";
import { settled, type TestNode } from "./support/test_node.ts";
import { Workspace } from "./support/workspace.ts";

const SECRET = "correct-horse-battery-staple";
const env = { MYDHT_SECRET: SECRET };

Deno.test("ring given a secret, then only who knows it joins it or changes it", async () => {
  await Workspace.run(async (work) => {
    await Deno.writeTextFile(work.path("ring.secret"), `${SECRET}\n`);
    const ring = await work.ring(2, { flags: ["--secret-file", "ring.secret"] });
    const [first, second] = ring as [TestNode, TestNode];

    for (const stranger of [{}, { MYDHT_SECRET: "another-secret-altogether" }]) {
      const node = work.node({ flags: ["--server", first.address], env: stranger });
      await node.logged(/Cannot join the ring .*secret.*trying again/i);
      assertEquals((await first.ring()).nodes.length, 2);
      await node.kill();
    }

    const third = work.node({ flags: ["--server", first.address], env });
    await settled([first, second, third]);
    assertEquals((await third.put("a", "b")).status, 200);
    assertEquals((await second.get("a")).text, "b");

    for (
      const [method, path] of [["POST", "/balance"], ["POST", "/purge"], ["POST", "/leave"], [
        "DELETE",
        `/nodes/${second.address}`,
      ], ["POST", "/nodes"]] as const
    ) {
      for (const authorization of ["", "Bearer wrong"]) {
        const refused = await first.request(path, {
          method,
          headers: authorization ? { authorization } : {},
        });
        assertEquals([path, refused.status], [path, 401]);
        assertEquals(JSON.parse(refused.text).code, "unauthorized");
      }
    }
    assertEquals((await first.ring()).nodes.length, 3);

    const server = { MYDHT_SERVER: first.address };
    const without = await work.cli(["balance"], { env: server });
    assertEquals([without.code, without.stdout], [1, ""]);
    assertMatch(without.stderr, /--secret-file FILE or MYDHT_SECRET/);
    for (
      const way of [{ args: [], env: { ...server, ...env } }, {
        args: ["--secret-file", "ring.secret"],
        env: server,
      }]
    ) {
      const run = await work.cli(["balance", ...way.args], { env: way.env });
      assertEquals([run.code, run.stdout, run.stderr], [0, "BALANCE ok\n", ""]);
    }
    for (const node of ring) assertEquals((await node.child.stderr()).includes(SECRET), false);
  });
});

Deno.test("node given all addresses, --advertise and a secret, then is known and reached by that name", async () => {
  await Workspace.run(async (work) => {
    const flags = (port: number) => ["-h", "0.0.0.0", "--advertise", `127.0.0.1:${port}`];
    const first = await work.node({ flags: (port) => flags(port), env }).ready();
    const second = work.node({ flags: (port) => [...flags(port), "-s", `127.0.0.1:${first.port}`], env });
    await settled([first, second], (node) => `127.0.0.1:${node.port}`);
    assertEquals((await second.put("a", "b")).status, 200);
  });
});
