import { assertEquals, assertRejects } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import type { RingAnswer, StatusAnswer, TaskAnswer } from "../../lib/api.ts";
import { FailedError } from "../../lib/cli/failures.ts";
import { output } from "../../lib/cli/io.ts";
import { ok, problem, refused, type Reply, silent, value } from "../client/fakes.ts";
import { run, type RunOptions } from "./fake_io.ts";

const PUT_ANSWER = {
  key: "mykey",
  timestamp: 1.5,
  version: "1500-0-a.1",
  size: 7,
  replicas: ["localhost:50140"],
};

const TASK: TaskAnswer = {
  id: "t1",
  kind: "balance",
  done: true,
  compared: 9,
  sent: 2,
  fetched: 1,
  dropped: 0,
  failed: 0,
  error: null,
  started: 1,
  ended: 2,
};

const RING: RingAnswer = {
  ring: "r1",
  self: "localhost:50140",
  replicas: 3,
  partitions: 64,
  layout: "l1",
  changing: false,
  nodes: [
    node("localhost:50140", { ownedPartitions: 64, primaryPartitions: 40 }),
    node("localhost:50141", { state: "joining", reachable: false, synced: false }),
  ],
};

function node(address: string, differs: Partial<RingAnswer["nodes"][number]>): RingAnswer["nodes"][number] {
  return {
    address,
    url: `http://${address}/`,
    state: "up",
    reachable: true,
    trouble: null,
    synced: true,
    primaryPartitions: 0,
    ownedPartitions: 0,
    storeId: "s",
    weight: 1,
    zone: null,
    ...differs,
  };
}

const STATUS: StatusAnswer = {
  ...RING,
  software: "MyDHT 0.1.0",
  uptimeSeconds: 11_520,
  keys: 1,
  bytes: 1_500_000,
  countsComplete: true,
  localKeys: 2,
  localComplete: true,
  localBytes: 20,
  change: null,
  health: {
    unreadable: 0,
    unwritable: 0,
    thin: 64,
    thinPartitions: [0, 1, 2],
    missing: ["localhost:50141"],
    spareToRead: 0,
    spareToWrite: 0,
  },
  notes: [],
  warnings: ["localhost:50141 does not answer"],
  oldestVerifiedSeconds: 75,
  unverifiedPartitions: 0,
  background: [
    {
      name: "hints",
      running: true,
      done: 12,
      left: 1,
      unit: "records",
      bytes: 2_000_000,
      bytesPerSecond: 1_500_000,
      failed: 0,
      error: null,
      completed: null,
    },
    {
      name: "transfer",
      running: false,
      done: 3,
      left: 0,
      unit: "partitions",
      bytes: 0,
      bytesPerSecond: 0,
      failed: 1,
      error: null,
      completed: 1_750_000_000.25,
    },
  ],
};

const KEYS = {
  keys: [
    { key: "a/b", size: 1500, timestamp: 1_750_000_000.25, type: "text/plain", version: "v" },
    { key: "line\nfeed\u001b[31m", size: 0, timestamp: 1_750_000_001, type: "image/png", version: "v" },
  ],
  next: null,
};

interface Row {
  readonly name: string;
  readonly args: readonly string[];
  readonly replies?: readonly Reply[];
  readonly options?: RunOptions;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly code?: number;
  /** `METHOD path` of the first request. */
  readonly sends?: string;
}

const missing = problem(404, "key_not_found");

