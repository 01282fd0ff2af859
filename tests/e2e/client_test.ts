import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually } from "./support/eventually.ts";
import { freePort } from "./support/free_port.ts";
import { ROOT } from "./support/program.ts";
import type { TestNode } from "./support/test_node.ts";
import { type CliRun, Workspace } from "./support/workspace.ts";

const FILE_BYTES = 300_000;

/** A row of the table of the client: what is typed, in both ways of writing it, and what is printed. */
interface Row {
  readonly name: string;
  readonly ways: readonly (readonly string[])[];
  readonly prints: string | RegExp;
  /** More to look at after each way. */
  readonly then?: (work: Workspace, ring: readonly TestNode[], way: number) => Promise<void>;
  /** To be done before each way. */
  readonly given?: (work: Workspace, ring: readonly TestNode[], way: number) => Promise<void>;
}

const put = async (_work: Workspace, ring: readonly TestNode[]) => {
  await ring[0]!.put("mykey", "myvalue");
};

const ROWS: readonly Row[] = [
  {
    name: "put of a value",
    ways: [["-c", "put", "-k", "mykey", "-val", "myvalue"], ["put", "mykey", "myvalue"]],
    prints: "PUT OK mykey\n",
    then: async (_work, ring) => {
      for (const node of ring) assertEquals((await node.get("mykey")).text, "myvalue");
    },
  },
  {
    name: "put with --value",
    ways: [["-c", "put", "-k", "mykey", "--value", "-5"], ["put", "mykey", "--value", "-5"]],
    prints: "PUT OK mykey\n",
    then: async (_work, ring) => assertEquals((await ring[1]!.get("mykey")).text, "-5"),
  },
  {
    name: "put of a file",
    ways: [["-c", "put", "-k", "myfilekey", "-f", "my.bin"], ["put", "myfilekey", "--file", "my.bin"]],
    prints: "PUT OK myfilekey\n",
  },
  {
    name: "get of a value",
    given: put,
    ways: [["-c", "get", "-k", "mykey"], ["get", "mykey"]],
    prints: "myvalue",
  },
  {
    name: "get into a file",
    ways: [
      ["-c", "get", "-k", "myfilekey", "-o", "copy0.bin"],
      ["get", "myfilekey", "-o", "copy1.bin"],
    ],
    prints: "",
    then: async (work, _ring, way) =>
      assertEquals(
        await Deno.readFile(work.path(`copy${way}.bin`)),
        await Deno.readFile(work.path("my.bin")),
      ),
  },
  {
    name: "haskey of a key",
    given: put,
    ways: [["-c", "haskey", "-k", "mykey"], ["haskey", "mykey"]],
    prints: /^1\d{9}\.\d{1,3}\n$/,
  },
  {
    name: "haskey of a key that is not there",
    ways: [["-c", "haskey", "-k", "nokey"], ["haskey", "nokey"]],
    prints: "0.0\n",
  },
  {
    name: "whereis",
    ways: [["-c", "whereis", "-k", "mykey"], ["whereis", "mykey"]],
    prints: /^localhost:\d+, localhost:\d+, localhost:\d+\n$/,
  },
  {
    name: "balance",
    ways: [["-c", "balance"], ["balance"]],
    prints: "BALANCE ok\n",
  },
  {
    name: "purge",
    ways: [["-c", "purge"], ["purge"]],
    prints: "PURGE ok\n",
  },
  {
    name: "del of a key",
    given: put,
    ways: [["-c", "del", "-k", "mykey"], ["del", "mykey"]],
    prints: "DEL OK mykey\n",
    then: async (_work, ring) => {
      for (const node of ring) assertEquals((await node.get("mykey")).status, 404);
    },
  },
];

