import { conflictOf, forgottenKey } from "./conflicts.ts";
import { type Flag, parseArguments, readArguments } from "./arguments.ts";
import { CLUSTER_FLAGS, NODE_FLAGS } from "./node_flags.ts";
import { didYouMean } from "./suggest.ts";

/** Something a command works on, written in its place or as a flag. */
export interface Operand {
  /** What the help calls it. */
  readonly label: string;
  /** The flag that names it too. */
  readonly flag: string;
  readonly required: boolean;
}

/** A command as the help shows it and the arguments are checked against. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly usage: readonly string[];
  readonly operands: readonly Operand[];
  readonly flags: readonly Flag[];
  /** What is worth knowing beyond the flags; lines of the help. */
  readonly notes: readonly string[];
}

const KEY_FLAG: Flag = {
  name: "key",
  short: "k",
  value: "KEY",
  help: "the key; the same as writing it last",
};
const NODE_FLAG: Flag = {
  name: "key",
  short: "k",
  value: "HOST:PORT",
  help: "the node, by its name in the ring",
};
const JSON_FLAG: Flag = { name: "json", help: "print the answer as JSON, for programs" };

/** Flags that say which node is asked. */
const SERVER_FLAGS: readonly Flag[] = [
  {
    name: "host",
    short: "h",
    value: "HOST",
    help: "host of the node to ask (default localhost)",
    env: "MYDHT_SERVER",
  },
  { name: "port", short: "p", value: "PORT", help: "its port (default 50140)", env: "MYDHT_SERVER" },
];

const SECRET_FLAG: Flag = {
  name: "secret-file",
  value: "FILE",
  help: "file with the ring's secret",
  env: "MYDHT_SECRET",
};

const READ_CONSISTENCY_FLAG: Flag = {
  name: "consistency",
  value: "LEVEL",
  help: "whom to ask: quorum (default), strong, all, one or local",
};
const WRITE_CONSISTENCY_FLAG: Flag = {
  name: "consistency",
  value: "LEVEL",
  help: "what to wait for: quorum (default), strong or all",
};

const KEY: Operand = { label: "KEY", flag: "key", required: true };
const NODE: Operand = { label: "HOST:PORT", flag: "key", required: true };

function command(
  name: string,
  summary: string,
  rest: { usage: string[]; operands?: Operand[]; flags?: Flag[]; notes?: string[] },
): Command {
  return {
    name,
    summary,
    usage: rest.usage,
    operands: rest.operands ?? [],
    flags: [...(rest.flags ?? []), ...SERVER_FLAGS],
    notes: rest.notes ?? [],
  };
}