const ROWS: readonly Row[] = [
  // The table of commands, in both ways of writing
  ...both("put", ["-c", "put", "-k", "mykey", "-val", "myvalue"], ["put", "mykey", "myvalue"], {
    replies: [ok(PUT_ANSWER)],
    stdout: "PUT OK mykey\n",
    sends: "PUT /keys/mykey",
  }),
  {
    name: "put with a consistency",
    args: ["put", "mykey", "myvalue", "--consistency", "strong"],
    replies: [ok(PUT_ANSWER)],
    stdout: "PUT OK mykey\n",
    sends: "PUT /keys/mykey?consistency=strong",
  },
  {
    name: "get with a consistency",
    args: ["get", "mykey", "--consistency=one"],
    replies: [value("x")],
    stdout: "x",
    sends: "GET /keys/mykey?consistency=one",
  },
  {
    name: "del with a consistency",
    args: ["-c", "del", "-k", "mykey", "--consistency", "all"],
    replies: [ok(PUT_ANSWER)],
    stdout: "DEL OK mykey\n",
    sends: "DELETE /keys/mykey?consistency=all",
  },
  {
    name: "put with a consistency of reads",
    args: ["put", "mykey", "myvalue", "--consistency", "one"],
    stderr:
      "mydht: --consistency one is for get: a write is acknowledged by a majority of the owners at least\n",
    code: 2,
  },
  {
    name: "get with a consistency that is none",
    args: ["get", "mykey", "--consistency", "most"],
    stderr: "mydht: --consistency most: it is one of quorum, strong, all, one, local\n",
    code: 2,
  },
  ...both("get", ["-c", "get", "-k", "mykey"], ["get", "mykey"], {
    replies: [value("myvalue")],
    stdout: "myvalue",
    sends: "GET /keys/mykey",
  }),
  ...both("del", ["-c", "del", "-k", "mykey"], ["del", "mykey"], {
    replies: [ok(PUT_ANSWER)],
    stdout: "DEL OK mykey\n",
    sends: "DELETE /keys/mykey",
  }),
  ...both("haskey", ["-c", "haskey", "-k", "mykey"], ["haskey", "mykey"], {
    replies: [ok({ key: "mykey", timestamp: 1_750_000_000.123 })],
    stdout: "1750000000.123\n",
    sends: "GET /haskey/mykey",
  }),
  ...both("whereis", ["-c", "whereis", "-k", "mykey"], ["whereis", "mykey"], {
    replies: [
      ok({ key: "mykey", partition: 3, nodes: ["localhost:50142", "localhost:50140", "localhost:50143"] }),
    ],
    stdout: "localhost:50142, localhost:50140, localhost:50143\n",
    sends: "GET /whereis/mykey",
  }),
  ...both("balance", ["-c", "balance"], ["balance"], {
    replies: [ok(TASK)],
    stdout: "BALANCE ok\n",
    sends: "POST /balance",
  }),
  ...both("purge", ["-c", "purge"], ["purge"], {
    replies: [ok(TASK)],
    stdout: "PURGE ok\n",
    sends: "POST /purge",
  }),
  ...both("purge of a node", ["-c", "purge", "-k", "localhost:50141"], ["purge", "localhost:50141"], {
    replies: [ok(TASK)],
    stdout: "PURGE ok\n",
    sends: "POST http://localhost:50141/purge",
  }),
  ...both("remove", ["-c", "remove", "-k", "localhost:50141"], ["remove", "localhost:50141"], {
    replies: [ok(RING)],
    stdout: "REMOVE ok\n",
    sends: "DELETE /nodes/localhost:50141",
  }),
  {
    name: "leave",
    args: ["leave", "localhost:50141"],
    replies: [ok(TASK)],
    stdout: "LEAVE ok\n",
    sends: "POST http://localhost:50141/leave",
  },
  // Details of their outputs
  {
    name: "haskey without a copy",
    args: ["haskey", "k"],
    replies: [ok({ key: "k", timestamp: 0 })],
    stdout: "0.0\n",
  },
  {
    name: "haskey at a whole second",
    args: ["haskey", "k"],
    replies: [ok({ key: "k", timestamp: 1_750_000_000 })],
    stdout: "1750000000.0\n",
  },
  {
    name: "a key that would forge a line",
    args: ["put", "a\nPUT OK b", "v"],
    replies: [ok(PUT_ANSWER)],
    stdout: "PUT OK a\\nPUT OK b\n",
  },
  { name: "get of an empty value into a pipe", args: ["get", "k"], replies: [value("")], stdout: "" },
  {
    name: "get of binary into a pipe",
    args: ["get", "k"],
    replies: [value(Uint8Array.of(0x41, 0, 0x42))],
    stdout: "A\0B",
  },
  {
    name: "get on a terminal",
    args: ["get", "k"],
    replies: [value("hi")],
    options: { terminal: true },
    stdout: "hi\n",
  },
  {
    name: "get on a terminal of a value with a newline",
    args: ["get", "k"],
    replies: [value("hi\n")],
    options: { terminal: true },
    stdout: "hi\n",
  },
  {
    name: "get on a terminal of 1 KiB",
    args: ["get", "k"],
    replies: [value("x".repeat(1024))],
    options: { terminal: true },
    stdout: `${"x".repeat(1024)}\n`,
  },
  {
    name: "get on a terminal of more than 1 KiB",
    args: ["get", "k"],
    replies: [value("x".repeat(1025))],
    options: { terminal: true },
    stderr:
      'mydht: the value of "k" is 1 kB long: write it to a file with -o FILE, or send it through a pipe\n',
    code: 1,
  },
  {
    name: "get on a terminal of what would command it",
    args: ["get", "k"],
    replies: [value("\u001b[2J")],
    options: { terminal: true },
    stderr:
      'mydht: the value of "k" is not plain text: write it to a file with -o FILE, or send it through a pipe\n',
    code: 1,
  },
  {
    name: "get on a terminal of what is not UTF-8",
    args: ["get", "k"],
    replies: [value(Uint8Array.of(0xff))],
    options: { terminal: true },
    stderr:
      'mydht: the value of "k" is not plain text: write it to a file with -o FILE, or send it through a pipe\n',
    code: 1,
  },
  {
    name: "get -o - on a terminal",
    args: ["get", "k", "-o", "-"],
    replies: [value("\u001b[2J")],
    options: { terminal: true },
    stdout: "\u001b[2J",
  },
  {
    name: "get of a damaged value",
    args: ["get", "k"],
    replies: [value("hello", { "repr-digest": `sha-256=:${"A".repeat(43)}=:` })],
    stdout: "hello",
    stderr: "mydht: The value from localhost:50140 does not match its checksum: it was damaged on the way; " +
      "get it again, or from another node\n",
    code: 1,
  },
  {
    name: "get into a pipe that is closed",
    args: ["get", "k"],
    replies: [value("hello")],
    options: { stdoutClosesAfter: 0 },
  },
  {
    name: "put from standard input",
    args: ["put", "k", "--file", "-"],
    replies: [(request) => Response.json({ ...PUT_ANSWER, size: request.body.length })],
    options: { stdin: "from a pipe" },
    stdout: "PUT OK k\n",
  },
  { name: "put of nothing", args: ["put", "k", "-val", ""], replies: [ok(PUT_ANSWER)], stdout: "PUT OK k\n" },
  // Listings
  {
    name: "ls into a pipe",
    args: ["ls", "a"],
    replies: [ok(KEYS)],
    stdout: "a/b\t1500\t2025-06-15 15:06:40Z\ttext/plain\n" +
      "line\\nfeed\\u001b[31m\t0\t2025-06-15 15:06:41Z\timage/png\n",
    sends: "GET /keys?prefix=a&limit=1000",
  },
  {
    name: "ls on a terminal",
    args: ["ls"],
    replies: [ok(KEYS)],
    options: { terminal: true },
    stdout: "KEY                     SIZE  TIME                  TYPE\n" +
      "a/b                   1.5 kB  2025-06-15 15:06:40Z  text/plain\n" +
      "line\\nfeed\\u001b[31m     0 B  2025-06-15 15:06:41Z  image/png\n",
  },
  {
    name: "ls --json",
    args: ["ls", "--json"],
    replies: [ok(KEYS)],
    stdout: KEYS.keys.map((key) => `${JSON.stringify(key)}\n`).join(""),
  },
  { name: "ls of nothing into a pipe", args: ["ls"], replies: [ok({ keys: [], next: null })] },
  {
    name: "ls of nothing on a terminal",
    args: ["ls"],
    replies: [ok({ keys: [], next: null })],
    options: { terminal: true },
    stderr: "mydht: there are no such keys\n",
  },
  { name: "ls into head", args: ["ls"], replies: [ok(KEYS)], options: { stdoutClosesAfter: 0 } },
  {
    name: "nodes into a pipe",
    args: ["nodes"],
    replies: [ok(RING)],
    stdout: "localhost:50140\tup\tyes\tyes\t64\t40\nlocalhost:50141\tjoining\tno\tno\t0\t0\n",
  },
  {
    name: "nodes on a terminal",
    args: ["nodes"],
    replies: [ok(RING)],
    options: { terminal: true },
    stdout: "NODE             STATE    ANSWERS  SYNCED  PARTITIONS  FIRST IN\n" +
      "localhost:50140  up       yes      yes             64        40\n" +
      "localhost:50141  joining  no       no               0         0\n",
  },
  {
    name: "status",
    args: ["status"],
    replies: [ok(STATUS)],
    stdout: "node  localhost:50140 (MyDHT 0.1.0), up 3 h 12 min\n" +
      "page  http://localhost:50140/\n" +
      "ring  2 nodes (1 answer), 3 copies of each key, 64 partitions\n" +
      "keys  1 key, 1.5 MB\n" +
      "here  2 keys, 20 B\n" +
      "data  every partition verified within 1 min 15 s\n" +
      "note  localhost:50141 does not answer\n" +
      "\n" +
      "localhost:50140\tup\tyes\tyes\t64\t40\nlocalhost:50141\tjoining\tno\tno\t0\t0\n" +
      "\n" +
      "hints\trunning\t12\t1 record\t1.5 MB/s\t\n" +
      "transfer\tdone 2025-06-15 15:06:40Z\t3\t0 partitions\t0 B/s\t\n",
  },
  // JSON
  ...([
    [["put", "k", "v"], PUT_ANSWER],
    [["del", "k"], PUT_ANSWER],
    [["haskey", "k"], { key: "k", timestamp: 0 }],
    [["whereis", "k"], { key: "k", partition: 3, nodes: [] }],
    [["balance"], TASK],
    [["purge"], TASK],
    [["leave", "localhost:50141"], TASK],
    [["remove", "localhost:50141"], RING],
    [["nodes"], RING],
    [["status"], STATUS],
  ] as const).map(([args, answer]): Row => ({
    name: `${args[0]} --json`,
    args: [...args, "--json"],
    replies: [ok(answer)],
    stdout: `${JSON.stringify(answer)}\n`,
  })),
  // Who is asked
  {
    name: "-h and -p",
    args: ["-h", "db", "-p", "50149", "haskey", "k"],
    replies: [ok({ timestamp: 0 })],
    stdout: "0.0\n",
    sends: "GET http://db:50149/haskey/k",
  },
  {
    name: "-h with a port",
    args: ["-h", "db:50149", "haskey", "k"],
    replies: [ok({ timestamp: 0 })],
    stdout: "0.0\n",
    sends: "GET http://db:50149/haskey/k",
  },
  {
    name: "-h with IPv6",
    args: ["-h", "::1", "haskey", "k"],
    replies: [ok({ timestamp: 0 })],
    stdout: "0.0\n",
    sends: "GET http://[::1]:50140/haskey/k",
  },
  {
    name: "MYDHT_SERVER",
    args: ["haskey", "k"],
    options: { env: { MYDHT_SERVER: "db:50149" } },
    replies: [ok({ timestamp: 0 })],
    stdout: "0.0\n",
    sends: "GET http://db:50149/haskey/k",
  },
  {
    name: "MYDHT_SERVER without a port, and -p",
    args: ["haskey", "k", "-p", "50149"],
    options: { env: { MYDHT_SERVER: "db" } },
    replies: [ok({ timestamp: 0 })],
    stdout: "0.0\n",
    sends: "GET http://db:50149/haskey/k",
  },
  {
    name: "an empty MYDHT_SERVER",
    args: ["haskey", "k"],
    options: { env: { MYDHT_SERVER: "" } },
    replies: [ok({ timestamp: 0 })],
    stdout: "0.0\n",
    sends: "GET http://localhost:50140/haskey/k",
  },
  // Failures: 1
  {
    name: "get of a missing key",
    args: ["get", "nope"],
    replies: [missing],
    stderr: 'mydht: there is no key "nope" (asked localhost:50140)\n',
    code: 1,
  },
  {
    name: "del of a missing key",
    args: ["del", "nope"],
    replies: [missing],
    stderr: 'mydht: there is no key "nope" (asked localhost:50140)\n',
    code: 1,
  },
  {
    name: "a problem of the node",
    args: ["put", "k", "v"],
    replies: [problem(507, "disk_full", "Cannot write: the disk is full; free space")],
    stderr: "mydht: Cannot write: the disk is full; free space\n",
    code: 1,
  },
  {
    name: "a missing secret",
    args: ["balance"],
    replies: [problem(401, "unauthorized")],
    stderr:
      "mydht: localhost:50140 wants the secret of its ring: give it with --secret-file FILE or MYDHT_SECRET\n",
    code: 1,
  },
  {
    name: "a removal that needs force",
    args: ["remove", "localhost:50141"],
    replies: [problem(409, "needs_force", "Cannot remove it: it alone has some keys")],
    stderr: "mydht: Cannot remove it: it alone has some keys (here: --force)\n",
    code: 1,
  },
  {
    name: "a removal of a node that answers",
    args: ["remove", "localhost:50141"],
    replies: [problem(409, "node_reachable", "Cannot remove it: it answers; let it leave by itself")],
    stderr: 'mydht: Cannot remove it: it answers; let it leave by itself (here: "mydht leave HOST:PORT")\n',
    code: 1,
  },
  {
    name: "a removal of a node that is not there",
    args: ["remove", "localhost:50141"],
    replies: [problem(404, "unknown_node", "Cannot remove it: it is not in the ring")],
    stderr: 'mydht: Cannot remove it: it is not in the ring (here: "mydht nodes")\n',
    code: 1,
  },
  {
    name: "a task that failed",
    args: ["balance"],
    replies: [ok({ ...TASK, failed: 1, error: "localhost:50142 did not answer" })],
    stderr: "mydht: The balance on localhost:50140 did not end well: localhost:50142 did not answer\n",
    code: 1,
  },
  {
    name: "another program at that port",
    args: ["get", "k"],
    replies: [() => new Response("hi", { status: 404 })],
    stderr:
      "mydht: localhost:50140 does not answer as a MyDHT node does (status 404): is it another program?\n",
    code: 1,
  },
  {
    name: "an answer that was lost",
    args: ["put", "k", "v"],
    replies: [silent],
    stderr:
      "mydht: Lost the answer of localhost:50140: nothing came for 30 s; whether the change was made is unknown\n",
    code: 1,
  },
  // Usage: 2
  {
    name: "a command that is none",
    args: ["gte", "k"],
    stderr: 'mydht: unknown command "gte"; did you mean "get"?\nTry "mydht --help".\n',
    code: 2,
  },
  {
    name: "a flag that is none",
    args: ["put", "k", "--vlaue", "v"],
    stderr: 'mydht: unknown flag --vlaue; did you mean "--value"?\nTry "mydht put --help".\n',
    code: 2,
  },
  {
    name: "an empty key",
    args: ["get", ""],
    stderr: "mydht: a key cannot be empty\n",
    code: 2,
  },
  {
    name: "a key that cannot travel",
    args: ["put", "a/../b", "v"],
    stderr: 'mydht: a key cannot have "." or ".." between its slashes: "a/../b"\n',
    code: 2,
  },
  {
    name: "a port that is none",
    args: ["get", "k", "-p", "x"],
    stderr: 'mydht: --port: "x" is not a port: 1 to 65535\n',
    code: 2,
  },
  {
    name: "a port that fetch blocks",
    args: ["get", "k", "-p", "6000"],
    stderr: "mydht: --port: port 6000 is one that browsers and fetch refuse to connect to: take another\n",
    code: 2,
  },
  {
    name: "an empty host",
    args: ["get", "k", "-h", ""],
    stderr: 'mydht: --host: "" is neither a host name nor an IP address\n',
    code: 2,
  },
  {
    name: "a MYDHT_SERVER that is none",
    args: ["get", "k"],
    options: { env: { MYDHT_SERVER: "http://x" } },
    stderr: 'mydht: MYDHT_SERVER: "http://x" is a URL: write only its HOST:PORT\n',
    code: 2,
  },
  {
    name: "a node that is none",
    args: ["remove", "nonsense"],
    stderr: 'mydht: "nonsense" is not HOST:PORT, as in localhost:50140\n',
    code: 2,
  },
  {
    name: "a short secret",
    args: ["balance"],
    options: { env: { MYDHT_SECRET: "hunter2" } },
    stderr: "mydht: MYDHT_SECRET has 7 characters: make it 16 or more, hard to guess\n",
    code: 2,
  },
  // No node: 3
  {
    name: "no node there",
    args: ["-p", "50149", "get", "k"],
    replies: [refused],
    stderr: "mydht: cannot reach localhost:50149 in 3 tries (connection refused): " +
      "start a node there, or name another one with --host and --port\n",
    code: 3,
  },
  {
    name: "no node there to put a stream to",
    args: ["put", "k", "-f", "-"],
    replies: [refused],
    stderr: "mydht: cannot reach localhost:50140 in 1 try (connection refused): " +
      "start a node there, or name another one with --host and --port\n",
    code: 3,
  },
  // Version
  { name: "--version", args: ["--version"], stdout: `mydht ${config.version}\n` },
];

