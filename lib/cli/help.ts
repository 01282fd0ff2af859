import { COMMON_FLAGS } from "./arguments.ts";
import { type Command, COMMANDS } from "./commands.ts";
import { flagLines } from "./help_lines.ts";

/** What `mydht --help` prints. */
export function generalHelp(): string {
  const listed = [
    ...COMMANDS.map(({ name, summary }) => [name, summary] as const),
    ["node", "run a node of a ring"] as const,
    ["cluster", "run a ring of several nodes on this machine"] as const,
  ];
  return [
    "MyDHT: a distributed hash table. Values are strings or files of any size.",
    "",
    "Usage: mydht COMMAND [arguments] [flags]        (from source: deno task -q cli COMMAND …)",
    "       mydht -c COMMAND [-k KEY] [-val VALUE] [-f FILE] [-o FILE] [flags]",
    "",
    "Commands:",
    ...listed.map(([name, summary]) => `  ${name.padEnd(10)}${summary}`),
    "",
    "Flags of every command that asks a node:",
    ...flagLines([...COMMANDS[0]!.flags.filter((flag) => flag.env === "MYDHT_SERVER"), ...COMMON_FLAGS]),
    "",
    "Exit codes: 0 done, 1 failed or no such key, 2 not understood, 3 no node reached.",
    'More about one command: "mydht COMMAND --help".',
  ].join("\n");
}

/** What `mydht COMMAND --help` prints. */
export function commandHelp(command: Command): string {
  const { name, summary, usage, operands, flags, notes } = command;
  const byFlag = operands.filter((operand) => operand.flag === "key" || operand.flag === "value");
  const value = byFlag.some((operand) => operand.flag === "value") ? " -val VALUE" : "";
  const old = byFlag.length > 0 ? [`mydht -c ${name} -k ${byFlag[0]!.label}${value}`] : [`mydht -c ${name}`];
  const forms = [...usage.map((text) => `mydht ${text}`), ...old];
  return [
    `${summary[0]!.toUpperCase()}${summary.slice(1)}.`,
    "",
    ...forms.map((text, i) => `${i === 0 ? "Usage:" : "      "} ${text}`),
    "",
    "Flags:",
    ...flagLines([...flags, ...COMMON_FLAGS]),
    ...(notes.length > 0 ? ["", ...notes] : []),
  ].join("\n");
}