/** Every command that asks a node, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  command("put", "store a value, or a file of any size, under a key", {
    usage: ["put KEY VALUE", "put KEY --file FILE"],
    operands: [KEY, { label: "VALUE", flag: "value", required: false }],
    flags: [
      KEY_FLAG,
      { name: "value", also: "val", value: "VALUE", help: "the value; the same as writing it last" },
      { name: "file", short: "f", value: "FILE", help: "store what is in this file; - is standard input" },
      {
        name: "type",
        value: "TYPE",
        help: "content type (default: by the name of the file; text for a value)",
      },
      {
        name: "ttl",
        value: "TIME",
        help: "delete it by itself after so many seconds, or 30m, 12h, 7d (default: keep it)",
      },
      WRITE_CONSISTENCY_FLAG,
      JSON_FLAG,
    ],
  }),
  command("get", "print the value of a key, or write it to a file", {
    usage: ["get KEY", "get KEY -o FILE"],
    operands: [KEY],
    flags: [KEY_FLAG, {
      name: "output",
      short: "o",
      value: "FILE",
      help: "write the value to this file; - is standard output as it is",
    }, READ_CONSISTENCY_FLAG],
    notes: [
      "The value is checked against its checksum. FILE appears whole or not at all.",
      "To a terminal only text of up to 1 KiB is printed; into a pipe, the exact bytes.",
    ],
  }),
  command("del", "delete a key, or every key with a prefix", {
    usage: ["del KEY", "del --prefix P --yes"],
    operands: [{ ...KEY, required: false }],
    flags: [
      KEY_FLAG,
      { name: "prefix", value: "P", help: "delete every key that begins with this" },
      { name: "yes", help: "really do so" },
      WRITE_CONSISTENCY_FLAG,
      JSON_FLAG,
    ],
  }),
  command("haskey", "print since when the asked node has a copy of a key, in seconds; 0.0 for none", {
    usage: ["haskey KEY"],
    operands: [KEY],
    flags: [KEY_FLAG, JSON_FLAG],
  }),
  command("whereis", "print the nodes where a key belongs, in order", {
    usage: ["whereis KEY"],
    operands: [KEY],
    flags: [KEY_FLAG, JSON_FLAG],
  }),
  command("ls", "list the keys of the whole ring", {
    usage: ["ls [PREFIX]"],
    operands: [{ label: "PREFIX", flag: "prefix", required: false }],
    flags: [{
      name: "prefix",
      value: "P",
      help: "only keys that begin with this; the same as writing it last",
    }, JSON_FLAG],
    notes: [
      "Into a pipe: a line for each key, its columns (key, bytes, time, type) separated by tabs.",
      "--json prints a JSON object on each line.",
    ],
  }),
  command("upload", "store every file of a directory under its path", {
    usage: ["upload DIR [--prefix P]"],
    operands: [{ label: "DIR", flag: "", required: true }],
    flags: [{ name: "prefix", value: "P", help: "folder of keys to store under: P/path/of/file" }, JSON_FLAG],
  }),
  command("download", "write every key of a folder of keys to a directory", {
    usage: ["download DIR --prefix P"],
    operands: [{ label: "DIR", flag: "", required: true }],
    flags: [{ name: "prefix", value: "P", help: 'folder of keys to fetch; "" for all keys' }, JSON_FLAG],
    notes: ["A key that would leave DIR, or that is both a file and a folder, is reported and skipped."],
  }),
  command("status", "show the asked node and its ring at one look", {
    usage: ["status"],
    flags: [JSON_FLAG],
  }),
  command("nodes", "list the nodes of the ring", {
    usage: ["nodes"],
    flags: [JSON_FLAG],
    notes: ["Into a pipe: a line for each node, its columns separated by tabs."],
  }),
  command("balance", "compare all nodes and bring every key to where it belongs", {
    usage: ["balance"],
    flags: [JSON_FLAG, SECRET_FLAG],
  }),
  command("purge", "let a node drop what is not its own and is safe elsewhere", {
    usage: ["purge [HOST:PORT]"],
    operands: [{ ...NODE, required: false }],
    flags: [NODE_FLAG, JSON_FLAG, SECRET_FLAG],
    notes: ["Without HOST:PORT, the asked node."],
  }),
  command("leave", "let a node hand over what it holds and leave the ring", {
    usage: ["leave HOST:PORT", "leave HOST:PORT --cancel"],
    operands: [NODE],
    flags: [
      NODE_FLAG,
      { name: "cancel", help: "have a node that is leaving stay" },
      JSON_FLAG,
      SECRET_FLAG,
    ],
    notes: ["The node serves until the others hold all of it. Ctrl-C here ends the waiting, not the leave."],
  }),
  command("plan", "show what a change of the ring would move, and change nothing", {
    usage: [
      "plan join [HOST:PORT] [--weight W] [--zone Z]",
      "plan leave HOST:PORT",
      "plan remove HOST:PORT",
      "plan weight HOST:PORT W",
    ],
    operands: [
      { label: "CHANGE", flag: "", required: true },
      { ...NODE, required: false },
      { label: "W", flag: "weight", required: false },
    ],
    flags: [
      NODE_FLAG,
      { name: "weight", value: "W", help: "share of the data, relative to the others, 0.01 to 100" },
      { name: "zone", value: "Z", help: "zone of the node that joins" },
      JSON_FLAG,
    ],
    notes: ["Exit code 1 where it cannot be done now."],
  }),
  command("remove", "remove a node that is gone for good", {
    usage: ["remove HOST:PORT"],
    operands: [NODE],
    flags: [
      NODE_FLAG,
      { name: "force", help: "also where writes of that node alone may be lost" },
      JSON_FLAG,
      SECRET_FLAG,
    ],
    notes: ["A node that still answers is refused: let it leave."],
  }),
];

/** Commands that start nodes rather than ask one; they have a help of their own. */
const STARTERS = ["node", "cluster"] as const;

/** Names of all commands. */
const COMMAND_NAMES: readonly string[] = [...COMMANDS.map((c) => c.name), ...STARTERS, "help"];

/** What people type who come from elsewhere. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  add: "put",
  cat: "get",
  delete: "del",
  dir: "ls",
  keys: "ls",
  list: "ls",
  locate: "whereis",
  read: "get",
  rm: "del",
  ring: "nodes",
  serve: "node",
  set: "put",
  start: "node",
  store: "put",
  unset: "del",
  write: "put",
};

const COMMAND_FLAG: Flag = { name: "command", short: "c", value: "COMMAND", help: "the command" };

/** Flags of all commands: to find the command among them. */
const ALL_FLAGS: readonly Flag[] = [
  COMMAND_FLAG,
  ...COMMANDS.flatMap((c) => c.flags),
  ...NODE_FLAGS,
  ...CLUSTER_FLAGS,
];

