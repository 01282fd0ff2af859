import { assert, assertEquals } from "@std/assert";
import { freePort } from "./support/free_port.ts";
import { Workspace } from "./support/workspace.ts";

/** A command that gives what it runs a small disk of its own at its first argument; it is gone with the process. */
const SMALL_DISK = [
  "unshare",
  ...(Deno.uid() === 0 ? [] : ["--user", "--map-root-user"]),
  "--mount",
  "sh",
  "-c",
  'mkdir -p "$0" && mount -t tmpfs -o size=6m small "$0" && exec "$@"',
];

/** Whether this machine lets its user have such a disk. */
function canMount(): boolean {
  const directory = Deno.makeTempDirSync({ prefix: "mydht-e2e-" });
  try {
    const [program, ...args] = [...SMALL_DISK, `${directory}/disk`, "true"];
    return new Deno.Command(program!, { args, stderr: "null" }).outputSync().success;
  } catch {
    return false;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test({
  name: "node given a full disk, then refuses writes with 507 and goes on reading",
  ignore: !canMount(),
  fn: () =>
    Workspace.run(async (work) => {
      const port = freePort();
      const node = await work.node({
        port,
        under: [...SMALL_DISK, work.path("disk")],
        flags: ["--data", "disk/data"],
      })
        .ready();
      const acknowledged: string[] = [];
      let refused = await node.put("first", "1");
      assertEquals(refused.status, 200);
      for (let i = 0; refused.status === 200 && i < 1_000; i++) {
        refused = await node.put(`key/${i}`, "x".repeat(30_000));
        if (refused.status === 200) acknowledged.push(`key/${i}`);
      }
      assertEquals([refused.status, JSON.parse(refused.text).code], [507, "disk_full"]);
      assert(acknowledged.length > 10, `${acknowledged.length} keys`);
      assertEquals(refused.headers.get("content-type"), "application/problem+json");

      // A file is no different, and leaves nothing of itself.
      const file = await node.request("/keys/file", { method: "PUT", body: new Uint8Array(3_000_000) });
      assertEquals([file.status, JSON.parse(file.text).code], [507, "disk_full"]);
      assertEquals((await node.get("file")).status, 404);

      for (const key of acknowledged) assertEquals((await node.get(key)).text.length, 30_000);
      assertEquals((await node.keys()).length, acknowledged.length + 1);
      assertEquals((await node.request("/readyz")).status, 200);
      assertEquals((await node.status()).keys, acknowledged.length + 1);
      const command = await work.cli(["put", "a", "x".repeat(30_000)], {
        env: { MYDHT_SERVER: node.address },
      });
      assertEquals([command.code, command.stdout, /disk/.test(command.stderr)], [1, "", true]);
      assertEquals(node.child.exitCode, undefined);
      node.child.signal("SIGTERM");
      assertEquals(await node.child.exit(), 0);
    }),
});