function both(
  name: string,
  old: readonly string[],
  new_: readonly string[],
  rest: Omit<Row, "name" | "args">,
): Row[] {
  return [{ ...rest, name: `${name} with -c`, args: old }, { ...rest, name, args: new_ }];
}

for (const row of ROWS) {
  Deno.test(`mydht given ${row.name}, then prints exactly this`, async () => {
    const { code, stdout, stderr, sent } = await run(row.args, row.replies, row.options);
    assertEquals({ code, stdout, stderr }, {
      code: row.code ?? 0,
      stdout: row.stdout ?? "",
      stderr: row.stderr ?? "",
    });
    if (row.sends === undefined) return;
    const [method, url = ""] = row.sends.split(" ");
    const full = url.startsWith("/") ? `http://localhost:50140${url}` : url;
    assertEquals([sent[0]?.method, sent[0]?.url], [method, full]);
  });
}

Deno.test("mydht node given flags, then they are left to the node", async () => {
  const { code, started } = await run(["-p", "50141", "node", "--server", "localhost:50140"]);
  assertEquals([code, started], [7, ["node", "-p", "50141", "--server", "localhost:50140"]]);
});

Deno.test("mydht help given node, then it is the node's own help", async () => {
  assertEquals((await run(["help", "node"])).started, ["node", "--help"]);
});

