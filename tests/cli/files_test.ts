import { assertEquals } from "@std/assert";
import { ok, problem, refused, type Reply, value } from "../client/fakes.ts";
import { run } from "./fake_io.ts";

const PUT_OK: Reply = (request) =>
  Response.json({ key: "k", timestamp: 1, version: "v", size: request.body.length, replicas: [] });

/** Runs a test in a directory of its own. */
async function inDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Names of everything in a directory. */
function namesIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
}

// get -o

Deno.test("get -o given a value, then the file has its bytes and nothing is printed", () =>
  inDirectory(async (dir) => {
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i * 7);
    const { code, stdout, stderr } = await run(["get", "k", "-o", `${dir}/copy.bin`], [value(bytes)]);
    assertEquals([code, stdout, stderr], [0, "", ""]);
    assertEquals(await Deno.readFile(`${dir}/copy.bin`), bytes);
    assertEquals(namesIn(dir), ["copy.bin"]);
  }));

Deno.test("get -o given a file that is there, then replaces it, and a link to one goes on leading to it", () =>
  inDirectory(async (dir) => {
    await Deno.writeTextFile(`${dir}/real`, "old");
    await Deno.symlink(`${dir}/real`, `${dir}/link`);
    assertEquals((await run(["get", "k", "-o", `${dir}/link`], [value("new")])).code, 0);
    assertEquals(await Deno.readTextFile(`${dir}/real`), "new");
    assertEquals((await Deno.lstat(`${dir}/link`)).isSymlink, true);
    assertEquals(namesIn(dir), ["link", "real"]);
  }));

Deno.test("get -o given a value that is damaged, cut short or missing, then the old file stays as it was", () =>
  inDirectory(async (dir) => {
    const rows: [Reply, string][] = [
      [
        value("new", { "repr-digest": `sha-256=:${"A".repeat(43)}=:` }),
        "mydht: The value from localhost:50140 does not match its checksum: it was damaged on the way; get it again, or from another node\n",
      ],
      [
        value("new", { "content-length": "4" }),
        "mydht: The value from localhost:50140 ended after 3 bytes: it has 4\n",
      ],
      [problem(404, "key_not_found"), 'mydht: there is no key "k" (asked localhost:50140)\n'],
    ];
    for (const [reply, message] of rows) {
      await Deno.writeTextFile(`${dir}/copy`, "old");
      const { code, stderr } = await run(["get", "k", "-o", `${dir}/copy`], [reply]);
      assertEquals([code, stderr], [1, message]);
      assertEquals(await Deno.readTextFile(`${dir}/copy`), "old");
      assertEquals(namesIn(dir), ["copy"]);
    }
  }));

Deno.test("get -o given Ctrl-C in the middle, then nothing unfinished stays behind", () =>
  inDirectory(async (dir) => {
    const ending = new AbortController();
    const seen: string[] = [];
    let pulls = 0;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        if (pulls++ === 0) return controller.enqueue(new Uint8Array(10));
        await new Promise((resolve) => setTimeout(resolve, 1));
        seen.push(...namesIn(dir));
        ending.abort();
      },
    }, { highWaterMark: 0 });
    const { code, stderr } = await run(["get", "k", "-o", `${dir}/copy`], [() => new Response(body)], {
      interrupt: ending.signal,
    });
    assertEquals([code, stderr, seen, namesIn(dir)], [
      130,
      "mydht: interrupted\n",
      [".mydht-000000000000.part"],
      [],
    ]);
  }));

Deno.test("get -o given what cannot be written, then says why and asks for no more", () =>
  inDirectory(async (dir) => {
    const rows = [
      [dir, "it is a directory"],
      [`${dir}/no/such`, "there is no such file or directory"],
    ];
    for (const [path, reason] of rows) {
      const { code, stderr } = await run(["get", "k", "-o", path!], [value("v")]);
      assertEquals([code, stderr], [1, `mydht: cannot write ${path}: ${reason}\n`]);
    }
    assertEquals(namesIn(dir), []);
  }));