/** What a command line asks for. */
export type Invocation =
  | {
    readonly kind: "ask";
    readonly command: Command;
    /** By flag name; an operand stands under its flag, or its label where it has none. */
    readonly values: ReadonlyMap<string, string>;
    readonly switches: ReadonlySet<string>;
  }
  /** `args` are left to the starter to read. */
  | { readonly kind: "start"; readonly starter: (typeof STARTERS)[number]; readonly args: readonly string[] }
  /** Without a topic, the help of the whole program. */
  | { readonly kind: "help"; readonly topic?: Command | (typeof STARTERS)[number] }
  | { readonly kind: "version" }
  /** `topic` is the command whose help says more. */
  | { readonly kind: "usage"; readonly message: string; readonly topic?: string };

/** Reads a command line in either of its two ways: `-c put -k mykey -val myvalue`, or `put mykey myvalue`. */
export function parseInvocation(args: readonly string[]): Invocation {
  const { name, rest } = splitCommand(args);
  if (name === undefined) return withoutCommand(args);
  if (name === "help") return helpOn(rest[0]);
  const starter = STARTERS.find((s) => s === name);
  if (starter !== undefined) return { kind: "start", starter, args: rest };
  const command = COMMANDS.find((c) => c.name === name);
  if (command === undefined) return { kind: "usage", message: unknownCommand(name) };
  const parsed = parseArguments(rest, command.flags, ALL_FLAGS);
  switch (parsed.kind) {
    case "help":
      return { kind: "help", topic: command };
    case "version":
      return parsed;
    case "usage":
      return { ...parsed, topic: name };
    case "parsed":
      return placeOperands(command, parsed.values, parsed.switches, parsed.positionals);
  }
}

/** Takes the command out of the arguments: what follows `-c`, or else the first that is not a flag or its value. */
function splitCommand(args: readonly string[]): { name?: string; rest: readonly string[] } {
  let at = 0;
  let firstPositional: { name: string; rest: readonly string[] } | undefined;
  while (at < args.length) {
    const [argument] = readArguments(args.slice(at, at + 2), ALL_FLAGS);
    const isPair = argument?.kind === "flag" && argument.value !== undefined && !args[at]!.includes("=");
    const width = isPair ? 2 : 1;
    if (argument?.kind === "flag" && argument.flag === COMMAND_FLAG) {
      return { name: argument.value ?? "", rest: args.toSpliced(at, width) };
    }
    if (args[at] === "--") {
      const rest = args.toSpliced(at + 1, 1);
      return firstPositional ?? (at + 1 < args.length ? { name: args[at + 1]!, rest } : { rest: args });
    }
    if (argument?.kind === "positional") {
      firstPositional ??= { name: argument.text, rest: args.toSpliced(at, 1) };
    }
    at += width;
  }
  return firstPositional ?? { rest: args };
}

function withoutCommand(args: readonly string[]): Invocation {
  const parsed = parseArguments(args, ALL_FLAGS);
  if (parsed.kind !== "parsed") return parsed;
  return { kind: "usage", message: "no command is given" };
}

function helpOn(name: string | undefined): Invocation {
  if (name === undefined || name.startsWith("-")) return { kind: "help" };
  const topic = COMMANDS.find((c) => c.name === name) ?? STARTERS.find((s) => s === name);
  return topic === undefined ? { kind: "usage", message: unknownCommand(name) } : { kind: "help", topic };
}

function unknownCommand(name: string): string {
  const other = Object.hasOwn(OTHER_WORDS, name.toLowerCase()) ? OTHER_WORDS[name.toLowerCase()] : undefined;
  const hint = other === undefined ? didYouMean(name, COMMAND_NAMES) : `; did you mean "${other}"?`;
  return `unknown command "${name}"${hint}`;
}

function placeOperands(
  command: Command,
  values: ReadonlyMap<string, string>,
  switches: ReadonlySet<string>,
  positionals: readonly string[],
): Invocation {
  const placed = new Map(values);
  const left = [...positionals];
  for (const { flag, label, required } of command.operands) {
    const name = flag || label;
    if (placed.has(name)) continue;
    const text = left.shift();
    if (text !== undefined) placed.set(name, text);
    else if (required) return usage(command, `${command.name} needs ${label}`);
  }
  if (left.length > 0) return usage(command, `"${left[0]}" is one argument too many for ${command.name}`);
  const conflict = conflictOf(command, placed, switches) ?? forgottenKey(values, positionals);
  return conflict === undefined
    ? { kind: "ask", command, values: placed, switches }
    : usage(command, conflict);
}

function usage(command: Command, message: string): Invocation {
  return { kind: "usage", message, topic: command.name };
}