Deno.test("mydht given Ctrl-C while it sends, then ends with 130", async () => {
  const { code, stderr } = await run(["put", "k", "-f", "-"], [silent], { interrupt: AbortSignal.abort() });
  assertEquals([code, stderr], [130, "mydht: interrupted\n"]);
});

Deno.test("mydht balance given Ctrl-C while it waits, then ends with 130", async () => {
  const ctrlC = new AbortController();
  const undone: Reply = () => {
    ctrlC.abort();
    return Response.json({ ...TASK, done: false });
  };
  const { code, stderr } = await run(["balance"], [undone], { interrupt: ctrlC.signal });
  assertEquals([code, stderr], [130, "mydht: interrupted\n"]);
});

Deno.test("mydht leave given Ctrl-C while it waits, then says that the leave goes on, and how to end it", async () => {
  const ctrlC = new AbortController();
  const undone: Reply = () => {
    ctrlC.abort();
    return Response.json({ ...TASK, kind: "leave", done: false });
  };
  const { code, stderr } = await run(["leave", "b:50140"], [undone], { interrupt: ctrlC.signal });
  assertEquals([code, stderr], [
    130,
    'mydht: b:50140 goes on leaving; "mydht leave b:50140 --cancel" has it stay\nmydht: interrupted\n',
  ]);
});