// A pipe of its own, not a device of the machine: a program that is wrong here replaces what it is given.
Deno.test("get -o given a pipe, then writes to it and does not replace it", () =>
  inDirectory(async (dir) => {
    const made = await new Deno.Command("mkfifo", { args: [`${dir}/pipe`] }).output();
    assertEquals(made.success, true);
    // Opened for both, so that neither end waits for the other.
    using pipe = await Deno.open(`${dir}/pipe`, { read: true, write: true });
    assertEquals((await run(["get", "k", "-o", `${dir}/pipe`], [value("through")])).code, 0);
    assertEquals((await Deno.lstat(`${dir}/pipe`)).isFifo, true);
    const bytes = new Uint8Array(16);
    assertEquals(new TextDecoder().decode(bytes.subarray(0, (await pipe.read(bytes))!)), "through");
    assertEquals(namesIn(dir), ["pipe"]);
  }));

// put --file

Deno.test("put --file given files small and large, then sends their bytes, size and type", () =>
  inDirectory(async (dir) => {
    const rows = [
      ["page.HTML", 0, "text/html; charset=utf-8"],
      ["image.png", 1000, "image/png"],
      ["README", 256 * 1024, "application/octet-stream"],
      ["large.json", 256 * 1024 + 1, "application/json"],
      ["a.b/noext", 5, "application/octet-stream"],
      ["x.unheardof", 5, "application/octet-stream"],
    ] as const;
    await Deno.mkdir(`${dir}/a.b`);
    for (const [name, size, type] of rows) {
      const bytes = Uint8Array.from({ length: size }, (_, i) => i * 31);
      await Deno.writeFile(`${dir}/${name}`, bytes);
      const { code, stdout, sent } = await run(["put", "k", "--file", `${dir}/${name}`], [PUT_OK]);
      assertEquals([code, stdout], [0, "PUT OK k\n"], name);
      assertEquals(sent[0]!.body, bytes, name);
      assertEquals([sent[0]!.headers.get("content-type"), sent[0]!.headers.get("content-length")], [
        type,
        String(size),
      ], name);
    }
  }));

Deno.test("put --file given --type, then sends that type", () =>
  inDirectory(async (dir) => {
    await Deno.writeTextFile(`${dir}/a.png`, "x");
    const { sent } = await run(["put", "k", "-f", `${dir}/a.png`, "--type", "text/csv"], [PUT_OK]);
    assertEquals(sent[0]!.headers.get("content-type"), "text/csv");
  }));

Deno.test("put --file given a large file, when the first try is refused, then sends all of it again", () =>
  inDirectory(async (dir) => {
    await Deno.writeFile(`${dir}/a`, new Uint8Array(300_000));
    const { code, sent } = await run(["put", "k", "-f", `${dir}/a`], [refused, PUT_OK]);
    assertEquals([code, sent.map(({ body }) => body.length)], [0, [300_000, 300_000]]);
  }));

Deno.test("put --file given what cannot be read, then says why and sends nothing", () =>
  inDirectory(async (dir) => {
    const rows = [
      [`${dir}/nowhere`, `cannot read ${dir}/nowhere: there is no such file or directory`],
      [dir, `cannot put ${dir}: it is a directory; "mydht upload" takes those`],
    ];
    for (const [path, message] of rows) {
      const { code, stderr, sent } = await run(["put", "k", "-f", path!], [PUT_OK]);
      assertEquals([code, stderr, sent.length], [1, `mydht: ${message}\n`, 0]);
    }
  }));

Deno.test("put --file - given standard input, then sends it as a stream of octets", async () => {
  const { sent } = await run(["put", "k", "-f", "-"], [PUT_OK], { stdin: "from a pipe" });
  assertEquals(new TextDecoder().decode(sent[0]!.body), "from a pipe");
  assertEquals([sent[0]!.headers.get("content-type"), sent[0]!.headers.get("content-length")], [
    "application/octet-stream",
    null,
  ]);
});

// upload and download