Deno.test("client given a ring of three nodes", async (t) => {
  await Workspace.run(async (work) => {
    const ring = await work.ring(3);
    const [first] = ring;
    const address = first!.address;
    const ask = (...args: string[]) => work.cli(args, { env: { MYDHT_SERVER: address } });
    await Deno.writeFile(work.path("my.bin"), randomBytes(FILE_BYTES));

    for (const { name, ways, prints, given, then } of ROWS) {
      for (const [way, args] of ways.entries()) {
        await work.step(
          t,
          `client given ${name} written as "${args.join(" ")}", then prints its line`,
          async () => {
            await given?.(work, ring, way);
            assertPrinted(await ask(...args), prints);
            await then?.(work, ring, way);
          },
        );
      }
    }

    for (const way of [["-c", "purge", "-k"], ["purge"]]) {
      await work.step(t, `client given "${way.join(" ")} HOST:PORT", then that node purges`, async () => {
        assertPrinted(await ask(...way, ring[1]!.address), "PURGE ok\n");
      });
    }

    await work.step(t, "client given -h and -p, then asks the node they name", async () => {
      const named = await work.cli([
        "-c",
        "put",
        "-k",
        "a",
        "-val",
        "b",
        "-h",
        "127.0.0.1",
        "-p",
        `${first!.port}`,
      ]);
      assertPrinted(named, "PUT OK a\n");
    });

    await work.step(t, "client given deno task -q cli, then prints the same and nothing else", async () => {
      const command = [
        Deno.execPath(),
        "task",
        "-q",
        "--config",
        `${ROOT}/deno.json`,
        "cli",
        "put",
        "007",
        "-5",
      ];
      const child = work.start("task", command, { MYDHT_SERVER: address });
      assertEquals([await child.exit(), await child.stdout(), await child.stderr()], [0, "PUT OK 007\n", ""]);
      assertEquals((await ask("get", "007")).stdout, "-5");
    });

    await work.step(t, "client given a file on standard input, then stores its bytes", async () => {
      const stdin = randomBytes(200_000);
      const env = { MYDHT_SERVER: address };
      assertPrinted(await work.cli(["put", "stdin", "--file", "-"], { env, stdin }), "PUT OK stdin\n");
      assertEquals((await ask("get", "stdin")).bytes, stdin);
    });

    await work.step(
      t,
      "client given a key that is not there, then is one sentence on stderr and exit 1",
      async () => {
        for (const args of [["get", "nokey"], ["del", "nokey"], ["get", "nokey", "-o", "no.bin"]]) {
          const run = await ask(...args);
          assertEquals(run, { ...run, code: 1, stdout: "" });
          assertEquals(run.stderr, `mydht: there is no key "nokey" (asked ${address})\n`);
        }
      },
    );

    await work.step(
      t,
      "client given a wrong command or flag, then suggests the near word and exits 2",
      async () => {
        const word = await ask("pit", "a", "b");
        assertEquals([word.code, word.stdout], [2, ""]);
        assertMatch(word.stderr, /did you mean "put"\?/);
        const flag = await ask("put", "a", "--vlaue", "b");
        assertEquals([flag.code, flag.stdout], [2, ""]);
        assertMatch(flag.stderr, /--value/);
      },
    );

    await work.step(t, "client given --help and --version, then prints them", async () => {
      for (const args of [["--help"], ["-h"], ["put", "--help"], ["node", "--help"], ["cluster", "--help"]]) {
        const run = await ask(...args);
        assertEquals([run.code, run.stderr], [0, ""]);
        assertMatch(run.stdout, /Usage/);
      }
      assertPrinted(await ask("--version"), /^mydht \d+\.\d+\.\d+\n$/);
    });

    await work.step(t, "ls given keys, then lists them in byte order with size and type", async () => {
      for (const key of ["dir/b", "dir/a", "dis"]) await first!.put(key, "12345");
      const lines = (await ask("ls", "dir/")).stdout.trimEnd().split("\n").map((line) => line.split("\t"));
      assertEquals(lines.map(([key, bytes]) => [key, bytes]), [["dir/a", "5"], ["dir/b", "5"]]);
      const json = (await ask("ls", "dir/", "--json")).stdout.trimEnd().split("\n");
      assertEquals(json.map((line) => JSON.parse(line).key), ["dir/a", "dir/b"]);
    });

    await work.step(t, "nodes given a ring, then lists every node", async () => {
      const expected = ring.map((node) => node.address).sort();
      const lines = (await ask("nodes")).stdout.trimEnd().split("\n").map((line) => line.split("\t"));
      assertEquals(lines.map(([node]) => node), expected);
      const json = JSON.parse((await ask("nodes", "--json")).stdout);
      assertEquals(json.nodes.map((node: { address: string }) => node.address), expected);
    });

    await work.step(t, "status given a ring, then shows it for people and as JSON", async () => {
      const words = await ask("status");
      assertMatch(words.stdout, new RegExp(`node  ${address} .*\nring  3 nodes, 3 copies of each key`, "s"));
      const json = JSON.parse((await ask("status", "--json")).stdout);
      assertEquals([json.self, json.nodes.length, json.replicas], [address, 3, 3]);
    });

    await work.step(t, "upload and download given a directory, then every file comes back", async () => {
      await Deno.mkdir(work.path("tree/below"), { recursive: true });
      await Deno.writeTextFile(work.path("tree/one.txt"), "one");
      await Deno.writeTextFile(work.path("tree/below/two.txt"), "two");
      assertPrinted(await ask("upload", "tree", "--prefix", "up"), /^UPLOAD OK 2 files, 6 B\n$/);
      assertPrinted(await ask("download", "back", "--prefix", "up"), /^DOWNLOAD OK 2 files, 6 B\n$/);
      assertEquals(await Deno.readTextFile(work.path("back/below/two.txt")), "two");
    });

    await work.step(t, "del given a prefix, then deletes only with --yes, and all of it", async () => {
      const refused = await ask("del", "--prefix", "up/");
      assertEquals([refused.code, refused.stdout], [2, ""]);
      assertPrinted(await ask("del", "--prefix", "up/", "--yes"), "DEL OK 2 keys\n");
      assertEquals((await ask("ls", "up/")).stdout, "");
    });

    await work.step(t, "page given a browser, then is HTML that names the ring and its keys", async () => {
      const page = await first!.request("/", { headers: { accept: "text/html,*/*;q=0.8" } });
      assertMatch(page.headers.get("content-type") ?? "", /^text\/html/);
      for (const node of ring) assert(page.text.includes(node.address), node.address);
      assert(page.text.includes("dir/a"));
      assertEquals((await first!.request("/dir/a")).text, "12345");
    });

    await work.step(t, "status given keys, then counts each once", async () => {
      const count = (await first!.keys()).length;
      await eventually("every key is counted", async () => (await first!.status()).keys === count);
    });
  });
});

Deno.test("client given no node at the address, then names it and exits 3", async () => {
  await Workspace.run(async (work) => {
    const port = freePort();
    const run = await work.cli(["get", "mykey", "-p", `${port}`]);
    assertEquals([run.code, run.stdout], [3, ""]);
    assertMatch(run.stderr, new RegExp(`^mydht: cannot reach localhost:${port} in 3 tries .*\n$`));
  });
});

function assertPrinted(run: CliRun, prints: string | RegExp): void {
  assertEquals(run, { ...run, code: 0, stderr: "" });
  if (typeof prints === "string") assertEquals(run.stdout, prints);
  else assertMatch(run.stdout, prints);
}

function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}