Deno.test("mydht balance given no terminal, then a line of progress every ten seconds", async () => {
  const undone = ok({ ...TASK, done: false });
  // Pauses grow from 0.1 s to 2 s: these are some 15 seconds.
  const { stderr } = await run(["balance"], [...Array(13).fill(undone), ok(TASK)]);
  assertEquals(stderr, "balance: 9 compared, 2 sent, 1 fetched, 0 dropped\n");
});

Deno.test("output given a stream that cannot be written, then says why", async () => {
  const full = { isTerminal: () => false, write: () => Promise.reject(new Error("No space left on device")) };
  await assertRejects(
    () => output(full).write(new Uint8Array(1)),
    FailedError,
    "cannot write the output: No space left on device",
  );
});

Deno.test("mydht given a secret, then only what changes the ring carries it", async () => {
  const env = { MYDHT_SECRET: "correct-horse-battery" };
  const balance = await run(["balance"], [ok(TASK)], { env });
  assertEquals(balance.sent[0]!.headers.get("authorization"), "Bearer correct-horse-battery");
  const put = await run(["put", "k", "v"], [ok(PUT_ANSWER)], { env });
  assertEquals(put.sent[0]!.headers.get("authorization"), null);
});

Deno.test("mydht given --secret-file, then it is used before MYDHT_SECRET", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "the-secret-of-the-file\n");
    const { sent } = await run(["purge", "--secret-file", file], [ok(TASK)], { env: { MYDHT_SECRET: "x" } });
    assertEquals(sent[0]!.headers.get("authorization"), "Bearer the-secret-of-the-file");
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("mydht balance given a terminal, then shows what was done so far and takes it away", async () => {
  const { stdout, stderr } = await run(["balance"], [ok({ ...TASK, done: false, compared: 3 }), ok(TASK)], {
    stderrTerminal: true,
  });
  assertEquals(stdout, "BALANCE ok\n");
  assertEquals(
    stderr,
    "\r\x1b[Kbalance: 3 compared, 2 sent, 1 fetched, 0 dropped" +
      "\r\x1b[Kbalance: 9 compared, 2 sent, 1 fetched, 0 dropped\r\x1b[K",
  );
});