/** A server that keeps what is put, and lists and gives it. */
function store(stored: Map<string, string> = new Map()): { reply: Reply; stored: Map<string, string> } {
  const reply: Reply = (request, signal) => {
    const url = new URL(request.url);
    if (url.pathname === "/keys") {
      const prefix = url.searchParams.get("prefix")!;
      const keys = [...stored].filter(([key]) => key.startsWith(prefix)).sort();
      return ok({ keys: keys.map(([key, text]) => ({ key, size: text.length })), next: null })(
        request,
        signal,
      );
    }
    const key = decodeURIComponent(url.pathname.slice("/keys/".length));
    if (request.method === "PUT") {
      stored.set(key, new TextDecoder().decode(request.body));
      return PUT_OK(request, signal);
    }
    const text = stored.get(key);
    return text === undefined ? problem(404, "key_not_found")(request, signal) : value(text)(request, signal);
  };
  return { reply, stored };
}

Deno.test("upload given a directory, then every file is stored under its path", () =>
  inDirectory(async (dir) => {
    await Deno.mkdir(`${dir}/in/sub/empty`, { recursive: true });
    await Deno.writeTextFile(`${dir}/in/a.txt`, "A");
    await Deno.writeTextFile(`${dir}/in/sub/b c.txt`, "BB");
    const plain = store();
    assertEquals((await run(["upload", `${dir}/in`], [plain.reply])).stdout, "UPLOAD OK 2 files, 3 B\n");
    assertEquals([...plain.stored].sort(), [["a.txt", "A"], ["sub/b c.txt", "BB"]]);
    const prefixed = store();
    await run(["upload", `${dir}/in`, "--prefix", "p"], [prefixed.reply]);
    assertEquals([...prefixed.stored.keys()].sort(), ["p/a.txt", "p/sub/b c.txt"]);
  }));

Deno.test("upload given what is no file, then reports and skips it and exits with 1", () =>
  inDirectory(async (dir) => {
    await Deno.mkdir(`${dir}/in`);
    await Deno.writeTextFile(`${dir}/in/a`, "A");
    await Deno.symlink("a", `${dir}/in/link`);
    await Deno.symlink("nowhere", `${dir}/in/dangling`);
    await Deno.symlink(dir, `${dir}/in/up`);
    const { reply, stored } = store();
    const { code, stdout, stderr } = await run(["upload", `${dir}/in`], [reply]);
    assertEquals([code, stdout], [1, "UPLOAD 2 files, 2 B; 2 skipped\n"]);
    assertEquals(
      stderr,
      `mydht: skipped ${dir}/in/dangling: there is no such file or directory\n` +
        `mydht: skipped ${dir}/in/up: it is a link to a directory\n`,
    );
    assertEquals([...stored.keys()].sort(), ["a", "link"]);
  }));

Deno.test("upload given a file that the node refuses, then the others are stored and it exits with 1", () =>
  inDirectory(async (dir) => {
    for (const name of ["a", "b", "c"]) await Deno.writeTextFile(`${dir}/${name}`, name);
    const { reply, stored } = store();
    const picky: Reply = (request, signal) =>
      request.url.endsWith("/b")
        ? problem(413, "body_too_large", "Cannot store it")(request, signal)
        : reply(request, signal);
    const { code, stdout, stderr } = await run(["upload", dir, "--json"], [picky]);
    assertEquals([code, stdout, stderr], [
      1,
      '{"files":2,"bytes":2,"failed":1,"skipped":0}\n',
      'mydht: cannot upload "b": Cannot store it\n',
    ]);
    assertEquals([...stored.keys()].sort(), ["a", "c"]);
  }));

Deno.test("upload given no node there, then stops with one sentence and 3", () =>
  inDirectory(async (dir) => {
    for (let i = 0; i < 20; i++) await Deno.writeTextFile(`${dir}/${i}`, "x");
    const { code, stdout, stderr, sent } = await run(["upload", dir], [refused]);
    assertEquals([code, stdout, stderr.split("\n").length], [3, "", 2]);
    assertEquals(sent.length, 12, "four at a time, three tries each");
  }));

