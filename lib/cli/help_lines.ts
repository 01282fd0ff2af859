import type { Flag } from "./arguments.ts";

/** The lines of a help text that explain flags, one each, in two columns. */
export function flagLines(flags: readonly Flag[]): string[] {
  const left = flags.map(writtenFlag);
  const width = Math.max(...left.map((text) => text.length));
  return flags.map((flag, i) => {
    const variable = flag.env === undefined ? "" : ` [${flag.env}]`;
    return `  ${left[i]!.padEnd(width)}  ${flag.help}${variable}`;
  });
}

function writtenFlag({ name, short, also, value }: Flag): string {
  const names = [short && `-${short}`, `--${name}`, also && `-${also}`].filter((text) => text !== undefined);
  const indent = short === undefined ? "    " : "";
  return `${indent}${names.join(", ")}${value === undefined ? "" : ` ${value}`}`;
}
