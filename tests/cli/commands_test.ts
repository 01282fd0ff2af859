import { assertEquals } from "@std/assert";
import { type Invocation, parseInvocation } from "../../lib/cli/commands.ts";

/** `command {flag: value} +switch`, or what else it means. */
function short(invocation: Invocation): string {
  switch (invocation.kind) {
    case "ask": {
      const values = [...invocation.values].sort().map(([name, value]) => `${name}=${value}`);
      const switches = [...invocation.switches].map((name) => `+${name}`);
      return [invocation.command.name, ...values, ...switches].join(" ");
    }
    case "start":
      return `start ${[invocation.starter, ...invocation.args].join(" ")}`;
    case "help":
      return `help ${typeof invocation.topic === "string" ? invocation.topic : invocation.topic?.name ?? ""}`
        .trim();
    case "version":
      return "version";
    case "usage":
      return `${invocation.topic ?? "-"}: ${invocation.message}`;
  }
}

const ROWS: readonly (readonly [args: readonly string[], meant: string])[] = [
  // Both ways of writing each command
  [["-c", "put", "-k", "mykey", "-val", "myvalue"], "put key=mykey value=myvalue"],
  [["-c", "put", "-k", "mykey", "--value", "myvalue"], "put key=mykey value=myvalue"],
  [["put", "mykey", "myvalue"], "put key=mykey value=myvalue"],
  [["put", "-k", "mykey", "myvalue"], "put key=mykey value=myvalue"],
  [["put", "mykey", "-val", "myvalue"], "put key=mykey value=myvalue"],
  [["-k", "mykey", "-val", "myvalue", "-c", "put"], "put key=mykey value=myvalue"],
  [["--command=put", "mykey", "myvalue"], "put key=mykey value=myvalue"],
  [["-c", "put", "-k", "f", "-f", "my.bin"], "put file=my.bin key=f"],
  [["put", "f", "--file", "my.bin"], "put file=my.bin key=f"],
  [["put", "f", "-f", "-"], "put file=- key=f"],
  [["-c", "get", "-k", "mykey"], "get key=mykey"],
  [["get", "mykey"], "get key=mykey"],
  [["-c", "get", "-k", "f", "-o", "copy.bin"], "get key=f output=copy.bin"],
  [["get", "f", "-o", "copy.bin"], "get key=f output=copy.bin"],
  [["-c", "del", "-k", "mykey"], "del key=mykey"],
  [["del", "mykey"], "del key=mykey"],
  [["del", "--prefix", "p/", "--yes"], "del prefix=p/ +yes"],
  [["-c", "haskey", "-k", "mykey"], "haskey key=mykey"],
  [["haskey", "mykey"], "haskey key=mykey"],
  [["-c", "whereis", "-k", "mykey"], "whereis key=mykey"],
  [["whereis", "mykey"], "whereis key=mykey"],
  [["-c", "balance"], "balance"],
  [["balance"], "balance"],
  [["-c", "purge"], "purge"],
  [["-c", "purge", "-k", "localhost:50141"], "purge key=localhost:50141"],
  [["purge", "localhost:50141"], "purge key=localhost:50141"],
  [["-c", "remove", "-k", "localhost:50141"], "remove key=localhost:50141"],
  [["remove", "localhost:50141", "--force"], "remove key=localhost:50141 +force"],
  [["leave", "localhost:50141"], "leave key=localhost:50141"],
  [["leave", "localhost:50141", "--cancel"], "leave key=localhost:50141 +cancel"],
  [["plan", "leave", "localhost:50141"], "plan CHANGE=leave key=localhost:50141"],
  [["plan", "weight", "localhost:50141", "2"], "plan CHANGE=weight key=localhost:50141 weight=2"],
  [["plan", "join", "--zone", "x"], "plan CHANGE=join zone=x"],
  [["-c", "leave", "-k", "localhost:50141"], "leave key=localhost:50141"],
  [["ls"], "ls"],
  [["ls", "a/", "--json"], "ls prefix=a/ +json"],
  [["ls", "--prefix", "a/"], "ls prefix=a/"],
  [["status", "--json"], "status +json"],
  [["nodes"], "nodes"],
  [["upload", "dir", "--prefix", "p"], "upload DIR=dir prefix=p"],
  [["download", "dir", "--prefix", ""], "download DIR=dir prefix="],
  // Arguments that look like something else
  [["put", "k", "-5"], "put key=k value=-5"],
  [["put", "007", "-val", "007"], "put key=007 value=007"],
  [["put", "k", ""], "put key=k value="],
  [["-c", "put", "-k", "k", "-val", ""], "put key=k value="],
  [["-c", "put", "-k", "-x", "-val", "-y"], "put key=-x value=-y"],
  [["-c", "put", "-k", "-c", "-val", "-k"], "put key=-c value=-k"],
  [["put", "k", "--", "--value"], "put key=k value=--value"],
  [["put", "--", "-k", "--help"], "put key=-k value=--help"],
  [["--", "put", "k", "v"], "put key=k value=v"],
  [["put", "k", "-val", "--help"], "put key=k value=--help"],
  [["get", "get"], "get key=get"],
  [["-c", "get", "put"], "get key=put"],
  // The node to ask
  [["-h", "db", "-p", "50141", "get", "k"], "get host=db key=k port=50141"],
  [["get", "k", "--host", "db", "--port=50141"], "get host=db key=k port=50141"],
  // Nodes
  [["node"], "start node"],
  [["node", "-p", "50141", "-s", "localhost:50140"], "start node -p 50141 -s localhost:50140"],
  [["-p", "50141", "node", "-s", "localhost:50140"], "start node -p 50141 -s localhost:50140"],
  [["-c", "node", "-r", "3"], "start node -r 3"],
  [["node", "--help"], "start node --help"],
  [["node", "-h"], "start node -h"],
  [["cluster", "--nodes", "5"], "start cluster --nodes 5"],
  // Help and version
  [["--help"], "help"],
  [["-h"], "help"],
  [["help"], "help"],
  [["help", "put"], "help put"],
  [["help", "node"], "help node"],
  [["put", "--help"], "help put"],
  [["put", "-h"], "help put"],
  [["put", "k", "-h"], "help put"],
  [["get", "--nonsense", "--help"], "help get"],
  [["--version"], "version"],
  [["put", "--version"], "version"],
  // What makes no sense
  [[], "-: no command is given"],
  [["-c"], "-: -c needs a value: -c COMMAND"],
  [["--json"], "-: no command is given"],
  [["gte", "k"], '-: unknown command "gte"; did you mean "get"?'],
  [["PUT", "k", "v"], '-: unknown command "PUT"; did you mean "put"?'],
  [["whereas", "k"], '-: unknown command "whereas"; did you mean "whereis"?'],
  [["hask", "k"], '-: unknown command "hask"; did you mean "haskey"?'],
  [["list"], '-: unknown command "list"; did you mean "ls"?'],
  [["rm", "k"], '-: unknown command "rm"; did you mean "del"?'],
  [["delete", "k"], '-: unknown command "delete"; did you mean "del"?'],
  [["constructor"], '-: unknown command "constructor"'],
  [["frobnicate"], '-: unknown command "frobnicate"'],
  [["help", "gte"], '-: unknown command "gte"; did you mean "get"?'],
  [["put"], "put: put needs KEY"],
  [["put", "k"], "put: put needs VALUE or --file FILE"],
  [["put", "k", "v", "w"], 'put: "w" is one argument too many for put'],
  [["put", "k", "v", "-f", "x"], "put: put takes a value or a file, not both"],
  [["put", "-k", "--value", "x"], 'put: the key seems to be missing: -k takes "--value" for it'],
  [["get"], "get: get needs KEY"],
  [
    ["get", "k", "--vlaue", "x"],
    "get: unknown flag --vlaue (a value that begins with a dash goes behind --)",
  ],
  [["get", "k", "--outptu", "x"], 'get: unknown flag --outptu; did you mean "--output"?'],
  [["get", "k", "-val", "x"], "get: -val means nothing to this command"],
  [["get", "k", "--json"], "get: --json means nothing to this command"],
  [
    ["get", "k", "--server", "a:1"],
    "get: --server means nothing to this command; the node to ask is named by --host and --port, or MYDHT_SERVER",
  ],
  [["get", "k", "-o"], "get: -o needs a value: -o FILE"],
  [["get", "-k", "a", "-k", "b"], "get: --key is given twice"],
  [["get", "-k", "a", "b"], 'get: "b" is one argument too many for get'],
  [["del"], "del: del needs KEY or --prefix P"],
  [["del", "k", "--prefix", "p"], "del: del takes a key or a prefix, not both"],
  [
    ["del", "--prefix", "p"],
    'del: del --prefix deletes every key that begins with "p": add --yes if that is meant',
  ],
  [["download", "dir"], 'download: download needs --prefix P ("" for all keys)'],
  [["upload"], "upload: upload needs DIR"],
  [["remove"], "remove: remove needs HOST:PORT"],
  [["leave"], "leave: leave needs HOST:PORT"],
  [["balance", "x"], 'balance: "x" is one argument too many for balance'],
];

for (const [args, meant] of ROWS) {
  Deno.test(`parseInvocation() given ${JSON.stringify(args)}, then it means: ${meant}`, () => {
    assertEquals(short(parseInvocation(args)), meant);
  });
}