Deno.test("upload given what is no directory, then says so", async () => {
  const { code, stderr } = await run(["upload", "no/such/directory"], [PUT_OK]);
  assertEquals([code, stderr], [
    1,
    "mydht: cannot read the directory no/such/directory: there is no such file or directory\n",
  ]);
});

Deno.test("download given a folder of keys, then each is a file below the directory", () =>
  inDirectory(async (dir) => {
    const { reply } = store(new Map([["p/a.txt", "A"], ["p/sub/b", "BB"], ["px", "no"]]));
    const { code, stdout } = await run(["download", `${dir}/new/out`, "--prefix", "p"], [reply]);
    assertEquals([code, stdout], [0, "DOWNLOAD OK 2 files, 3 B\n"]);
    assertEquals(await Deno.readTextFile(`${dir}/new/out/a.txt`), "A");
    assertEquals(await Deno.readTextFile(`${dir}/new/out/sub/b`), "BB");
    assertEquals(namesIn(`${dir}/new/out`), ["a.txt", "sub"]);
  }));

Deno.test("download given keys that have no place, then reports and skips them and exits with 1", () =>
  inDirectory(async (dir) => {
    const { reply } = store(new Map([["p/a", "1"], ["p/a/b", "2"], ["p//etc/x", "3"], ["p/ok", "4"]]));
    const { code, stdout, stderr } = await run(["download", `${dir}/out`, "--prefix", "p/"], [reply]);
    assertEquals([code, stdout], [1, "DOWNLOAD 2 files, 2 B; 2 skipped\n"]);
    assertEquals(
      stderr,
      'mydht: skipped "p//etc/x": its path is absolute\n' +
        'mydht: skipped "p/a": other keys need a directory of that name\n',
    );
    assertEquals(namesIn(`${dir}/out`), ["a", "ok"]);
  }));

Deno.test("download given links in the directory, then none of them is followed out of it", () =>
  inDirectory(async (dir) => {
    await Deno.mkdir(`${dir}/out`);
    await Deno.mkdir(`${dir}/elsewhere`);
    await Deno.writeTextFile(`${dir}/secret`, "mine");
    await Deno.symlink(`${dir}/elsewhere`, `${dir}/out/sub`);
    await Deno.symlink(`${dir}/secret`, `${dir}/out/file`);
    const { reply } = store(new Map([["sub/x", "1"], ["file", "2"]]));
    const { code, stdout, stderr } = await run(["download", `${dir}/out`, "--prefix", ""], [reply]);
    assertEquals([code, stdout], [1, "DOWNLOAD 0 files, 0 B; 2 failed\n"]);
    assertEquals(stderr.split("\n").filter(Boolean).sort(), [
      `mydht: cannot download "file": ${dir}/out/file is a link, which may lead elsewhere`,
      `mydht: cannot download "sub/x": ${dir}/out/sub is a link, which may lead elsewhere`,
    ]);
    assertEquals([await Deno.readTextFile(`${dir}/secret`), namesIn(`${dir}/elsewhere`)], ["mine", []]);
  }));

Deno.test("download given a file where a directory is needed, then that key fails and the others go on", () =>
  inDirectory(async (dir) => {
    await Deno.writeTextFile(`${dir}/a`, "file");
    const { reply } = store(new Map([["a/b", "1"], ["c", "2"]]));
    const { code, stdout, stderr } = await run(["download", dir, "--prefix", ""], [reply]);
    assertEquals([code, stdout, stderr], [
      1,
      "DOWNLOAD 1 file, 1 B; 1 failed\n",
      `mydht: cannot download "a/b": ${dir}/a is a file already\n`,
    ]);
  }));

Deno.test("download given a folder without keys, then says so", async () => {
  const { code, stderr } = await run(["download", "out", "--prefix", "nothing"], [store().reply]);
  assertEquals([code, stderr], [1, 'mydht: there are no keys that begin with "nothing/"\n']);
});
