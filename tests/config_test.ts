import { assertEquals, assertStringIncludes } from "@std/assert";
import { DEFAULT_RATES } from "../lib/core/rates.ts";
import { type Environment, type NodeConfig, parseNodeConfig } from "../lib/config.ts";

const SECRET = "correct-horse-battery";

const DEFAULTS: NodeConfig = {
  host: "localhost",
  port: 50140,
  selfAddress: "localhost:50140",
  replicas: 3,
  partitions: 16384,
  data: "mydht-data/50140",
  logFormat: "text",
  rates: DEFAULT_RATES,
};

function parse(args: readonly string[], env: Environment = {}) {
  return parseNodeConfig(args, env, readFile);
}

function readFile(path: string): string {
  const text: Record<string, string> = {
    "ring.secret": `${SECRET}\n`,
    "windows.secret": `${SECRET}\r\n`,
    "two.lines": `${SECRET}\n${SECRET}\n`,
    "short.secret": "hunter2\n",
    "spaced.secret": "correct horse battery",
    "empty": "",
  };
  if (text[path] === undefined) {
    throw new Deno.errors.NotFound(`No such file or directory (os error 2): readfile '${path}'`);
  }
  return text[path];
}

const RUNS: readonly (readonly [string, readonly string[], Environment, Partial<NodeConfig>])[] = [
  ["nothing", [], {}, {}],
  ["a port", ["-p", "50141"], {}, { port: 50141, selfAddress: "localhost:50141", data: "mydht-data/50141" }],
  ["a port in the environment", [], { MYDHT_PORT: "50141" }, {
    port: 50141,
    selfAddress: "localhost:50141",
    data: "mydht-data/50141",
  }],
  ["a port in both", ["--port", "50142"], { MYDHT_PORT: "50141" }, {
    port: 50142,
    selfAddress: "localhost:50142",
    data: "mydht-data/50142",
  }],
  ["empty variables", [], { MYDHT_PORT: "", MYDHT_JOIN: "", MYDHT_SECRET: "", MYDHT_HOST: "" }, {}],
  ["a host", ["-h", "LOCALHOST"], {}, {}],
  ["an IPv4 address", ["--host", "127.0.0.1"], {}, { host: "127.0.0.1", selfAddress: "127.0.0.1:50140" }],
  ["an IPv6 address", ["--host", "::1"], {}, { host: "::1", selfAddress: "[::1]:50140" }],
  ["an IPv6 address in brackets", ["--host", "[::1]"], {}, { host: "::1", selfAddress: "[::1]:50140" }],
  ["an advertised name", ["--advertise", "Node-1:50199"], {}, { selfAddress: "node-1:50199" }],
  ["an advertised name in the environment", [], { MYDHT_ADVERTISE: "node-1:50199" }, {
    selfAddress: "node-1:50199",
  }],
  ["a node to join", ["-s", "localhost:50141"], {}, { joinAddress: "localhost:50141" }],
  ["a node to join in the environment", [], { MYDHT_JOIN: "[::1]:50141" }, { joinAddress: "[::1]:50141" }],
  ["replicas", ["-r", "5"], {}, { replicas: 5 }],
  ["replicas in the environment", [], { MYDHT_REPLICAS: "16" }, { replicas: 16 }],
  ["a directory", ["-d", "/var/lib/mydht"], {}, { data: "/var/lib/mydht" }],
  ["a directory in the environment", [], { MYDHT_DATA: "x" }, { data: "x" }],
  ["a remote database", ["--data", "https://kv.example/"], {}, { data: "https://kv.example/" }],
  ["log lines for machines", ["--log-format", "json"], {}, { logFormat: "json" }],
  ["log lines for machines in the environment", [], { MYDHT_LOG_FORMAT: "json" }, { logFormat: "json" }],
  ["few partitions", ["--partitions", "64"], {}, { partitions: 64 }],
  ["half a share", ["--weight", "0.5"], {}, { weight: 0.5 }],
  ["a zone", [], { MYDHT_ZONE: "rack-1" }, { zone: "rack-1" }],
  ["a rate", ["--scrub-rate", "0.5"], {}, { rates: { ...DEFAULT_RATES, scrub: 512 * 1024 } }],
  ["no limit", ["--transfer-rate", "0"], {}, { rates: { ...DEFAULT_RATES, transfer: Infinity } }],
  ["one partition", [], { MYDHT_PARTITIONS: "1" }, { partitions: 1 }],
  ["most partitions", ["--partitions=65536"], {}, { partitions: 65536 }],
  ["a secret", [], { MYDHT_SECRET: SECRET }, { secret: SECRET }],
  ["a secret in a file", ["--secret-file", "ring.secret"], {}, { secret: SECRET }],
  ["a secret in a file of Windows", ["--secret-file", "windows.secret"], {}, { secret: SECRET }],
  ["a secret in a file of the environment", [], { MYDHT_SECRET_FILE: "ring.secret" }, { secret: SECRET }],
  ["a secret in a file and in the environment", ["--secret-file", "ring.secret"], { MYDHT_SECRET: "x" }, {
    secret: SECRET,
  }],
  [
    "every address of the machine, advertised and with a secret",
    ["-h", "0.0.0.0", "--advertise", "db:50140", "--secret-file", "ring.secret"],
    {},
    { host: "0.0.0.0", selfAddress: "db:50140", secret: SECRET },
  ],
  ["a host for others, with a secret", ["-h", "db1.example"], { MYDHT_SECRET: SECRET }, {
    host: "db1.example",
    selfAddress: "db1.example:50140",
    secret: SECRET,
  }],
];

