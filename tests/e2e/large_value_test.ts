import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { Child } from "./support/child.ts";
import { eventually } from "./support/eventually.ts";
import { settled, type TestNode } from "./support/test_node.ts";
import { Workspace } from "./support/workspace.ts";

const MIB = 1024 ** 2;
/** More than a node may have beside what it has at rest, were it to gather it. */
const FILE_BYTES = 128 * MIB;
const STDIN_BYTES = 64 * MIB;
/** How long one of these may travel on a machine that has much else to do. */
const TRANSFER_MS = 120_000;
const MAX_MEMORY_BYTES = 300 * MIB;

Deno.test("ring given a large file, then stores and returns it in constant memory, whole or not at all", async (t) => {
  await Workspace.run(async (work) => {
    const ring = await work.ring(3);
    const [first, second, third] = ring as [TestNode, TestNode, TestNode];
    const env = { MYDHT_SERVER: first.address };
    const digests = new Map<string, string>();
    for (const [name, bytes] of [["big", FILE_BYTES], ["piped", STDIN_BYTES]] as const) {
      await writeRandomFile(work.path(`${name}.bin`), bytes);
      digests.set(name, await digestOf(work.path(`${name}.bin`)));
    }

    await work.step(t, "put given a file, then stores it", async () => {
      const child = work.start("put-file", work.cliCommand(["put", "big", "--file", "big.bin"]), env);
      await assertSmall(child);
      assertEquals([await child.exit(), await child.stdout()], [0, "PUT OK big\n"]);
    });

    await work.step(t, "put given a file on standard input, then stores it", async () => {
      const command = [
        "sh",
        "-c",
        'cat piped.bin | "$@"',
        "sh",
        ...work.cliCommand(["put", "piped", "-f", "-"]),
      ];
      const child = work.start("put-stdin", command, env);
      assertEquals([await child.exit(TRANSFER_MS), await child.stdout()], [0, "PUT OK piped\n"]);
    });

    for (const [key, digest] of digests) {
      await work.step(t, `get -o given ${key} at another node, then writes an identical file`, async () => {
        const at = { MYDHT_SERVER: second.address };
        const child = work.start(`get-${key}`, work.cliCommand(["get", key, "-o", `${key}.out`]), at);
        await assertSmall(child);
        assertEquals([await child.exit(), await child.stdout()], [0, ""]);
        assertEquals(await digestOf(work.path(`${key}.out`)), digest);
      });
    }

    await work.step(t, "get given a pipe, then writes the exact bytes", async () => {
      const command = ["sh", "-c", '"$@" | cat > pipe.out', "sh", ...work.cliCommand(["get", "piped"])];
      assertEquals(await work.start("get-pipe", command, env).exit(TRANSFER_MS), 0);
      assertEquals(await digestOf(work.path("pipe.out")), digests.get("piped"));
    });

    await work.step(t, "nodes given all of it, then none has had 300 MiB of memory", () => {
      for (const node of ring) assertMemory(node.child);
    });

    await work.step(t, "put given kill -9 of an owner meanwhile, then stores it all the same", async () => {
      const child = work.start("put-kill", work.cliCommand(["put", "survivor", "-f", "piped.bin"]), env);
      await eventually("the upload is under way", async () => await openUploads(third) > 0);
      await third.kill();
      assertEquals([await child.exit(TRANSFER_MS), await child.stdout()], [0, "PUT OK survivor\n"]);
      third.restart();
      await settled(ring);
      // By itself it fetches the whole file.
      await eventually("it is on the restarted node", async () => {
        const { status } = await third.request("/keys/survivor?consistency=local", { method: "HEAD" });
        return status === 200;
      });
    });

    await work.step(t, "get -o given Ctrl-C, then leaves no file and exits 130", async () => {
      const child = work.start("interrupted", work.cliCommand(["get", "big", "-o", "half/big.out"]), env);
      await Deno.mkdir(work.path("half"), { recursive: true });
      await eventually("the download is under way", () => files(work.path("half")).length > 0);
      child.signal("SIGINT");
      assertEquals(await child.exit(), 130);
      assertEquals(files(work.path("half")), []);
    });

    await work.step(
      t,
      "get -o given a node that dies meanwhile, then leaves no file and says so",
      async () => {
        const child = work.start("cut-short", work.cliCommand(["get", "big", "-o", "half/big.out"]), env);
        await eventually("the download is under way", () => files(work.path("half")).length > 0);
        await first.kill();
        assertEquals(await child.exit(), 1);
        assertMatch(await child.stderr(), /^mydht: The value from .* ended after \d+ bytes/);
        assertEquals(files(work.path("half")), []);
        first.restart();
        await settled(ring);
      },
    );

    await work.step(t, "put given Ctrl-C, then stores nothing", async () => {
      const command = [
        "sh",
        "-c",
        'exec "$@" < /dev/zero',
        "sh",
        ...work.cliCommand(["put", "endless", "-f", "-"]),
      ];
      const child = work.start("endless", command, env);
      await eventually("the upload is under way", async () => await openUploads(second) > 0);
      child.signal("SIGINT");
      assertNotEquals(await child.exit(), 0);
      assertEquals((await second.request("/keys/endless", { method: "HEAD" })).status, 404);
    });
  });
});

/** Watches the memory of a process until it ends. */
async function assertSmall(child: Child): Promise<void> {
  await eventually("it has ended", () => {
    if (child.exitCode !== undefined) return true;
    assertMemory(child);
    return false;
  }, TRANSFER_MS);
}

function assertMemory(child: Child): void {
  if (Deno.build.os !== "linux") return;
  const bytes = child.peakMemoryBytes();
  assert(bytes < MAX_MEMORY_BYTES, `process ${child.pid} had ${Math.round(bytes / MIB)} MiB`);
}

function files(directory: string): string[] {
  return Array.from(Deno.readDirSync(directory), ({ name }) => name);
}

async function openUploads(node: TestNode): Promise<number> {
  const { text } = await node.request("/metrics");
  return Number(/^mydht_\w*uploads\w* (\d+)$/m.exec(text)?.[1] ?? 0);
}

async function writeRandomFile(path: string, bytes: number): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  const part = new Uint8Array(65_536);
  for (let written = 0; written < bytes; written += part.length) {
    await file.write(crypto.getRandomValues(part));
  }
}

async function digestOf(path: string): Promise<string> {
  const { stdout } = await new Deno.Command("sha256sum", { args: ["-b", path] }).output();
  return new TextDecoder().decode(stdout).slice(0, 64);
}