Deno.test("mydht ls given many keys on a terminal, then they are one table with one head", async () => {
  const keys = Array.from({ length: 1200 }, (_, i) => ({ ...KEYS.keys[0]!, key: `k${i}` }));
  const { stdout } = await run(["ls"], [ok({ keys, next: null })], { terminal: true });
  assertEquals([stdout.split("\n").length, stdout.split("KEY").length], [1202, 2]);
});

Deno.test("mydht del --prefix given many keys, then deletes each and counts them", async () => {
  const page = { keys: ["p/1", "p/2", "p/3"].map((key) => ({ key })), next: null };
  const reply: Reply = (request) =>
    request.method === "GET"
      ? Response.json(page)
      : request.url.endsWith("/p/2")
      ? Response.json({ code: "key_not_found" }, {
        status: 404,
        headers: { "content-type": "application/problem+json" },
      })
      : Response.json(PUT_ANSWER);
  const { code, stdout, sent } = await run(["del", "--prefix", "p/", "--yes"], [reply]);
  assertEquals([code, stdout], [0, "DEL OK 3 keys\n"]);
  assertEquals(sent.filter(({ method }) => method === "DELETE").map(({ url }) => url.slice(-3)).sort(), [
    "p/1",
    "p/2",
    "p/3",
  ]);
});

Deno.test("mydht del --prefix given a key that fails, then deletes the others and exits with 1", async () => {
  const page = { keys: ["p/1", "p/2"].map((key) => ({ key })), next: null };
  const reply: Reply = (request, signal) =>
    request.method === "GET"
      ? Response.json(page)
      : request.url.endsWith("/p/2")
      ? problem(507, "disk_full", "Cannot delete: the disk is full")(request, signal)
      : Response.json(PUT_ANSWER);
  const { code, stdout, stderr } = await run(["del", "--prefix", "p/", "--yes"], [reply]);
  assertEquals({ code, stdout, stderr }, {
    code: 1,
    stdout: "DEL 1 key; 1 failed\n",
    stderr: 'mydht: cannot delete "p/2": Cannot delete: the disk is full\n',
  });
});