for (const [given, args, env, differs] of RUNS) {
  Deno.test(`parseNodeConfig() given ${given}, then a node can run on it`, () => {
    assertEquals(parse(args, env), { kind: "run", config: { ...DEFAULTS, ...differs } });
  });
}

const USAGE: readonly (readonly [string, readonly string[], Environment, string])[] = [
  ["a port that is none", ["-p", "x"], {}, '--port: "x" is not a port: 1 to 65535'],
  ["a port of 0", ["-p", "0"], {}, '--port: "0" is not a port: 1 to 65535'],
  [
    "a port that fetch blocks",
    ["-p", "6000"],
    {},
    "--port: port 6000 is one that browsers and fetch refuse to connect to: take another",
  ],
  [
    "an advertised port that fetch blocks",
    ["--advertise", "db:6667"],
    {},
    "--advertise: port 6667 is one that browsers and fetch refuse to connect to: take another",
  ],
  [
    "a port to join that fetch blocks",
    [],
    { MYDHT_JOIN: "db:10080" },
    "MYDHT_JOIN: port 10080 is one that browsers and fetch refuse to connect to: take another",
  ],
  [
    "a bad port in the environment",
    [],
    { MYDHT_PORT: "70000" },
    'MYDHT_PORT: "70000" is not a port: 1 to 65535',
  ],
  ["an empty port", ["--port", ""], {}, '--port: "" is not a port: 1 to 65535'],
  ["a host that is none", ["-h", "a b"], {}, '--host: "a b" is neither a host name nor an IP address'],
  [
    "a server without a port",
    ["-s", "localhost"],
    {},
    '--server: "localhost" is not HOST:PORT, as in localhost:50140',
  ],
  [
    "a server that is a URL",
    ["-s", "http://a:1"],
    {},
    '--server: "http://a:1" is a URL: write only its HOST:PORT',
  ],
  [
    "any address as a server",
    ["-s", "0.0.0.0:50141"],
    {},
    '--server: "0.0.0.0:50141" is no address that a node can be reached by',
  ],
  [
    "any address advertised",
    ["--advertise", "[::]:50141"],
    {},
    '--advertise: "[::]:50141" is no address that a node can be reached by',
  ],
  [
    "itself as a server",
    ["-s", "LOCALHOST:50140"],
    {},
    "a node cannot join itself: --server names localhost:50140, this node's own address; start the first node of a ring without it",
  ],
  [
    "every address of the machine, not advertised",
    ["-h", "0.0.0.0"],
    { MYDHT_SECRET: SECRET },
    "listening on 0.0.0.0 means on every address of this machine: say with --advertise HOST:PORT by which one the other nodes reach it",
  ],
  [
    "every IPv6 address of the machine, not advertised",
    ["-h", "::"],
    { MYDHT_SECRET: SECRET },
    "listening on :: means on every address of this machine: say with --advertise HOST:PORT by which one the other nodes reach it",
  ],
  [
    "a host for others without a secret",
    ["-h", "10.0.0.1"],
    {},
    "listening on 10.0.0.1 opens the node to other machines, which needs a secret that all nodes of the ring share: " +
    "name a file that holds it with --secret-file FILE (or set MYDHT_SECRET), or listen on localhost",
  ],
  ["no replicas", ["-r", "0"], {}, '--replicas: "0" is not a number of copies: 1 to 16'],
  ["too many replicas", ["-r", "17"], {}, '--replicas: "17" is not a number of copies: 1 to 16'],
  ["a fraction of replicas", ["-r", "2.5"], {}, '--replicas: "2.5" is not a number of copies: 1 to 16'],
  [
    "partitions that are no power of two",
    ["--partitions", "48"],
    {},
    '--partitions: "48" is not a power of two from 1 to 65536',
  ],
  ["no partitions", ["--partitions", "0"], {}, '--partitions: "0" is not a power of two from 1 to 65536'],
  [
    "too many partitions",
    ["--partitions", "131072"],
    {},
    '--partitions: "131072" is not a power of two from 1 to 65536',
  ],
  ["an empty directory", ["--data="], {}, "--data: the name of the directory is empty"],
  ["a log format that is none", ["--log-format", "xml"], {}, '--log-format: "xml" is neither text nor json'],
  [
    "a short secret",
    [],
    { MYDHT_SECRET: "hunter2" },
    "MYDHT_SECRET has 7 characters: make it 16 or more, hard to guess",
  ],
  [
    "a short secret in a file",
    ["--secret-file", "short.secret"],
    {},
    "--secret-file: the secret in short.secret has 7 characters: make it 16 or more, hard to guess",
  ],
  [
    "an empty secret file",
    ["--secret-file", "empty"],
    {},
    "--secret-file: the secret in empty has 0 characters: make it 16 or more, hard to guess",
  ],
  [
    "a secret with spaces",
    ["--secret-file", "spaced.secret"],
    {},
    "--secret-file: the secret in spaced.secret may have letters, digits and signs of ASCII only, and no spaces",
  ],
  [
    "a secret of two lines",
    [],
    { MYDHT_SECRET_FILE: "two.lines" },
    "MYDHT_SECRET_FILE: the secret in two.lines may have letters, digits and signs of ASCII only, and no spaces",
  ],
  [
    "a secret file that is not there",
    ["--secret-file", "nowhere"],
    {},
    "--secret-file: cannot read nowhere: No such file or directory",
  ],
  ["an unknown flag", ["--prot", "1"], {}, 'unknown flag --prot; did you mean "--port"?'],
  ["a flag without its value", ["--data"], {}, "--data needs a value: --data DIR"],
  ["a flag twice", ["-p", "1", "--port", "2"], {}, "--port is given twice"],
  ["a word", ["start"], {}, 'a node takes flags only, not "start"'],
];

for (const [given, args, env, message] of USAGE) {
  Deno.test(`parseNodeConfig() given ${given}, then says what is wrong`, () => {
    assertEquals(parse(args, env), { kind: "usage", message });
  });
}

Deno.test("parseNodeConfig() given --help or a lone -h, then the help names every flag and its variable", () => {
  const help = parse(["-h"]);
  assertEquals(parse(["--port", "x", "--help"]), help);
  if (help.kind !== "help") throw new Error("no help");
  for (
    const flag of ["host", "port", "advertise", "server", "replicas", "data", "secret-file", "log-format"]
  ) {
    const variable = flag === "server" ? "MYDHT_JOIN" : `MYDHT_${flag.toUpperCase().replace("-", "_")}`;
    assertStringIncludes(help.text, `--${flag} `);
    assertStringIncludes(help.text, `[${variable}]`);
  }
});

Deno.test("parseNodeConfig() given --version, then asks for the version", () => {
  assertEquals(parse(["--version"]), { kind: "version" });
});

Deno.test("parseNodeConfig() given a secret that is wrong, then its message does not tell it", () => {
  const parsed = parse([], { MYDHT_SECRET: "not so secret now" });
  assertEquals(JSON.stringify(parsed).includes("not so"), false);
});
