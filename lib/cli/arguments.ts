import { parseArgs } from "@std/cli/parse-args";
import { nearWord } from "./suggest.ts";

/** A flag that a command takes. */
export interface Flag {
  /** Its long name, written `--name` (and `-name`). */
  readonly name: string;
  /** One letter, written `-x`. */
  readonly short?: string;
  /** Another long name. */
  readonly also?: string;
  /** What its value is called in the help; a flag without one is a switch. */
  readonly value?: string;
  /** One line for the help. */
  readonly help: string;
  /** Environment variable that stands in for it. */
  readonly env?: string;
  /** What is written instead where a command does not take it, but another flag is likely meant. */
  readonly instead?: string;
}

/** Arguments taken apart, or what is wrong with them, or what else was asked for. */
export type ParsedArguments =
  | {
    readonly kind: "parsed";
    /** Values of the flags that were given, by long name. */
    readonly values: ReadonlyMap<string, string>;
    /** Switches that were given. */
    readonly switches: ReadonlySet<string>;
    readonly positionals: readonly string[];
  }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "usage"; readonly message: string };

const HELP: Flag = { name: "help", help: "show this help; so does a lone -h" };
const VERSION: Flag = { name: "version", help: "show the version" };

/** Flags that every command takes. */
export const COMMON_FLAGS: readonly Flag[] = [HELP, VERSION];

/** One argument as it was meant, before it is looked at as a whole. */
export type Argument =
  | { readonly kind: "flag"; readonly flag: Flag; readonly written: string; readonly value?: string }
  | { readonly kind: "unknown"; readonly written: string }
  | { readonly kind: "incomplete"; readonly flag: Flag; readonly written: string }
  | { readonly kind: "positional"; readonly text: string };

/**
 * Reads arguments the way they were meant, one by one.
 *
 * - A flag with a value takes the next argument, whatever it looks like: `-k -x`, `-f -`, `--value -5`.
 * - `-val x` is the long name, not three letters; `--name=x` and `-n=x` work too, also with nothing behind the `=`.
 * - `-h` names a host where a value follows, and asks for help where none does.
 * - What begins with a dash and a digit is a value, and so is a lone dash; behind `--` everything is.
 */
export function readArguments(args: readonly string[], flags: readonly Flag[]): Argument[] {
  const read: Argument[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") {
      return read.concat(args.slice(i + 1).map((text) => ({ kind: "positional", text }) as const));
    }
    const next = args[i + 1];
    const one = readArgument(arg, next, flags);
    if (one.kind === "flag" && one.value !== undefined && !arg.includes("=")) i++;
    read.push(one);
  }
  return read;
}

function readArgument(arg: string, next: string | undefined, flags: readonly Flag[]): Argument {
  if (!/^-[^\d]/s.test(arg)) return { kind: "positional", text: arg };
  const [written = arg, attached] = splitAtEquals(arg);
  const flag = findFlag(written, flags);
  if (flag === undefined) return { kind: "unknown", written };
  if (flag.value === undefined) {
    return attached === undefined ? { kind: "flag", flag, written } : { kind: "unknown", written: arg };
  }
  if (attached !== undefined) return { kind: "flag", flag, written, value: attached };
  if (written === "-h" && (next === undefined || next.startsWith("-"))) {
    return { kind: "flag", flag: HELP, written };
  }
  if (next === undefined) return { kind: "incomplete", flag, written };
  return { kind: "flag", flag, written, value: next };
}

function splitAtEquals(arg: string): [string, string?] {
  const at = arg.indexOf("=");
  return at < 0 ? [arg] : [arg.slice(0, at), arg.slice(at + 1)];
}

function findFlag(written: string, flags: readonly Flag[]): Flag | undefined {
  const name = written.replace(/^--?/, "");
  if (name.length === 1) return written.startsWith("--") ? undefined : flags.find((f) => f.short === name);
  return flags.find((f) => f.name === name || f.also === name);
}

/**
 * Takes arguments apart.
 *
 * They are rewritten so that nothing is left to guess (`--name=value`, values behind `--`) and then given to
 * `parseArgs`, which on its own reads `-val x` as three flags, `--file -` as none, and `007` as a number.
 *
 * @param takes Flags of this command.
 * @param known Flags of all commands, to tell a flag in the wrong place from an unknown one.
 */
export function parseArguments(
  args: readonly string[],
  takes: readonly Flag[],
  known: readonly Flag[] = takes,
): ParsedArguments {
  const mine = [...takes, ...COMMON_FLAGS];
  const read = readArguments(args, [...mine, ...known]);
  if (read.some((a) => a.kind === "flag" && a.flag === HELP)) return { kind: "help" };
  if (read.some((a) => a.kind === "flag" && a.flag === VERSION)) return { kind: "version" };
  const message = read.map((a) => complaint(a, mine)).find((m) => m !== undefined) ?? twice(read);
  if (message !== undefined) return { kind: "usage", message };
  return collect(read, takes);
}

function complaint(argument: Argument, mine: readonly Flag[]): string | undefined {
  switch (argument.kind) {
    case "positional":
      return undefined;
    case "unknown":
      return unknownFlag(argument.written, mine);
    case "incomplete":
      return `${argument.written} needs a value: ${argument.written} ${argument.flag.value}`;
    case "flag":
      return mine.some((f) => f.name === argument.flag.name)
        ? undefined
        : `${argument.written} means nothing to this command${hintOf(argument.flag)}`;
  }
}

function hintOf({ instead }: Flag): string {
  return instead === undefined ? "" : `; ${instead}`;
}

function unknownFlag(written: string, mine: readonly Flag[]): string {
  const [name = written, attached] = splitAtEquals(written);
  const known = findFlag(name, mine);
  if (known !== undefined && attached !== undefined) return `${name} takes no value`;
  const near = nearWord(name.replace(/^--?/, ""), mine.map((f) => f.name));
  const hint = near === undefined ? "" : `; did you mean "--${near}"?`;
  return `unknown flag ${name}${hint}${hint ? "" : " (a value that begins with a dash goes behind --)"}`;
}

function twice(read: readonly Argument[]): string | undefined {
  const seen = new Set<string>();
  for (const argument of read) {
    if (argument.kind !== "flag" || argument.value === undefined) continue;
    if (seen.has(argument.flag.name)) return `--${argument.flag.name} is given twice`;
    seen.add(argument.flag.name);
  }
  return undefined;
}

function collect(read: readonly Argument[], takes: readonly Flag[]): ParsedArguments {
  const plain = read.flatMap((a) => a.kind === "flag" ? [`--${a.flag.name}${suffix(a.value)}`] : []);
  const positionals = read.flatMap((a) => a.kind === "positional" ? [a.text] : []);
  const string = takes.filter((f) => f.value !== undefined).map((f) => f.name);
  const boolean = takes.filter((f) => f.value === undefined).map((f) => f.name);
  const parsed = parseArgs([...plain, "--", ...positionals], { string, boolean, "--": true });
  return {
    kind: "parsed",
    values: new Map(string.flatMap((name) => typeof parsed[name] === "string" ? [[name, parsed[name]]] : [])),
    switches: new Set(boolean.filter((name) => parsed[name] === true)),
    positionals: parsed["--"] as string[],
  };
}

function suffix(value: string | undefined): string {
  return value === undefined ? "" : `=${value}`;
}
